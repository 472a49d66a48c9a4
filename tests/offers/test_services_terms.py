"""Terms by day: scheduled ahead, never changed afterwards, the same in every answer."""

from datetime import UTC, date, datetime

import pytest

from offers.models import Listing, Offer, OfferTerms
from offers.selectors import get_described_offer, list_terms, list_terms_in_force, terms_on
from offers.services import publish_listing, save_offers, set_terms
from partners.models import Program
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import AuditEvent
from tests.factories.offers import make_offer, make_row
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
TODAY, AUTUMN = date(2026, 7, 15), date(2026, 9, 1)


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    return program


@pytest.fixture
def offer(program: Program) -> Offer:
    return make_offer(program, terms="First terms.")


def say(offer: Offer, text: str, day: date, at: datetime = AT) -> OfferTerms:
    return set_terms(offer_id=offer.pk, text=text, starts_date=day, actor="system", at=at)


def text_on(offer: Offer, day: date) -> str | None:
    terms = terms_on(offer.pk, day)
    return terms.text if terms else None


def test_the_first_terms_hold_from_the_beginning(offer: Offer) -> None:
    assert text_on(offer, date(2019, 1, 1)) == "First terms."


def test_an_offer_without_terms_has_none(program: Program) -> None:
    plain = make_offer(program, "O2")

    assert terms_on(plain.pk, TODAY) is None
    assert list_terms_in_force(program.pk, TODAY) == {}


def test_terms_to_come_hold_from_their_day_on(program: Program, offer: Offer) -> None:
    say(offer, "Autumn terms.", AUTUMN)

    assert [text_on(offer, day) for day in (TODAY, date(2026, 8, 31), AUTUMN, date(2027, 1, 1))] == [
        "First terms.",
        "First terms.",
        "Autumn terms.",
        "Autumn terms.",
    ]
    assert list_terms_in_force(program.pk, AUTUMN) == {offer.pk: "Autumn terms."}
    assert [row.text for row in list_terms(offer.pk)] == ["Autumn terms.", "First terms."]


def test_what_was_said_last_of_a_day_holds(offer: Offer) -> None:
    say(offer, "Autumn terms.", AUTUMN)
    say(offer, "Better autumn terms.", AUTUMN)

    assert text_on(offer, AUTUMN) == "Better autumn terms."
    say(offer, "Better autumn terms.", AUTUMN)
    assert OfferTerms.objects.filter(offer=offer).count() == 3


def test_days_that_are_over_keep_their_terms(offer: Offer) -> None:
    with pytest.raises(InvalidInput, match="under the terms of that day") as refused:
        say(offer, "Backdated.", date(2026, 7, 14))

    assert refused.value.code == "terms_in_the_past"
    assert text_on(offer, date(2026, 7, 14)) == "First terms."


def test_the_day_is_the_programs() -> None:
    program = make_program(time_zone="Pacific/Kiritimati")
    make_partner(program)
    offer = make_offer(program)
    at = datetime(2026, 7, 14, 12, 0, tzinfo=UTC)  # 15 July there

    with pytest.raises(InvalidInput):
        say(offer, "Yesterday's.", date(2026, 7, 14), at)
    assert say(offer, "Today's.", TODAY, at).starts_date == TODAY


def test_a_change_is_audited_and_moves_the_catalog_on(program: Program, offer: Offer) -> None:
    program.refresh_from_db()
    revision = program.catalog_revision

    say(offer, "Autumn terms.", AUTUMN)

    program.refresh_from_db()
    assert program.catalog_revision > revision
    change = AuditEvent.objects.get(action="offers.set_terms")
    assert (change.before, change.after) == ({"terms": "First terms."}, {"terms": "Autumn terms.", "starts_date": "2026-09-01"})


def test_a_version_with_other_terms_dates_them_today_and_one_without_does_not(offer: Offer) -> None:
    publish_listing(offer_id=offer.pk, title="Same terms", terms="First terms.", actor="system", at=AT)
    publish_listing(offer_id=offer.pk, title="Other terms", terms="Second terms.", actor="system", at=AT)

    rows = OfferTerms.objects.filter(offer=offer).order_by("id").values_list("text", "starts_date")
    assert list(rows) == [("First terms.", None), ("Second terms.", TODAY)]


def test_a_new_listing_does_not_bring_replaced_terms_back(offer: Offer) -> None:
    say(offer, "Second terms.", TODAY)

    listing = publish_listing(offer_id=offer.pk, title="Only the title", actor="system", at=AT)

    assert listing.terms == "Second terms."
    assert text_on(offer, TODAY) == "Second terms."


def test_a_file_that_says_what_holds_changes_nothing(program: Program, offer: Offer) -> None:
    say(offer, "Second terms.", TODAY)

    same = save_offers(program_id=program.pk, rows=[make_row(terms="Second terms.")], actor="system", at=AT)
    other = save_offers(program_id=program.pk, rows=[make_row(terms="Third terms.")], actor="system", at=AT)
    silent = save_offers(program_id=program.pk, rows=[make_row(title="A new title")], actor="system", at=AT)

    assert (same.unchanged, other.changed, silent.changed) == (1, 1, 1)
    assert text_on(offer, TODAY) == "Third terms."
    assert Listing.objects.filter(offer=offer).latest("number").terms == "Third terms."


def test_described_offers_carry_their_terms(program: Program, offer: Offer) -> None:
    say(offer, "Autumn terms.", AUTUMN)

    described = get_described_offer(program.pk, "O1")

    assert {row.text for row in described.dated_terms.all()} == {"First terms.", "Autumn terms."}


def test_an_unknown_offer_is_not_found(program: Program) -> None:
    with pytest.raises(NotFound):
        set_terms(offer_id=404, text="x", starts_date=TODAY, actor="system", at=AT)
