"""A promotional push to everybody of a program, from its preview until all of it is in the outbox, against bare INSERTs."""

from datetime import timedelta
from functools import partial
from itertools import chain, islice
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from activity.models import VaultEntry
from activity.services.statistics import refresh_statistics
from partners.models import Partner, Program
from plum_site.bench.lab import Lab
from plum_site.bench.ledger import make_stocked
from plum_site.bench.registry import benchmark
from plum_site.bench.results import Result, median
from plum_site.lib.choices import Role
from plum_site.lib.clock import now
from plum_site.lib.mail import message_id_for
from plum_site.lib.models import Outbox, User
from plum_site.lib.people import grant_role
from reviews.choices import ActionKind, ActionState, RecipientState
from reviews.models import CorrectiveAction, PushRecipient
from reviews.services.actions import HANDLINGS, approve_action, execute_action, propose_action, send_push

MEMBERS = 100_000
PREVIEW = (1000, 2000)  # ms
FREEZE = (3, 6)  # ×, of the bare INSERT of as many outbox rows
PUT = (6, 12)  # ×, of the same
MEMORY = (60, 120)  # MB
AT_ONCE = 1000  # rows of one bare INSERT
PARAMS = {
    "offers": ["O0"],
    "channels": ["mail"],
    "hold_out_percent": 10,
    "pause_days": 0,
    "subject": "{title} for you",
    "text": "Only now in {program}: {title}.",
}
BARE = "bench"
INSERT = (
    "INSERT INTO plum_outbox "
    "(program_id, channel, recipient, dedup_key, message_id, payload, created_at, due_at, state, attempts, fence, error) VALUES "
)
ROW = "(%s, %s, %s, %s, %s, %s, %s, %s, 'waiting', 0, 0, '')"


@benchmark("push", title="A promotional push to every member, until it is in the outbox", events=MEMBERS, rounds=3)
def measure_push(lab: Lab) -> list[Result]:
    """Every round proposes a push to `--events` members, looks at it, approves, freezes and puts it; then the bare INSERT."""
    program, proposer, approver = make_addressed(lab)
    seconds: dict[str, list[float]] = {name: [] for name in ("preview", "freeze", "put", "bare INSERT")}
    memory: list[float] = []
    rows = 0
    for number, name in lab.turns(["push", "bare INSERT"], lab.rounds):
        if name == "push":
            taken, grown, rows = push(lab, program, proposer, approver)
        else:
            taken, grown = {name: insert_bare(lab, program, rows or lab.events)}, None
        if number >= 0:
            for part, spent in taken.items():
                seconds[part].append(round(spent, 3))
            memory += [grown] if grown is not None else []
        lab.say_turn(name, ", ".join(f"{part} {spent:.2f} s" for part, spent in taken.items()), number, lab.rounds)
    lab.programs[program.code] = 0
    lab.areas = ("actions", "audit", "tenancy")
    return results_of(lab, seconds, memory, rows)


def make_addressed(lab: Lab) -> tuple[Program, User, User]:
    """A program whose members all have an address, and the two people that a push to all of them takes."""
    at = now()
    program = make_stocked(code="bench", members=lab.events, folder=lab.folder, at=at - timedelta(days=60))
    # An address is there or not; nothing is sent here, so that nobody opens it.
    VaultEntry.objects.filter(program=program).update(email_sealed=F("external_id_sealed"))
    proposer, approver = (User.objects.create_user(username=name) for name in ("bench-proposer", "bench-approver"))
    for person in (proposer, approver):
        grant_role(program_id=program.pk, user_id=person.pk, role=Role.PROGRAM_ADMIN, actor="system", at=at)
    refresh_statistics()
    lab.say(f"bench: {lab.events:,} members made")
    return program, proposer, approver


def push(lab: Lab, program: Program, proposer: User, approver: User) -> tuple[dict[str, float], float, int]:
    """Seconds of each part of one push, by how many MB the process grew from freezing on, and how many rows were put."""
    partner = Partner.objects.get(program=program, external_id="P0")
    at = now()
    action = propose_action(partner_id=partner.pk, kind=ActionKind.PROMOTIONAL_PUSH, params=PARAMS, actor=proposer, at=at)
    taken = {"preview": lab.time(partial(HANDLINGS[action.kind].preview, action, at))}
    approve_action(action_id=action.pk, actor=approver, at=at)
    action.refresh_from_db()

    def work() -> None:
        taken["freeze"] = lab.time(partial(execute_action, action_id=action.pk, revision=action.revision, at=at))
        taken["put"] = lab.time(partial(send_push, action_id=action.pk, at=at))

    grown = lab.growth_of_memory(work)
    return taken, grown, check_and_clear(action)


def check_and_clear(action: CorrectiveAction) -> int:
    """How many mails were put; RuntimeError unless there is one for each recipient. They are taken out again, unsent."""
    action.refresh_from_db()
    recipients = PushRecipient.objects.filter(action=action)
    queued = recipients.filter(state=RecipientState.QUEUED).count()
    mails = Outbox.objects.filter(program_id=action.program_id, channel="push")
    held_out = recipients.filter(state=RecipientState.HELD_OUT).count()
    is_over = action.state in (ActionState.EXECUTED, ActionState.MEASURING, ActionState.MEASURED)
    if not is_over or mails.count() != queued or recipients.count() != queued + held_out:
        raise RuntimeError(f"The push is {action.state} with {queued} recipients. What was measured does not count.")
    return int(mails.delete()[0])


def insert_bare(lab: Lab, program: Program, count: int) -> float:
    """Seconds of as many rows of the outbox in one transaction, made before, by statements of 1,000 rows; removed again."""
    at = now()
    rows = (
        (program.pk, BARE, f"member {n}", f"{BARE}:{n}", message_id_for(f"{BARE}:{n}"), '{"recipient": 1}', at, at)
        for n in range(count)
    )
    chunks: list[list[Any]] = [list(chain.from_iterable(some)) for some in iter(lambda: list(islice(rows, AT_ONCE)), [])]

    def insert() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for values in chunks:
                cursor.execute(INSERT + ", ".join([ROW] * (len(values) // ROW.count("%s"))), values)

    spent = lab.time(insert)
    Outbox.objects.filter(program_id=program.pk, channel=BARE).delete()
    return spent


def results_of(lab: Lab, seconds: dict[str, list[float]], memory: list[float], rows: int) -> list[Result]:
    """Preview in milliseconds, freezing and putting as multiples of the bare INSERT, and the growth of memory."""
    bare = median(seconds["bare INSERT"])
    lab.notes |= {"members": lab.events, "mails put": rows, "rows a statement of the bare INSERT": AT_ONCE}
    lab.tables.append(
        {
            "columns": ["", "seconds", "rows/s"],
            "rows": [[name, f"{median(taken):.2f}", f"{round((rows if name != 'preview' else lab.events) / median(taken)):,}"]
                     for name, taken in seconds.items()],
        }
    )  # fmt: skip
    details: dict[str, Any] = {"seconds": seconds, "rows": rows}
    return [
        Result("putting it into the outbox", median(seconds["put"]) / bare, "× bare INSERT", *PUT, "lower", details),
        Result("freezing it", median(seconds["freeze"]) / bare, "× bare INSERT", *FREEZE, "lower"),
        Result("its preview", median(seconds["preview"]) * 1000, "ms", *PREVIEW, "lower"),
        Result("memory of the worker", max(memory), "MB", *MEMORY, "lower", {"megabytes": memory}),
    ]
