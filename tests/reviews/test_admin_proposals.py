"""Proposing and editing corrective actions on the console: from partners, offers, flags and scorecards, kind by kind."""

from datetime import date

import pytest
from django.test import Client
from django.urls import reverse

from offers.models import Offer
from partners.models import Partner, Program
from plum_site.lib.choices import Role
from plum_site.lib.models import User
from reviews.admin.proposals import propose_url
from reviews.choices import ActionKind, ActionState
from reviews.forms import ActionForm
from reviews.forms.actions import FIELDS, HOW_CHOICES
from reviews.models import CorrectiveAction, FlagCase, Scorecard
from reviews.pages.actions import KIND_SENTENCES
from reviews.rules.actions import HOWS, check_params
from reviews.services.actions import HANDLINGS, approve_action, edit_action
from tests.factories.actions import AT, WORDS, carry_out, make_correctable_program, propose
from tests.factories.flags import FELL, make_watched_program
from tests.factories.offers import make_offer, make_segment
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, record_month, reviewed
from tests.support.pages import errors_of, list_inline, sign_in, text_of

pytestmark = pytest.mark.slow
ASK = "admin:reviews_correctiveaction_propose"
SAVE = "admin:reviews_correctiveaction_save_new"


@pytest.fixture
def program(db: None) -> Program:
    return make_correctable_program()


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")


@pytest.fixture
def client(anna: User) -> Client:
    return sign_in(anna)


def partner() -> Partner:
    return Partner.objects.get(external_id="P1", program__code="acme")


def sent(kind: str, **fields: object) -> dict[str, object]:
    return {"partner": partner().pk, "kind": kind, "do": "save", **fields}


def test_first_the_partner_then_the_kind(client: Client, program: Program) -> None:
    assert "Which one?" in text_of(client.get(reverse(ASK)))
    page = client.get(reverse(ASK), {"partner": partner().pk})
    said = text_of(page)
    assert not list_inline(page.content.decode())
    for kind in ActionKind:
        assert (kind.label in said) == (kind in HANDLINGS), kind
    assert "One person may approve it." in said


def test_a_look_changes_nothing_and_a_proposal_is_kept(client: Client, program: Program) -> None:
    make_segment(program, "north")
    given = sent(
        ActionKind.RERANK, offers=["O3"], how="place", place="1", segment="north", reason="Show it.", due_date="2026-07-20"
    )

    looked = text_of(client.post(reverse(SAVE), {**given, "do": "look"}))
    assert "O3 of Partner P1: to place 1, for" in looked
    assert "place 1" in looked
    assert "Nothing is saved yet." in looked
    assert not CorrectiveAction.objects.exists()

    client.post(reverse(SAVE), given)
    action = CorrectiveAction.objects.get()
    assert action.params == {"offers": ["O3"], "how": "place", "place": 1}
    assert action.segment is not None
    assert action.segment.code == "north"
    assert (action.reason, action.due_date) == ("Show it.", date(2026, 7, 20))
    assert action.proposer is not None


def test_what_is_wrong_stands_at_its_field(client: Client, program: Program) -> None:
    page = client.post(reverse(SAVE), sent(ActionKind.RERANK, how="pin"))
    assert set(errors_of(page)) >= {"place"}
    page = client.post(reverse(SAVE), sent(ActionKind.RERANK, how="top"))
    assert errors_of(page) == {"offers": ["Name at least one."]}
    page = client.post(reverse(SAVE), sent(ActionKind.REFRESH_LISTING, offers="O1"))
    assert errors_of(page) == {"title": ["Say something here."]}
    page = client.post(reverse(SAVE), sent(ActionKind.PAUSE_OFFER, offers=["O4"]))
    assert "O4 is not one of the available choices" in errors_of(page)["offers"][0]
    assert not CorrectiveAction.objects.exists()


def test_a_look_says_why_it_could_not_be_done(client: Client, program: Program) -> None:
    offer = Offer.objects.get(external_id="O1")
    listing = offer.listings.order_by("-number").first()
    assert listing is not None
    same = {name: getattr(listing, name) for name in ("title", "text", "creative_url", "terms")}
    said = text_of(client.post(reverse(SAVE), sent(ActionKind.REFRESH_LISTING, offers="O1", **same) | {"do": "look"}))
    assert "These are the words that members read already." in said


def test_the_words_that_members_read_now_are_taken_over(client: Client, program: Program) -> None:
    page = client.post(reverse(SAVE), sent(ActionKind.REFRESH_LISTING, offers="O1") | {"do": "words"})
    listing = Offer.objects.get(external_id="O1").listings.order_by("-number").first()
    assert listing is not None
    assert page.context["form"]["title"].value() == listing.title
    assert not errors_of(page)


def test_many_offers_are_searched_and_what_is_ticked_stays(client: Client, program: Program) -> None:
    for number in range(10, 30):
        make_offer(program, f"O{number}", partner_external_id="P1")
    given = sent(ActionKind.PAUSE_OFFER, offers=["O1"]) | {"do": "find_offers", "find": "O29"}
    boxes = client.post(reverse(SAVE), given).context["form"].boxes()
    assert [(name, ticked) for name, _, ticked in boxes] == [("O1", True), ("O29", False)]


def test_an_edit_voids_the_approval_and_can_empty_dates(client: Client, program: Program, anna: User) -> None:
    action = propose(program, anna, due_date=AT.date())
    approve_action(action_id=action.pk, actor=anna, at=AT)
    url = reverse("admin:reviews_correctiveaction_edit", args=[action.pk])
    page = client.get(url)
    assert "An edit voids the approval" in text_of(page)
    assert [name for name, _, ticked in page.context["form"].boxes() if ticked] == ["O1"]

    save = reverse("admin:reviews_correctiveaction_save", args=[action.pk])
    client.post(save, {"offers": ["O2"], "reason": "Another.", "due_date": "", "replaces": action.revision, "do": "save"})
    action.refresh_from_db()
    assert (action.state, action.params, action.due_date) == (ActionState.PROPOSED, {"offers": ["O2"]}, None)
    assert action.approver is None
    assert action.scheduled_at is None


def test_an_edit_of_what_was_edited_meanwhile_is_refused(client: Client, program: Program, anna: User) -> None:
    action = propose(program, anna)
    edit_action(action_id=action.pk, actor=anna, at=AT, params={"offers": ["O3"]})
    save = reverse("admin:reviews_correctiveaction_save", args=[action.pk])
    said = text_of(client.post(save, {"offers": ["O2"], "replaces": "1", "do": "save"}))
    assert "revision 2 stands, not 1" in said
    action.refresh_from_db()
    assert action.params == {"offers": ["O3"]}


def test_what_is_done_cannot_be_edited(client: Client, program: Program, anna: User) -> None:
    action = carry_out(propose(program, anna), anna)
    assert "cannot be edited any more" in text_of(client.get(reverse("admin:reviews_correctiveaction_edit", args=[action.pk])))
    save = reverse("admin:reviews_correctiveaction_save", args=[action.pk])
    said = text_of(client.post(save, {"offers": ["O2"], "replaces": "1", "do": "save"}))
    assert "is not possible from state measured" in said


def test_partners_and_offers_show_what_was_done_and_propose(client: Client, program: Program, anna: User) -> None:
    propose(program, anna)
    other = Offer.objects.get(external_id="O2")
    offer = Offer.objects.get(external_id="O1")
    on_partner = client.get(reverse("admin:partners_partner_change", args=[partner().pk])).content.decode()
    assert "O1 of Partner P1: paused." in on_partner
    assert f"?partner={partner().pk}" in on_partner
    on_offer = client.get(reverse("admin:offers_offer_change", args=[offer.pk])).content.decode()
    assert "O1 of Partner P1: paused." in on_offer
    assert "offers=O1" in on_offer
    assert "Nothing was done with this offer yet." in text_of(client.get(reverse("admin:offers_offer_change", args=[other.pk])))
    assert "1 waiting" in text_of(client.get(reverse("admin:partners_partner_changelist")))
    assert "offers=O2" in client.get(reverse("admin:offers_offer_changelist")).content.decode()

    auditor = sign_in(make_member_of_staff(program, Role.AUDITOR))
    seen = text_of(auditor.get(reverse("admin:partners_partner_change", args=[partner().pk])))
    assert "O1 of Partner P1: paused." in seen
    assert "Propose an action" not in seen


def test_a_row_of_another_program_is_none(client: Client, program: Program) -> None:
    assert client.get(reverse(ASK), {"partner": "999999"}).status_code == 404
    assert client.get(reverse(ASK), {"partner": "x"}).status_code == 404
    assert client.get(reverse(ASK), {"case": "999999"}).status_code == 404
    assert client.get(reverse(ASK), {"card": "999999"}).status_code == 404


def test_a_flag_and_a_scorecard_lead_to_a_proposal_that_names_them(db: None) -> None:
    program = make_watched_program("P1", "P2", "P3")
    record_month(program, "2026-06", {"P1": FELL, "P2": FELL, "P3": GOOD})
    cycle = reviewed(program)
    client = sign_in(User.objects.get(username="otis"))
    case = FlagCase.objects.get(partner__external_id="P1")
    assert f"propose/?case={case.pk}" in client.get(reverse("admin:reviews_flagcase_change", args=[case.pk])).content.decode()
    card = Scorecard.objects.get(cycle=cycle, partner__external_id="P1")
    assert f"propose/?card={card.pk}" in client.get(reverse("admin:reviews_scorecard_change", args=[card.pk])).content.decode()

    kinds = text_of(client.get(propose_url(case=case.pk)))
    assert "Diagnosis of June 2026" in kinds
    form = client.get(propose_url(case=case.pk, kind="pause_offer")).context["form"]
    assert form["reason"].value() == (card.diagnosis or {})["sentence"]

    given = {"case": case.pk, "kind": "pause_offer", "offers": ["O-P1"], "do": "save"}
    client.post(reverse(SAVE), given)
    client.post(reverse(SAVE), {**given, "case": "", "card": card.pk})
    first, second = CorrectiveAction.objects.filter(proposer__isnull=False).order_by("pk")
    assert first.case == case
    assert second.cycle == cycle
    assert "O-P1" in text_of(client.get(reverse("admin:reviews_flagcase_change", args=[case.pk])))


@pytest.mark.parametrize("kind", sorted(ActionKind))
def test_every_kind_has_a_form_that_says_what_it_must_be_told(kind: str, program: Program) -> None:
    offers = [("O1", "O1")]
    assert KIND_SENTENCES[ActionKind(kind)]
    assert set(FIELDS) == set(ActionKind)
    assert [how for how, _ in HOW_CHOICES] == list(HOWS)
    filled = {"offers": "O1", "how": "top", **WORDS, "subject": "Hello", "channels": ["mail"], "hold_out_percent": 10}
    form = ActionForm({**filled, "pause_days": 14, "reason": ""}, partner=partner(), kind=kind, offers=offers, begins={})
    form.data["offers"] = "O1" if kind == ActionKind.REFRESH_LISTING else ["O1"]
    assert form.is_valid(), form.errors
    assert check_params(kind, form.params()) == form.params()


def test_terms_that_are_left_empty_stay(client: Client, program: Program) -> None:
    client.post(reverse(SAVE), sent(ActionKind.REFRESH_LISTING, offers="O1", **{**WORDS, "terms": ""}))
    assert "terms" not in CorrectiveAction.objects.get().params
