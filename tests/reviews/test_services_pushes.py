"""Promotional pushes: who gets them, once whatever happens on the way, and nobody who does not want them."""

import json
import logging
from collections import Counter
from datetime import timedelta

import pytest
from django.core import signing
from django.db import connection
from django.test import Client

from activity.models import Member, VaultEntry
from offers.models import Offer
from offers.services import change_offer_state
from partners.models import Program
from plum_site.lib import mail
from plum_site.lib.choices import OutboxState, Role
from plum_site.lib.errors import DomainError, InvalidInput, NotAllowed
from plum_site.lib.models import AuditEvent, Job, Outbox, OutboxAttempt, User
from plum_site.lib.outbox import Delivered, Refused, TryLater, send_due
from reviews.choices import ActionKind, ActionState, RecipientState
from reviews.models import CorrectiveAction, PushOptOut, PushRecipient, PushStop
from reviews.rules.actions import ApprovalSpec, default_approvals
from reviews.services import member_mail
from reviews.services.actions import (
    HANDLINGS,
    SEND_PUSH,
    UnableToExecute,
    approve_action,
    execute_action,
    opt_in_again,
    opt_out,
    opt_out_url,
    revert_action,
    save_approvals,
    send_push,
    stop_push,
)
from reviews.services.actions.people import UnableToDecideAction
from reviews.services.actions.pushes import sending
from reviews.services.actions.pushes.sending import send_chunk
from tests.factories.actions import AT, make_correctable_program
from tests.factories.offers import make_segment
from tests.factories.people import make_member_of_staff
from tests.factories.pushes import add_people, begin_push, make_pushable_program, propose_push, send_all, the_member

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

R = RecipientState


class Posted(list[tuple[str, dict[str, object]]]):
    """What the mail server was given: address and payload."""

    def addresses(self) -> list[str]:
        return [address for address, _ in self]


@pytest.fixture
def program() -> Program:
    return make_pushable_program()


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> Posted:
    found = Posted()

    def post(payload: dict[str, object], message_id: str) -> Delivered:
        mail.render(payload, message_id)
        found.append((payload["to"][1], payload))
        return Delivered("250", "fine")

    monkeypatch.setattr(member_mail, "post", post)
    monkeypatch.setattr("plum_site.lib.jobs.database_now", lambda: AT)
    return found


def numbers(action: CorrectiveAction) -> dict[str, int]:
    return dict(Counter(PushRecipient.objects.filter(action=action).values_list("state", flat=True)))


def in_outbox(action: CorrectiveAction) -> int:
    return Outbox.objects.filter(dedup_key__startswith=f"push:{action.pk}:").count()


def token_of(recipient: PushRecipient) -> str:
    return opt_out_url(recipient).rstrip("/").rpartition("/")[2]


def test_words_with_an_unknown_placeholder_cannot_be_proposed(program: Program, anna: User) -> None:
    with pytest.raises(InvalidInput) as refusal:
        propose_push(program, anna, subject="Dear {name}")
    assert "Nobody knows what {name} stands for" in refusal.value.fields["subject"]
    assert not CorrectiveAction.objects.exists()


@pytest.mark.postgres
def test_freezing_reads_no_table_for_each_recipient(program: Program, anna: User) -> None:
    asked = "SELECT seq_scan + idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'reviews_pushrecipient'"
    with connection.cursor() as cursor:
        cursor.execute(asked)
        before = cursor.fetchone()[0]
        action = begin_push(program, anna)
        cursor.execute(asked)
        read = cursor.fetchone()[0] - before

    assert numbers(action) == {R.WAITING: 20}
    assert read < 20, "a trigger that looks into the table it stands on may read all of it for each row that is added"


def test_the_preview_shows_every_number_and_the_words(program: Program, anna: User) -> None:
    make_segment(program, "north", attribute="region", values=["north"])
    add_people(program, ["M0"], push_opt_out=True)
    VaultEntry.objects.filter(member=the_member(program, "M2")).update(email_sealed=None)
    Member.objects.filter(pk=the_member(program, "M4").pk).update(state="inactive", deactivated_at=AT)
    shown = HANDLINGS[ActionKind.PROMOTIONAL_PUSH].preview(propose_push(program, anna, segment="north"), AT)

    assert [change.after for change in shown.changes] == ["9", "0", "1", "0", "1", "0", "7"]
    assert shown.members == 7
    assert shown.notes[:2] == ("Offer O1 for you", "Only now in Acme: Offer O1.")


def test_a_push_reaches_everybody_once(program: Program, anna: User, posted: Posted) -> None:
    action = begin_push(program, anna)
    assert (action.state, numbers(action), in_outbox(action)) == (ActionState.EXECUTING, {R.WAITING: 20}, 0)
    assert Job.objects.filter(name=SEND_PUSH, arguments={"action_id": action.pk}).count() == 1

    action = send_all(action)
    assert action.executed_at == AT
    assert action.after == {"push": f"push_{action.pk}", "queued": 20, "skipped": 0, "stopped": 0, "held_out": 0}
    assert action.before["audience"]["to_be_sent"] == 20
    assert numbers(action) == {R.QUEUED: 20}

    for _ in range(2):
        execute_action(action_id=action.pk, revision=1, at=AT)
        send_push(action_id=action.pk, at=AT)
    assert send_due(AT) == 20
    assert send_due(AT) == 0
    assert sorted(posted.addresses()) == sorted(f"m{number}@people.example" for number in range(20))
    _, payload = posted[0]
    headers = payload["headers"]
    assert headers["Subject"] == "Offer O1 for you"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "/mail/opt-out/" in headers["List-Unsubscribe"]
    assert "Only now in Acme: Offer O1." in payload["text"]
    assert "Hello Person M" in payload["text"]


def test_no_address_and_no_outside_id_is_kept_anywhere(
    program: Program, anna: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the outbox, the action, the audit log, the recipients, nor in what the mail server answered or the logs say."""
    caplog.set_level(logging.DEBUG)

    def refuse(payload: dict[str, object], message_id: str) -> Delivered:
        address = str(payload["to"][1])
        if address.startswith("m1"):
            raise Refused(f"550 <{address.upper()}>: mailbox of {address.partition('@')[0]} unavailable")
        raise TryLater(f"451 try {address} later")

    monkeypatch.setattr(member_mail, "post", refuse)
    monkeypatch.setattr("plum_site.lib.jobs.database_now", lambda: AT)
    action = send_all(begin_push(program, anna))
    send_due(AT)

    kept = [
        *Outbox.objects.values_list("recipient", "payload", "error", "dedup_key"),
        *OutboxAttempt.objects.values_list("detail", flat=True),
        *AuditEvent.objects.exclude(action__startswith="activity.").values_list("object_ref", "before", "after", "comment"),
        (action.before, action.after, action.design, action.params),
        *Job.objects.values_list("arguments", "result", "error", "progress_note"),
        caplog.text,
    ]
    text = json.dumps(kept, default=str).lower()
    assert "mailbox of" in text
    assert "people.example" not in text
    assert "person m" not in text
    assert '"m1' not in text


@pytest.mark.parametrize("point", ["push.locked", "push.put", "push.before_commit"])
def test_who_dies_on_the_way_goes_on_where_it_stopped(
    program: Program, anna: User, posted: Posted, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every chunk in turn: nobody is left out, nobody is written to twice."""
    monkeypatch.setattr(sending, "CHUNK", 8)
    action = begin_push(program, anna)
    for passed in range(3):
        seen = Counter[str]()

        def die(name: str, seen: Counter[str] = seen, passed: int = passed) -> None:
            seen[name] += 1
            if name == point and seen[name] > min(passed, 1):
                raise KeyboardInterrupt  # kill -9, as far as a test can

        with monkeypatch.context() as patch:
            patch.setattr(sending, "crashpoint", die)
            with pytest.raises(KeyboardInterrupt):
                send_push(action_id=action.pk, at=AT)
        assert in_outbox(action) == numbers(action).get(R.QUEUED, 0)
    action = send_all(action)
    assert (action.after["queued"], in_outbox(action)) == (20, 20)
    send_due(AT)
    assert len(set(posted.addresses())) == len(posted) == 20


def test_two_workers_take_turns(program: Program, anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker that comes in between two chunks leaves each of them one message."""
    monkeypatch.setattr(sending, "CHUNK", 5)
    action = begin_push(program, anna)
    assert send_chunk(action_id=action.pk, at=AT) == 5
    send_push(action_id=action.pk, at=AT)
    assert send_chunk(action_id=action.pk, at=AT) == 0

    assert in_outbox(action) == 20


def test_a_chunk_that_is_in_the_outbox_already_is_not_put_twice(program: Program, anna: User) -> None:
    action = begin_push(program, anna)
    first = PushRecipient.objects.filter(action=action).order_by("id")[0]
    Outbox.objects.create(
        channel="push", recipient="member 1", dedup_key=f"push:{action.pk}:{first.pk}", message_id="<there@plum>", payload={},
        program_id=program.pk, created_at=AT, due_at=AT,
    )  # fmt: skip
    send_all(action)

    assert in_outbox(action) == 20


def test_people_are_left_alone_for_some_days_across_pushes(program: Program, anna: User) -> None:
    make_segment(program, "north", attribute="region", values=["north"])
    begin_push(program, anna, segment="north")
    soon, later = AT + timedelta(days=13), AT + timedelta(days=15)

    second = begin_push(program, anna, at=soon)
    assert second.before["audience"]["recently"] == 10
    assert second.before["audience"]["to_be_sent"] == 10
    third = propose_push(program, anna, at=soon, pause_days=0)
    assert HANDLINGS[ActionKind.PROMOTIONAL_PUSH].preview(third, soon).members == 20
    fourth = propose_push(program, anna, at=later)
    assert HANDLINGS[ActionKind.PROMOTIONAL_PUSH].preview(fourth, later).members == 10


def test_those_held_out_are_frozen_and_get_nothing(program: Program, anna: User, posted: Posted) -> None:
    action = begin_push(program, anna, hold_out_percent=50)
    held = action.before["audience"]["held_out"]
    assert 0 < held < 20
    action = send_all(action)
    send_due(AT)

    assert numbers(action) == {R.HELD_OUT: held, R.QUEUED: 20 - held}
    assert len(posted) == 20 - held
    assert len(HANDLINGS[ActionKind.PROMOTIONAL_PUSH].members(action)) == 20


def test_one_click_ends_them_at_once_and_for_later_pushes(program: Program, anna: User, posted: Posted) -> None:
    """GET shows and changes nothing; the POST of a mail program, without cookies, ends it, also for what is in the outbox."""
    action = send_all(begin_push(program, anna))
    recipient = PushRecipient.objects.get(action=action, member=the_member(program, "M3"))
    path = f"/mail/opt-out/{token_of(recipient)}/"
    client = Client(enforce_csrf_checks=True)

    assert "You get messages about offers of Acme" in client.get(path).content.decode()
    assert not PushOptOut.objects.exists()
    for _ in range(2):
        assert "no more messages" in client.post(path, {"List-Unsubscribe": "One-Click"}).content.decode()
    assert PushOptOut.objects.get().member == the_member(program, "M3")
    assert AuditEvent.objects.filter(action="reviews.opt_out_of_pushes", program_id=program.pk).count() == 1

    send_due(AT)
    assert "m3@people.example" not in posted.addresses()
    assert len(posted) == 19
    assert "wants no messages" in Outbox.objects.get(state=OutboxState.DEAD).error
    later = AT + timedelta(days=30)
    assert begin_push(program, anna, at=later).before["audience"]["opted_out"] == 1

    assert "You get messages" in client.post(path, {"again": "1"}).content.decode()
    assert not PushOptOut.objects.exists()
    assert AuditEvent.objects.filter(action="reviews.opt_in_to_pushes").count() == 1
    opt_in_again(token=token_of(recipient), at=AT)


def test_who_leaves_or_opts_out_between_freezing_and_sending_is_skipped(program: Program, anna: User) -> None:
    action = begin_push(program, anna)
    rows = {name: PushRecipient.objects.get(member=the_member(program, name)) for name in ("M1", "M2", "M3")}
    opt_out(token=token_of(rows["M1"]), at=AT)
    Member.objects.filter(pk=rows["M2"].member_id).update(state="inactive", deactivated_at=AT)
    VaultEntry.objects.filter(member=rows["M3"].member_id).delete()  # erased
    action = send_all(action)

    assert (action.after["skipped"], action.after["queued"]) == (3, 17)
    assert in_outbox(action) == 17


def test_a_forged_link_ends_nothing(program: Program, anna: User) -> None:
    action = begin_push(program, anna)
    recipient = PushRecipient.objects.filter(action=action)[0]
    token = token_of(recipient)
    others = [signing.dumps(recipient.pk, salt="reviews.unsubscribe"), signing.dumps([1], salt="reviews.push_opt_out")]
    for wrong in ("x", token[:-1], *others):
        with pytest.raises(NotAllowed):
            opt_out(token=wrong, at=AT)
        assert Client().post(f"/mail/opt-out/{wrong}/").status_code == 404
    assert not PushOptOut.objects.exists()


def test_stopping_holds_back_what_has_not_left(
    program: Program, anna: User, posted: Posted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is stopped, and so is what stands in the outbox; the action is executed with those numbers."""
    monkeypatch.setattr(sending, "CHUNK", 8)
    action = begin_push(program, anna)
    send_chunk(action_id=action.pk, at=AT)

    with pytest.raises(InvalidInput):
        stop_push(action_id=action.pk, actor=anna, at=AT, reason=" ")
    for _ in range(2):
        stop_push(action_id=action.pk, actor=anna, at=AT, reason="The price is wrong.")
    send_push(action_id=action.pk, at=AT)
    send_due(AT)

    action.refresh_from_db()
    assert action.executed_at == AT
    assert (action.after["queued"], action.after["stopped"]) == (8, 12)
    assert posted == []
    assert Outbox.objects.filter(state=OutboxState.DEAD, error__contains="was stopped").count() == 8
    assert PushStop.objects.get().stopped_by == f"user:{anna.pk}"
    assert AuditEvent.objects.filter(action="reviews.stop_push", comment="The price is wrong.").count() == 1


def test_what_is_out_cannot_be_stopped_nor_taken_back(program: Program, anna: User, posted: Posted) -> None:
    action = send_all(begin_push(program, anna))
    send_due(AT)

    with pytest.raises(DomainError, match="Nothing of this push waits"):
        stop_push(action_id=action.pk, actor=anna, at=AT, reason="Too late.")
    with pytest.raises(UnableToDecideAction, match="cannot be taken back"):
        revert_action(action_id=action.pk, actor=anna, at=AT, comment="Back.")


def test_only_who_may_approve_may_stop(program: Program, anna: User) -> None:
    action = begin_push(program, anna)
    otis = make_member_of_staff(program, Role.PARTNER_OPS, "otis")

    with pytest.raises(NotAllowed):
        stop_push(action_id=action.pk, actor=otis, at=AT, reason="No.")


def test_above_the_limit_two_people_are_asked_for(program: Program, anna: User) -> None:
    spec = ApprovalSpec(default_approvals().approvals, push_limit=19)
    save_approvals(program_id=program.pk, spec=spec, actor="system", at=AT)
    action = propose_push(program, anna)

    assert action.needs_two
    with pytest.raises(UnableToDecideAction, match="somebody else"):
        approve_action(action_id=action.pk, actor=anna, at=AT)


def test_an_audience_that_outgrew_its_approval_is_not_written_to(program: Program, anna: User) -> None:
    """One person approved for at most twenty; by its day there are more."""
    spec = ApprovalSpec(default_approvals().approvals, push_limit=20)
    save_approvals(program_id=program.pk, spec=spec, actor="system", at=AT)
    action = propose_push(program, anna)
    approve_action(action_id=action.pk, actor=anna, at=AT)
    add_people(program, ["N1"])

    done = execute_action(action_id=action.pk, revision=1, at=AT)
    assert done.state == ActionState.FAILED
    assert "21 members would be written to; above 20 two people" in done.failure
    assert not PushRecipient.objects.exists()


def test_nobody_gets_a_push_that_makes_no_sense(program: Program, anna: User) -> None:
    action = propose_push(program, anna)
    preview = HANDLINGS[ActionKind.PROMOTIONAL_PUSH].preview
    change_offer_state(offer_id=Offer.objects.get(external_id="O1").pk, name="pause", actor="system", at=AT, comment="broken")
    with pytest.raises(UnableToExecute, match="is not live"):
        preview(action, AT)
    change_offer_state(offer_id=Offer.objects.get(external_id="O1").pk, name="resume", actor="system", at=AT)
    VaultEntry.objects.update(push_opt_out=True)
    with pytest.raises(UnableToExecute, match="Nobody would get"):
        preview(action, AT)
    Program.objects.update(minimum_group=21)
    action.program.refresh_from_db()
    with pytest.raises(UnableToExecute, match="Fewer than 21 members"):
        preview(action, AT)


def test_a_program_without_members_can_push_to_nobody() -> None:
    program = make_correctable_program()
    action = propose_push(program, make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna"))
    assert not action.needs_two
    with pytest.raises(UnableToExecute):
        HANDLINGS[ActionKind.PROMOTIONAL_PUSH].preview(action, AT)
