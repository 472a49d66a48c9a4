"""The catalog in the console: offers, listings, audiences, segments in words."""

import pytest
from django.test import Client
from django.urls import reverse

from offers.models import Audience, Listing, ListingDraft, Offer, Segment
from offers.services import set_audience, start_trial
from partners.models import Program
from plum_site.lib.clock import now
from plum_site.lib.periods import local_date
from tests.factories.offers import make_offer, make_segment
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.support.pages import errors_of, sign_in, text_of

pytestmark = pytest.mark.slow

CHANGE = "admin:offers_offer_change"


@pytest.fixture
def program(db: None) -> Program:
    program = make_program()
    make_partner(program, "P1")
    return program


@pytest.fixture
def client(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "program_admin"))


@pytest.fixture
def offer(program: Program) -> Offer:
    return make_offer(program, "O1")


def test_a_new_offer_begins_as_a_draft_with_its_first_listing(client: Client, program: Program) -> None:
    partner = program.partners.get()
    values = {"partner": partner.pk, "external_id": "O5", "title": "Ten off", "offer_type": "discount", "reward_cost": "2.50 EUR"}
    assert client.post(reverse("admin:offers_offer_add"), values).status_code == 302
    offer = Offer.objects.get(program=program, external_id="O5")
    assert (offer.state, offer.reward_cost_minor, offer.listings.get().title) == ("draft", 250, "Ten off")


def test_a_cost_without_currency_is_refused_beside_its_field(client: Client, program: Program) -> None:
    partner = program.partners.get()
    values = {"partner": partner.pk, "external_id": "O5", "title": "Ten off", "offer_type": "discount", "reward_cost": "2.50"}
    assert "reward_cost" in errors_of(client.post(reverse("admin:offers_offer_add"), values))
    assert not Offer.objects.exists()


def test_a_change_keeps_listing_partner_and_type(client: Client, offer: Offer) -> None:
    values = {"category": "lunch", "face_value": "15%", "face_value_currency": "", "starts_date": "2026-02-01", "ends_date": ""}
    assert client.post(reverse(CHANGE, args=[offer.pk]), values).status_code == 302
    offer.refresh_from_db()
    assert (offer.category, offer.offer_type, str(offer.starts_date)) == ("lunch", "discount", "2026-02-01")
    assert offer.listings.count() == 1


def test_a_new_listing_is_a_new_version(client: Client, offer: Offer) -> None:
    values = {"title": "Better words", "text": "Really", "creative_url": "", "terms": ""}
    assert client.post(reverse("admin:offers_offer_save_listing", args=[offer.pk]), values).status_code == 302
    draft = ListingDraft.objects.get(offer=offer)
    for name in ("submit", "publish"):
        assert client.post(reverse("admin:offers_listingdraft_done", args=[draft.pk, name])).status_code == 302
    assert list(Listing.objects.filter(offer=offer).order_by("number").values_list("number", "title")) == [
        (1, "Offer O1"),
        (2, "Better words"),
    ]
    page = text_of(client.get(reverse(CHANGE, args=[offer.pk])))
    assert "Better words" in page
    assert "Offer O1" in page


def test_an_audience_is_a_segment_of_this_program(client: Client, program: Program, offer: Offer) -> None:
    segment, foreign = make_segment(program), make_segment(make_program("other"))
    save = reverse("admin:offers_offer_save_audience", args=[offer.pk])
    assert "segment" in errors_of(client.post(save, {"segment": foreign.pk}))
    assert "countries" in errors_of(client.post(save, {"segment": segment.pk, "countries": "Germany"}))
    assert client.post(save, {"segment": segment.pk, "countries": "de, at"}).status_code == 302
    audience = Audience.objects.get(offer=offer)
    assert (audience.segment, sorted(audience.countries)) == (segment, ["AT", "DE"])


def test_an_audience_leaves_out_segments_of_this_program(client: Client, program: Program, offer: Offer) -> None:
    cards, foreign = make_segment(program), make_segment(make_program("other"))
    north = make_segment(program, "north", "region", ("north",))
    save = reverse("admin:offers_offer_save_audience", args=[offer.pk])
    assert "excluded_segments" in errors_of(client.post(save, {"excluded_segments": [foreign.pk]}))
    refused = client.post(save, {"segment": cards.pk, "excluded_segments": [cards.pk]})
    assert "open to nobody" in str(errors_of(refused)["excluded_segments"])
    assert not Audience.objects.exists()
    assert client.post(save, {"segment": cards.pk, "excluded_segments": [north.pk]}).status_code == 302
    assert list(Audience.objects.get(offer=offer).excluded_segments.all()) == [north]
    page = text_of(client.get(reverse(CHANGE, args=[offer.pk])))
    assert "Cards, in every country, but not North" in page
    assert "the beginning Cards every country North" in page
    assert "Left out of O1 always" in text_of(client.get(reverse("admin:offers_segment_change", args=[north.pk])))


def test_the_form_begins_with_what_holds_today(client: Client, program: Program, offer: Offer) -> None:
    ask = reverse("admin:offers_offer_audience", args=[offer.pk])
    assert "excluded_segments" not in client.get(ask).context["form"].fields  # there is no segment to leave out
    north = make_segment(program, "north", "region", ("north",))
    set_audience(
        offer_id=offer.pk, countries=["AT", "DE"], excluded_segment_ids=[north.pk], actor="system", at=program.created_at
    )
    page = client.get(ask)
    form = page.context["form"]
    assert (form["countries"].value(), form["segment"].value(), form["excluded_segments"].value()) == ("AT, DE", None, [north.pk])
    assert form["starts_date"].value() == local_date(now(), program.time_zone)
    assert f'value="{north.pk}" id="id_excluded_segments_0" checked' in page.content.decode()


def test_a_segment_is_shown_in_words(client: Client, program: Program) -> None:
    values = {
        "name": "Card people in the north",
        "code": "cards-north",
        "attribute_0": "business_unit",
        "operator_0": "is",
        "values_0": "cards, unknown",
        "attribute_1": "region",
        "operator_1": "is_not",
        "values_1": "south",
    }
    assert client.post(reverse("admin:offers_segment_add"), values).status_code == 302
    segment = Segment.objects.get(program=program)
    assert segment.rule[0] == {"attribute": "business_unit", "operator": "is", "values": ["cards", ""]}
    page = text_of(client.get(reverse("admin:offers_segment_changelist")))
    assert "business unit is one of cards, unknown and region is none of south" in page


def test_a_condition_without_values_is_refused(client: Client) -> None:
    values = {"name": "Nobody", "code": "nobody", "attribute_0": "region", "operator_0": "is", "values_0": ""}
    assert errors_of(client.post(reverse("admin:offers_segment_add"), values))
    assert not Segment.objects.exists()


def test_the_list_narrows_to_what_offers_are_today(client: Client, program: Program) -> None:
    make_offer(program, "live")
    make_offer(program, "over", ends_date=program.created_at.date())
    url = reverse("admin:offers_offer_changelist")
    assert [row.external_id for row in client.get(url, {"today": "expired"}).context["cl"].result_list] == ["over"]
    assert [row.external_id for row in client.get(url, {"today": "live"}).context["cl"].result_list] == ["live"]


def test_a_program_admin_leads_a_draft_to_live(client: Client, program: Program) -> None:
    offer = make_offer(program, "O7", state="draft")
    for name in ("submit", "publish"):
        assert client.post(reverse("admin:offers_offer_done", args=[offer.pk, name]), {"comment": ""}).status_code == 302
    offer.refresh_from_db()
    assert offer.state == "published"


def test_an_offer_on_trial_says_who_sees_it(client: Client, program: Program, offer: Offer) -> None:
    new = make_offer(program, "O2")
    start_trial(program_id=program.pk, pairs=[(offer.pk, new.pk)], share_percent=20, salt="salt", actor="system", at=now())

    listed = text_of(client.get(reverse("admin:offers_offer_changelist")))
    assert "Live on trial: 20 % of members see O2 instead" in listed
    assert "Live on trial: 20 % of members see it in the place of O1" in listed
    assert "on trial: 20 % of members see O2 instead" in text_of(client.get(reverse(CHANGE, args=[offer.pk])))
    assert "on trial: 20 % of members see O2 instead" in text_of(client.get(reverse("admin:ranking_order")))
    Offer.objects.filter(pk=offer.pk).update(state="paused")  # nobody sees it
    assert "see O2 instead" not in text_of(client.get(reverse("admin:offers_offer_changelist")))
