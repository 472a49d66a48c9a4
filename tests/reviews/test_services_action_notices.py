"""What is told about corrective actions: by webhook with each step, by mail to those who should decide, and where one failed."""

from datetime import date, timedelta
from typing import Any

import pytest

from activity.models import Member
from activity.services import MemberRow, Person, apply_people
from offers.choices import OfferState
from offers.models import Offer
from partners.models import Program
from plum_site.lib import announcements
from plum_site.lib.announcements import Announcement
from plum_site.lib.choices import Role
from plum_site.lib.models import Job, Outbox, RoleGrant, User
from plum_site.schedule import plan_due
from reviews.choices import ActionKind, Approval, PushArm, PushChannel, RecipientState
from reviews.models import CorrectiveAction, PushRecipient
from reviews.rules.actions import ApprovalSpec
from reviews.services.actions import (
    approve_action,
    edit_action,
    execute_action,
    propose_by_playbook,
    reject_action,
    remind_of_actions,
    revert_action,
    save_approvals,
)
from reviews.services.actions.notices import say_extent, tell_of_proposals
from tests.factories.actions import AT, carry_out, make_correctable_program, propose
from tests.factories.jobs import run_due
from tests.factories.people import make_member_of_staff
from tests.factories.programs import CREATED_AT
from tests.factories.reviews import GOOD, IN_JULY, make_reviewable_program, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

DAY = timedelta(days=1)
TODAY = date(2026, 7, 10)
FELL = {"views": 300, "unlocks": 90, "activations": 8, "redemptions": 2}


@pytest.fixture
def program() -> Program:
    return make_correctable_program()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Announcement]:
    """What a listener of its own hears about actions."""
    kept: list[Announcement] = []

    def hear(told: Announcement) -> None:
        if told.type.startswith("action."):
            kept.append(told)

    monkeypatch.setattr(announcements, "LISTENERS", [hear])
    return kept


def person(program: Program, role: str, name: str) -> User:
    made = make_member_of_staff(program, role, name)
    made.email, made.first_name = f"{name}@example.org", name.title()
    made.save()
    return made


def mails(prefix: str) -> list[Outbox]:
    return list(Outbox.objects.filter(dedup_key__startswith=prefix).order_by("pk"))


def told(prefix: str) -> list[str]:
    return sorted(mail.recipient.partition("@")[0] for mail in mails(prefix))


def two_needed(program: Program) -> None:
    spec = ApprovalSpec(dict.fromkeys(map(str, ActionKind), str(Approval.TWO)))
    save_approvals(program_id=program.pk, spec=spec, actor="system", at=AT)


def test_each_step_that_matters_is_announced_once_with_codes_alone(program: Program, heard: list[Announcement]) -> None:
    anna = person(program, Role.PROGRAM_ADMIN, "anna")
    action = carry_out(propose(program, anna, reason="Anna says so."), anna)
    execute_action(action_id=action.pk, revision=1, at=AT)
    revert_action(action_id=action.pk, actor=anna, at=AT + DAY, comment="It did not help.")

    names = ["proposed", "approved", "executed", "measured", "reverted"]
    assert [one.type for one in heard] == [f"action.{name}" for name in names]
    assert [one.data["state"] for one in heard] == names
    assert len({one.key for one in heard}) == len(heard)
    assert heard[0].data == {
        "id": f"act_{action.pk}",
        "program": "acme",
        "partner": "P1",
        "kind": "pause_offer",
        "revision": 1,
        "state": "proposed",
        "url": f"http://127.0.0.1:8000/api/v1/actions/{action.pk}",
    }
    assert heard[3].data["verdict"] == "cannot_tell"
    assert not any("nna" in str(one.data) for one in heard)


def test_what_is_rejected_or_taken_back_with_its_transaction_announces_nothing(
    program: Program, heard: list[Announcement]
) -> None:
    anna = person(program, Role.PROGRAM_ADMIN, "anna")
    action = propose(program, anna)
    reject_action(action_id=action.pk, actor=anna, at=AT, comment="No.")
    assert [one.type for one in heard] == ["action.proposed"]


def test_an_edit_is_announced_and_told_to_whoever_had_approved(program: Program, heard: list[Announcement]) -> None:
    anna, ben = (person(program, Role.PROGRAM_ADMIN, name) for name in ("anna", "ben"))
    action = propose(program, anna, scheduled_at=AT + DAY)
    edit_action(action_id=action.pk, actor=anna, at=AT, reason="Better said.")
    assert not mails("action_edited:"), "nobody had approved it"
    approve_action(action_id=action.pk, actor=ben, at=AT)

    edit_action(action_id=action.pk, actor=anna, at=AT, params={"offers": ["O2"]})

    assert [one.type for one in heard] == ["action.proposed", "action.edited", "action.approved", "action.edited"]
    assert (heard[-1].data["revision"], heard[-1].data["state"]) == (3, "proposed")
    assert not any("nna" in str(one.data) or "Better" in str(one.data) for one in heard)
    [mail] = mails("action_edited:")
    assert mail.recipient == "ben@example.org"
    for part in ("text", "html"):
        said = " ".join(mail.payload[part].split())
        assert "Your approval is void: it is not carried out before somebody approves it as it stands now." in said
        assert "by Anna" in said
        assert "O2 of Partner P1: paused." in said


def test_whoever_edits_what_they_approved_is_not_told_so(program: Program) -> None:
    anna, ben = (person(program, Role.PROGRAM_ADMIN, name) for name in ("anna", "ben"))
    action = propose(program, anna, scheduled_at=AT + DAY)
    approve_action(action_id=action.pk, actor=ben, at=AT)
    edit_action(action_id=action.pk, actor=ben, at=AT, reason="On second thoughts.")
    assert not mails("action_edited:")

    approve_action(action_id=action.pk, actor=anna, at=AT)
    RoleGrant.objects.filter(user=anna).delete()
    edit_action(action_id=action.pk, actor=ben, at=AT, reason="Once more.")
    assert not mails("action_edited:"), "she works here no longer"


def test_a_push_that_failed_says_who_was_written_to(program: Program) -> None:
    anna = person(program, Role.PROGRAM_ADMIN, "anna")
    push = {
        "offers": ["O1"], "subject": "Two for you", "text": "Look at {title}.", "channels": ["mail"], "hold_out_percent": 0,
        "pause_days": 14,
    }  # fmt: skip
    action = propose(program, anna, ActionKind.PROMOTIONAL_PUSH, params=push, owner=anna)
    CorrectiveAction.objects.filter(pk=action.pk).update(approver=anna, approved_at=AT, state="scheduled", needs_two=False)

    execute_action(action_id=action.pk, revision=1, at=AT)

    [mail] = mails("action_failed:")
    assert "Nobody was written to." in mail.payload["text"]
    assert "nothing was changed" not in mail.payload["text"].lower()
    program.refresh_from_db()
    rows = [MemberRow(Person(f"M{number}"), {"business_unit": "cards"}) for number in range(12)]
    apply_people(program=program, source="file", rows=rows, actor="system", at=CREATED_AT)
    Program.objects.filter(pk=program.pk).update(minimum_group=5)
    states = [RecipientState.QUEUED] * 8 + [RecipientState.WAITING] * 4
    for member, state in zip(Member.objects.filter(program=program), states, strict=True):
        PushRecipient.objects.create(
            action=action, member=member, arm=PushArm.TREATED, channel=PushChannel.MAIL, state=state, created_at=AT,
            settled_at=AT if state == RecipientState.QUEUED else None,
        )  # fmt: skip
    action = CorrectiveAction.objects.select_related("program").get(pk=action.pk)
    assert say_extent(action) == (
        "Messages to 8 members had left or were on their way; fewer than 5 members were not written to."
    )


def test_a_letter_that_failed_says_that_none_left() -> None:
    assert say_extent(CorrectiveAction(kind=ActionKind.CONTACT_PARTNER)) == "No letter was sent."
    assert say_extent(CorrectiveAction(kind=ActionKind.RERANK)) == "Nothing was changed."


def test_an_action_that_failed_tells_its_owner_and_its_approver_why(program: Program, heard: list[Announcement]) -> None:
    anna, ben = (person(program, Role.PROGRAM_ADMIN, name) for name in ("anna", "ben"))
    otis = person(program, Role.PARTNER_OPS, "otis")
    action = propose(program, anna, owner=otis)
    approve_action(action_id=action.pk, actor=ben, at=AT)
    Offer.objects.filter(external_id="O1").update(state=OfferState.PAUSED)

    for _ in range(2):
        execute_action(action_id=action.pk, revision=1, at=AT)

    assert told("action_failed:") == ["ben", "otis"]
    [mail, _] = mails("action_failed:")
    assert mail.payload["headers"]["Subject"] == "Acme: A corrective action for Partner P1 failed"
    for part in ("text", "html"):
        assert "None of these offers is published" in mail.payload[part]
        assert "O1 of Partner P1: paused." in mail.payload[part]
        assert f"/console/reviews/correctiveaction/{action.pk}/change/" in mail.payload[part]
    assert heard[-1].type == "action.failed"


def test_where_neither_can_be_told_the_admins_are(program: Program) -> None:
    anna, ben = (person(program, Role.PROGRAM_ADMIN, name) for name in ("anna", "ben"))
    action = propose(program, anna)
    approve_action(action_id=action.pk, actor=ben, at=AT)
    User.objects.filter(pk=ben.pk).update(email="")
    Offer.objects.filter(external_id="O1").update(state=OfferState.PAUSED)

    execute_action(action_id=action.pk, revision=1, at=AT)

    assert told("action_failed:") == ["anna"]


def test_what_a_person_proposes_is_told_to_those_who_should_decide(program: Program) -> None:
    anna, _ = (person(program, Role.PROGRAM_ADMIN, name) for name in ("anna", "ben"))
    otis = person(program, Role.PARTNER_OPS, "otis")
    propose(program, anna, owner=anna)
    assert mails("proposed:") == [], "whoever proposed it knows"

    propose(program, anna, owner=otis)
    assert told("proposed:") == ["otis"]

    two_needed(program)
    propose(program, anna, owner=otis, reason="Nobody can redeem it.", due_date=TODAY)

    assert told("proposed:") == ["ben", "otis", "otis"]
    text = mails("proposed:")[-1].payload["text"]
    assert "- O1 of Partner P1: paused.\n  Why: Nobody can redeem it.\n  Proposed by Anna" in text
    assert "Proposed by Anna; somebody else has to approve it; due on 10 July 2026.\n" in text


@pytest.mark.parametrize("why", ["no_address", "locked", "no_role"])
def test_nobody_is_told_who_may_not_know(program: Program, why: str) -> None:
    anna, otis = person(program, Role.PROGRAM_ADMIN, "anna"), person(program, Role.PARTNER_OPS, "otis")
    action = propose(program, anna, owner=otis)
    Outbox.objects.all().delete()
    if why == "no_address":
        User.objects.filter(pk=otis.pk).update(email="")
    elif why == "locked":
        User.objects.filter(pk=otis.pk).update(is_active=False)
    else:
        otis.role_grants.all().delete()

    assert tell_of_proposals(actions=[CorrectiveAction.objects.get(pk=action.pk)], at=AT) == 0


def test_a_consolidation_tells_each_person_once_of_all_that_it_proposed() -> None:
    partners = ("P1", "P2", "P3", "P4", "P5")
    program = make_reviewable_program(*partners)
    otis = person(program, Role.PARTNER_OPS, "otis")
    program.partners.update(owner=otis)
    record_month(program, "2026-05", dict.fromkeys(partners, GOOD), tag="a")
    record_month(program, "2026-06", dict.fromkeys(partners, GOOD) | {"P1": FELL, "P2": FELL})

    cycle = reviewed(program)

    count = CorrectiveAction.objects.count()
    assert count >= 2
    [mail] = mails("proposed:")
    assert mail.payload["headers"]["Subject"] == f"Acme: {count} corrective actions are proposed and wait for a decision"
    assert mail.payload["text"].count("\n- ") == count
    assert "Proposed by the playbook" in mail.payload["text"]

    propose_by_playbook(cycle=cycle, cases=[], parts=[], at=IN_JULY + DAY)
    reviewed(program, at=IN_JULY + DAY)
    assert len(mails("proposed:")) == 1


def test_what_is_due_is_told_once_a_day_until_it_is_decided(program: Program) -> None:
    anna = person(program, Role.PROGRAM_ADMIN, "anna")
    otis = person(program, Role.PARTNER_OPS, "otis")
    action = propose(program, anna, owner=otis, due_date=TODAY)
    days: dict[int, list[str]] = {}
    for day in (-1, 0, 1, 5):  # the days between were missed
        at = AT + day * DAY
        for _ in range(2):
            remind_of_actions(program_id=program.pk, at=at)
        days[day] = sorted(mail.recipient.partition("@")[0] for mail in mails("actions_due:") if mail.created_at == at)

    assert days == {-1: [], 0: ["otis"], 1: ["otis"], 5: ["otis"]}  # anna proposed it: she knows
    assert "was due on 10 July 2026, 5 days ago" in mails("actions_due:")[-1].payload["text"]

    reject_action(action_id=action.pk, actor=anna, at=AT + 6 * DAY, comment="No.")
    assert remind_of_actions(program_id=program.pk, at=AT + 7 * DAY) == 0


def test_admins_are_reminded_where_they_are_needed(program: Program) -> None:
    anna, ben = (person(program, Role.PROGRAM_ADMIN, name) for name in ("anna", "ben"))
    otis = person(program, Role.PARTNER_OPS, "otis")
    mine = propose(program, anna, owner=otis, due_date=TODAY)
    remind_of_actions(program_id=program.pk, at=AT)
    assert told("actions_due:") == ["otis"], "one person is enough, and it is his"

    remind_of_actions(program_id=program.pk, at=AT + 3 * DAY)
    assert told("actions_due:") == ["ben", "otis", "otis"], "three days have passed"

    two_needed(program)
    edit_action(action_id=mine.pk, actor=otis, at=AT, params={"offers": ["O2"]})
    propose(program, "system", owner=ben, due_date=TODAY)
    Outbox.objects.all().delete()
    remind_of_actions(program_id=program.pk, at=AT)
    assert told("actions_due:") == ["anna", "ben", "otis"]


def test_the_schedule_reminds_once_a_day_from_the_due_date_on(program: Program) -> None:
    otis = person(program, Role.PARTNER_OPS, "otis")
    propose(program, "system", owner=otis, due_date=TODAY)
    name = "reviews.remind_of_actions"
    plan_due(AT - DAY)
    assert not Job.objects.filter(name=name).exists()

    for _ in range(2):
        plan_due(AT)
        run_due(AT, name=name)

    assert Job.objects.filter(name=name).count() == 1
    assert told("actions_due:") == ["otis"]


def test_a_mail_says_nothing_twice_and_escapes_what_people_write(program: Program) -> None:
    anna, otis = person(program, Role.PROGRAM_ADMIN, "anna"), person(program, Role.PARTNER_OPS, "otis")
    propose(program, anna, owner=otis, reason="<b>bold</b> & more")
    [mail] = mails("proposed:")
    payload: Any = mail.payload
    assert "&lt;b&gt;bold" in payload["html"]
    assert "<b>bold</b> & more" in payload["text"]
