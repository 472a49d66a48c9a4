"""What processes of a lab are asked to do with promotional pushes: approve some, die in the midst of one, end them together."""

import json
from datetime import datetime
from functools import partial
from typing import Any

import plum_site.tasks  # noqa: F401 - registers every handler and channel, as a worker does
from activity.services.vault import open_address
from plum_site.lib import jobs, outbox
from plum_site.lib.choices import JobState, OutboxState, Role
from plum_site.lib.models import Job, Outbox
from reviews.choices import ActionState, PushArm
from reviews.models import CorrectiveAction, PushRecipient
from reviews.selectors.pushes import mail_key_of, push_ref_of
from reviews.services.actions import EXECUTE, SEND_PUSH, approve_action, execute_action, send_push
from reviews.services.actions.pushes import sending
from tests.factories.people import make_member_of_staff
from tests.factories.pushes import make_pushable_program, propose_push
from tests.faults.dying import die_at, wait_to_begin

PEOPLE, CHUNK, HELD_PERCENT = 24, 5, 20  # who is left is more than two chunks

sending.CHUNK = CHUNK


def approve(count: int, at: str) -> None:
    """So many approved pushes to the same people, each under a subject of its own."""
    instant = datetime.fromisoformat(at)
    program = make_pushable_program(PEOPLE)
    person = make_member_of_staff(program, Role.PROGRAM_ADMIN)
    for number in range(count):
        action = propose_push(program, person, at=instant, subject=f"Push {number}", hold_out_percent=HELD_PERCENT, pause_days=0)
        approve_action(action_id=action.pk, actor=person, at=instant)


def die(deaths: list[tuple[str, str, int]], at: str) -> None:
    """For each push in turn fork a worker that dies at one place of one job, after so many passes; print how each ended."""
    instant, statuses = datetime.fromisoformat(at), []
    for number, (name, point, may_pass) in enumerate(deaths):
        action = the_push(number)
        job = Job.objects.get(name=EXECUTE, arguments__action_id=action.pk)
        if name == SEND_PUSH:
            assert jobs.run_job(job.pk, instant) == "done"
            job = Job.objects.get(name=SEND_PUSH, key=push_ref_of(action.pk))
        statuses.append(die_at(point, partial(jobs.run_job, job.pk, instant), may_pass))
    print(json.dumps(statuses))


def take_up(at: str) -> None:
    """Sweep as beat does, and once told to begin run what is due; another worker does the same at the same time."""
    instant = datetime.fromisoformat(at)
    jobs.sweep(instant - 2 * jobs.LONGEST_DELAY)
    wait_to_begin()
    due = Job.objects.filter(name__in=(EXECUTE, SEND_PUSH), state=JobState.DUE, due_at__lte=instant).order_by("pk")
    while found := list(due.values_list("pk", flat=True)):
        for pk in found:
            jobs.run_job(pk, instant)


def race(at: str) -> None:
    """Once told to begin carry out and send every push, leases or not, as a worker does that was taken for dead."""
    instant = datetime.fromisoformat(at)
    wait_to_begin()
    for action in CorrectiveAction.objects.order_by("pk"):
        execute_action(action_id=action.pk, revision=action.revision, at=instant)
        send_push(action_id=action.pk, at=instant)


def post() -> None:
    """Once told to begin send what waits in the outbox until nothing does."""
    wait_to_begin()
    while Outbox.objects.filter(channel=sending.MAIL, state=OutboxState.WAITING).exists():
        outbox.send_due()


def report() -> None:
    """Print what became of each push, by its subject."""
    print(json.dumps({action.params["subject"]: describe(action) for action in CorrectiveAction.objects.order_by("pk")}))


def describe(action: CorrectiveAction) -> dict[str, Any]:
    """State, how often it was finished, recipients by arm and state, addresses by arm, and what is in the outbox."""
    rows = list(PushRecipient.objects.filter(action=action).order_by("pk"))
    wanted = {mail_key_of(action.pk, row.pk) for row in rows if row.arm == PushArm.TREATED}
    put = Outbox.objects.filter(channel=sending.MAIL, dedup_key__startswith=mail_key_of(action.pk, ""))
    return {
        "state": action.state,
        "is_executed": action.executed_at is not None,
        "is_under_way": action.state == ActionState.EXECUTING,
        "finished": action.transitions.filter(name="finish").count(),
        "states": sorted({str(row.state) for row in rows}),
        "treated": [address_of(action, row) for row in rows if row.arm == PushArm.TREATED],
        "held_out": [address_of(action, row) for row in rows if row.arm == PushArm.HELD_OUT],
        "queued": sum(row.state == "queued" for row in rows),
        "in_outbox": put.count(),
        "is_complete": set(put.values_list("dedup_key", flat=True)) == wanted,
    }


def address_of(action: CorrectiveAction, row: PushRecipient) -> str:
    """Where a member is written to."""
    address = open_address(program=action.program, member_id=row.member_id)
    assert address is not None
    return address.email


def the_push(number: int) -> CorrectiveAction:
    """One of the pushes, in the order of their approval."""
    return CorrectiveAction.objects.order_by("pk")[number]
