"""The console of corrective actions: the list, the page of one with its steps, and several approved at once."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from offers.choices import OfferState
from offers.models import Offer
from offers.services import change_offer_state, publish_listing
from partners.models import Program
from partners.services import save_contact
from plum_site.lib.choices import Role
from plum_site.lib.clock import now
from plum_site.lib.models import User
from plum_site.lib.people import grant_role
from reviews.choices import ActionKind, ActionState, Approval
from reviews.models import ActionNote, CorrectiveAction
from reviews.pages.actions import show_effect
from reviews.rules.actions import UNDO_DAYS, ApprovalSpec, default_approvals
from reviews.services.actions import edit_action, reject_action, save_approvals
from tests.factories.actions import AT, WORDS, carry_out, lower_approvals, make_correctable_program, propose
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.support.pages import list_inline, sign_in, text_of

pytestmark = pytest.mark.slow
LIST = "admin:reviews_correctiveaction_changelist"
TWO = ApprovalSpec(dict.fromkeys(map(str, ActionKind), str(Approval.TWO)))


@pytest.fixture
def program(db: None) -> Program:
    return make_correctable_program()


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")


@pytest.fixture
def ben(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "ben")


@pytest.fixture
def client(anna: User) -> Client:
    return sign_in(anna)


def page_of(action: CorrectiveAction) -> str:
    return reverse("admin:reviews_correctiveaction_change", args=[action.pk])


def step(action: CorrectiveAction, name: str, part: str = "done") -> str:
    return reverse(f"admin:reviews_correctiveaction_{part}", args=[action.pk, name])


def ticked(*actions: CorrectiveAction) -> dict[str, list[str]]:
    return {"action": [f"{action.pk}:{action.revision}" for action in actions]}


def test_the_list_shows_what_waits_unless_something_else_is_asked_for(client: Client, program: Program, anna: User) -> None:
    propose(program, anna, due_date=AT.date())
    gone = propose(program, anna, params={"offers": ["O2"]})
    reject_action(action_id=gone.pk, actor=anna, at=AT, comment="Not now.")

    said = text_of(client.get(reverse(LIST)))
    assert "O1 of Partner P1: paused." in said
    assert "O2 of Partner P1" not in said
    assert "overdue" in said
    assert "anna" in said
    assert "one person" in said
    assert "O2 of Partner P1" in text_of(client.get(reverse(LIST), {"state": "ended"}))
    assert "Nothing fits" in text_of(client.get(reverse(LIST), {"kind": "rerank"}))


def test_what_waits_for_me_is_what_i_may_approve(program: Program, anna: User, ben: User) -> None:
    save_approvals(program_id=program.pk, spec=TWO, actor="system", at=AT)
    propose(program, anna)
    mine = {"whose": "you"}
    assert "Nothing fits" in text_of(sign_in(anna).get(reverse(LIST), mine))
    assert "O1 of Partner P1" in text_of(sign_in(ben).get(reverse(LIST), mine))


def test_home_says_how_many_wait_for_whom(client: Client, program: Program, anna: User, ben: User) -> None:
    assert "for you" not in text_of(client.get(reverse("admin:index")))
    propose(program, anna)
    propose(program, anna, params={"offers": ["O2"]})
    assert "2 actions wait for you" in text_of(sign_in(ben).get(reverse("admin:index")))
    otis = sign_in(make_member_of_staff(program, Role.PARTNER_OPS, "otis"))
    assert "wait for you" not in text_of(otis.get(reverse("admin:index")))
    save_approvals(program_id=program.pk, spec=TWO, actor="system", at=AT)
    propose(program, "system", proposal_key="rule")
    assert "1 action waits for you" in text_of(otis.get(reverse("admin:index")))


def test_the_page_says_what_it_does_for_whom_by_whose_leave(client: Client, program: Program, anna: User) -> None:
    action = propose(program, anna, reason="Its links are broken.", due_date=AT.date())
    page = client.get(page_of(action))
    said = text_of(page)
    assert not list_inline(page.content.decode())
    for words in (
        "O1 of Partner P1: paused.",
        "What members have activated already is honoured.",
        "Its links are broken.",
        "It waits for somebody to approve it.",
        "It was due on",
        "Approve…",
        "Edit…",
        "Cancel…",
        "Nobody has written anything yet.",
    ):
        assert words in said, words


def test_approving_shows_the_change_and_does_what_was_seen(client: Client, program: Program, anna: User) -> None:
    action = propose(program, anna)
    asked = client.get(step(action, "approve", "do"))
    assert "Published" in text_of(asked)
    assert "Paused" in text_of(asked)
    edit_action(action_id=action.pk, actor=anna, at=AT, params={"offers": ["O2"]})

    refused = client.post(step(action, "approve"), {"replaces": action.revision, "comment": ""})
    assert "revision 2 stands, not 1" in text_of(refused)
    assert "revision 2 stands, not 0" in text_of(client.post(step(action, "approve"), {"comment": ""}))
    client.post(step(action, "approve"), {"replaces": 2, "comment": "Go."})

    action.refresh_from_db()
    assert action.state == ActionState.SCHEDULED
    assert action.approver == anna
    assert "Go." in text_of(client.get(page_of(action)))


def test_whoever_proposed_is_not_offered_what_needs_two_people(client: Client, program: Program, anna: User, ben: User) -> None:
    save_approvals(program_id=program.pk, spec=TWO, actor="system", at=AT)
    action = propose(program, anna)
    said = text_of(client.get(page_of(action)))
    assert "other than who proposed or edited it" in said
    assert "Approve…" not in said
    assert "somebody else has to approve it" in text_of(client.post(step(action, "approve"), {"replaces": 1, "comment": ""}))
    assert "Approve…" in text_of(sign_in(ben).get(page_of(action)))


def test_solo_mode_says_that_it_waits(client: Client, program: Program, anna: User) -> None:
    lower_approvals(program, ApprovalSpec(TWO.approvals, solo_mode=True))
    action = propose(program, anna, at=now())
    assert "it waits 24 hours" in text_of(client.get(step(action, "approve", "do")))
    client.post(step(action, "approve"), {"replaces": 1, "comment": ""})
    said = text_of(client.get(page_of(action)))
    assert "Approved in solo mode" in said
    assert "in which it can be cancelled" in said


def test_what_a_rule_proposed_is_taken_up_first(client: Client, program: Program) -> None:
    save_approvals(program_id=program.pk, spec=TWO, actor="system", at=AT)
    action = propose(program, "system", proposal_key="rule")
    assert "One person takes it up" in text_of(client.get(page_of(action)))
    client.post(step(action, "take_up"), {})
    said = text_of(client.get(page_of(action)))
    assert "taken up by anna" in said
    assert "Take up…" not in said


def test_rejecting_and_cancelling_ask_why(client: Client, program: Program, anna: User) -> None:
    for name, state in (("reject", ActionState.REJECTED), ("cancel", ActionState.CANCELLED)):
        action = propose(program, anna)
        assert "Say why" in text_of(client.post(step(action, name), {"comment": " "}))
        client.post(step(action, name), {"comment": "It is not worth it."})
        action.refresh_from_db()
        assert action.state == state
        assert "It is not worth it." in text_of(client.get(page_of(action)))


def test_a_revert_puts_back_what_was_there(client: Client, program: Program, anna: User) -> None:
    action = carry_out(propose(program, anna, at=now()), anna, now())
    said = text_of(client.get(page_of(action)))
    assert "It can be reverted until" in said
    assert "After the revert" in text_of(client.get(step(action, "revert", "do")))
    client.post(step(action, "revert"), {"comment": "Mended."})
    assert Offer.objects.get(external_id="O1").state == OfferState.PUBLISHED
    assert "Reverted by" in text_of(client.get(page_of(action)))


def test_after_thirty_days_no_revert_is_offered_and_the_page_says_so(client: Client, program: Program, anna: User) -> None:
    at = now() - timedelta(days=UNDO_DAYS, minutes=1)
    action = carry_out(propose(program, anna, at=at), anna, at)
    fresh = carry_out(propose(program, anna, params={"offers": ["O2"]}, at=now()), anna, now())
    assert "Revert…" in text_of(client.get(page_of(fresh)))

    said = text_of(client.get(page_of(action)))

    assert "Revert…" not in said
    assert "It could be reverted until" in said
    assert "its 30 days are over" in said
    assert "An action is reverted within 30 days." in text_of(client.post(step(action, "revert"), {"comment": "Late."}))


def test_what_went_out_says_that_it_cannot_be_taken_back(client: Client, program: Program, anna: User) -> None:
    person = {"name": "Ann", "email": "ann@p1.example", "role": "account", "language": "en"}
    save_contact(partner_id=program.partners.get(external_id="P1").pk, **person, actor="system", at=AT)
    letter = {"subject": "June", "text": "Members activate less."}
    action = carry_out(propose(program, anna, ActionKind.CONTACT_PARTNER, params=letter), anna)

    said = text_of(client.get(page_of(action)))

    assert "What went out cannot be taken back." in said
    assert "Revert…" not in said


def test_the_log_says_steps_in_the_words_of_their_buttons(client: Client, program: Program, anna: User) -> None:
    action = carry_out(propose(program, anna), anna)

    said = text_of(client.get(page_of(action))).partition("What happened")[2]

    for words in ("Proposed", "Approve", "Scheduled", "Begun", "Executed", "Measuring"):
        assert words in said, words
    assert not {"propose", "approve", "schedule", "begin", "finish", "watch"} & set(said.split())


@pytest.mark.parametrize(
    ("high", "words"), [(-0.04, "between −20.0 % and −4.0 %, 95 of 100 times"), (None, "above −20.0 %, 95 of 100 times")]
)
def test_a_fall_is_written_with_a_minus(high: float | None, words: str) -> None:
    effect = {"verdict": "harmed", "estimate": -0.123, "low": -0.2, "high": high, "sentence": "It fell."}
    shown = show_effect(CorrectiveAction(design={"metric": "redemptions"}, effect=effect, verdict="harmed"))
    assert shown is not None
    assert shown["facts"] == [("Measured by", "Redemptions"), ("Change", "−12.3 %"), ("Lies", words)]


def test_a_revert_after_another_change_shows_three_versions(client: Client, program: Program, anna: User) -> None:
    offer = Offer.objects.get(external_id="O1")
    action = propose(program, anna, ActionKind.REFRESH_LISTING, params={"offers": ["O1"], **WORDS}, at=now())
    carry_out(action, anna, now())
    publish_listing(offer_id=offer.pk, title="Third words", text="", creative_url="", terms="", actor="system", at=now())

    said = text_of(client.post(step(action, "revert"), {"comment": "Back."}))

    assert "Somebody published another listing since. Nothing was changed." in said
    for words in ("The three versions", "Before the action", "After it", "Now", "Better words", "Third words"):
        assert words in said, words
    action.refresh_from_db()
    assert (action.state, action.reverted_at) == (ActionState.MEASURED, None)


def test_places_before_and_after_a_re_ranking(client: Client, program: Program, anna: User) -> None:
    action = propose(program, anna, ActionKind.RERANK, params={"offers": ["O3"], "how": "pin", "place": 1}, at=now())
    assert "pinned at place 1" in text_of(client.get(page_of(action)))
    carry_out(action, anna, now())
    said = text_of(client.get(page_of(action)))
    assert "Revision of the ranking" in said
    assert "pinned at place 1" in said
    tables = client.get(page_of(action)).context["tables"]
    assert [row[0] for row in tables[0].rows] == ["Revision of the ranking", "O3"]
    second = propose(program, anna, ActionKind.RERANK, params={"offers": ["O2"], "how": "top"}, at=now())
    carry_out(second, anna, now())
    [_, row, *others] = client.get(page_of(second)).context["tables"][0].rows
    assert row == ["O2", "place 3", "place 2"]
    assert others == []  # O1 only made room


def test_what_cannot_be_done_says_so_on_the_page(client: Client, program: Program, anna: User) -> None:
    action = propose(program, anna)
    change_offer_state(offer_id=Offer.objects.get(external_id="O1").pk, name="pause", actor="system", at=AT, comment="By hand.")
    said = text_of(client.get(page_of(action)))
    assert "It cannot be carried out as things stand: None of these offers is published." in said
    assert "None of these offers is published." in text_of(client.get(step(action, "approve", "do")))
    assert "None of these offers is published." in text_of(client.post(step(action, "approve"), {"replaces": 1, "comment": ""}))


def test_comments_and_evidence_are_kept(client: Client, program: Program, anna: User) -> None:
    action = propose(program, anna)
    note = reverse("admin:reviews_correctiveaction_note", args=[action.pk])
    assert "https:// or http://" in text_of(client.post(note, {"text": "Look.", "url": "javascript:alert(1)"}))
    assert not ActionNote.objects.exists()
    client.post(note, {"text": "They mended it.", "url": "https://example.org/mail"})
    page = client.get(page_of(action)).content.decode()
    assert "They mended it." in page
    assert 'href="https://example.org/mail"' in page


def test_several_are_approved_each_for_itself(client: Client, program: Program, anna: User, ben: User) -> None:
    one = dict(default_approvals().approvals) | {str(ActionKind.RERANK): str(Approval.TWO)}
    save_approvals(program_id=program.pk, spec=ApprovalSpec(one), actor="system", at=AT)
    fine = propose(program, anna)
    own = propose(program, anna, ActionKind.RERANK, params={"offers": ["O3"], "how": "top"})
    edited = propose(program, ben, params={"offers": ["O2"]})
    chosen = ticked(fine, own, edited)
    edit_action(action_id=edited.pk, actor=ben, at=AT, params={"offers": ["O3"]})

    asked = text_of(client.post(reverse("admin:reviews_correctiveaction_ask_bulk"), chosen))
    assert "Approve 3 actions" in asked
    assert "O1: Published → Paused" in asked
    assert "It was edited since" in asked
    assert not CorrectiveAction.objects.exclude(state=ActionState.PROPOSED).exists()

    said = text_of(client.post(reverse("admin:reviews_correctiveaction_bulk"), {**chosen, "comment": "All."}))
    assert "1 of 3 approved" in said
    assert "somebody else has to approve it" in said
    assert "revision 2 stands, not 1" in said
    states = dict(CorrectiveAction.objects.values_list("pk", "state"))
    assert states == {fine.pk: "scheduled", own.pk: "proposed", edited.pk: "proposed"}


def test_nothing_ticked_approves_nothing(client: Client, program: Program) -> None:
    page = client.post(reverse("admin:reviews_correctiveaction_ask_bulk"), {"action": ["x", "1"]}, follow=True)
    assert "Nothing was approved" in text_of(page)


def test_actions_of_another_program_cannot_be_ticked(client: Client, program: Program, anna: User) -> None:
    foreign = propose(program, anna)
    other = make_correctable_program_beside(anna)
    session = client.session
    session["program"] = other.pk
    session.save()
    client.post(reverse("admin:reviews_correctiveaction_bulk"), {**ticked(foreign), "comment": ""})
    foreign.refresh_from_db()
    assert foreign.state == ActionState.PROPOSED
    assert client.get(page_of(foreign)).status_code == 404


def make_correctable_program_beside(person: User) -> Program:
    """Another program in which the same person is an admin."""
    other = make_program("beside")
    grant_role(program_id=other.pk, user_id=person.pk, role=Role.PROGRAM_ADMIN, actor="system", at=AT)
    return other


def test_partner_operations_propose_and_do_not_approve(program: Program, anna: User) -> None:
    otis = sign_in(make_member_of_staff(program, Role.PARTNER_OPS, "otis"))
    action = propose(program, anna)
    said = text_of(otis.get(page_of(action)))
    assert "Cancel…" in said
    assert "Approve…" not in said
    assert otis.post(step(action, "approve"), {"comment": ""}).status_code == 403
    assert otis.post(reverse("admin:reviews_correctiveaction_bulk"), ticked(action)).status_code == 403


def test_late_means_after_its_day(client: Client, program: Program, anna: User) -> None:
    tomorrow = (now() + timedelta(days=1)).date()
    action = propose(program, anna, due_date=tomorrow)
    assert "It was due" not in text_of(client.get(page_of(action)))
