"""
The one table of what runs when. Beat nudges every 10 seconds; this table and the database decide what is due.

A job row plans jobs by key, so that asking a thousand times plans them once; a wake row wakes something that derives
its own work. `docs/reference/schedule.md` shows the same table; a test keeps it so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from activity.selectors import count_unsealed
from activity.selectors.imports import list_programs_to_clear
from activity.selectors.quarantine import list_programs_to_expire, list_programs_to_replay
from activity.services.loading import loading_mark
from exports.selectors import list_expired, list_stuck
from partners.selectors import list_programs
from plum_site.lib import jobs, outbox
from plum_site.lib.periods import local_date, month_start, month_text, next_month
from reviews.choices import ReportKind
from reviews.selectors import find_due_report, find_month_to_evaluate, list_due_months
from reviews.selectors.actions import list_ended_windows, list_waiting_actions
from reviews.selectors.replacements import list_due_replacements, list_followed
from reviews.services.replacements.holders import TELL_HOLDERS

NIGHT = time(2, 0)  # UTC
MORNING = time(8, 0)  # of the program: when people are reminded
NOON = time(12, 5)  # of the program: what came of the day before has come by then
AFTER_START = timedelta(minutes=10)  # a machine that slept at night makes up for it, but not while it starts
MONTHS_AHEAD = 3


@dataclass(frozen=True)
class Due:
    """One thing that a row wants done: a job with its key, or the ids of a wake-up."""

    arguments: dict[str, Any]
    program_id: int | None = None
    key: str = ""
    due_at: datetime | None = None


@dataclass(frozen=True)
class Row:
    """One line of the table. max_age: how long ago it may last have been done where it is due at all."""

    name: str
    kind: Literal["job", "wake"]
    owner: str
    rhythm: str
    purpose: str
    max_age: timedelta
    list_due: Callable[[datetime], Iterator[Due]] = field(repr=False)


def _unsealed(at: datetime) -> Iterator[Due]:
    for program in list_programs():
        if count_unsealed(program.pk).batches:
            yield Due({"program_id": program.pk})


def _messages(at: datetime) -> Iterator[Due]:
    if outbox.has_due(at):
        yield Due({})


def _old_imports(at: datetime) -> Iterator[Due]:
    for program_id in list_programs_to_clear(at):
        yield Due({"program_id": program_id})


def _arrived(at: datetime) -> Iterator[Due]:
    for program in list_programs_to_replay():
        yield Due({"program_id": program.pk})


def _waited_too_long(at: datetime) -> Iterator[Due]:
    for program_id in list_programs_to_expire(at):
        yield Due({"program_id": program_id})


def _months(at: datetime) -> Iterator[Due]:
    for program in list_programs():
        if jobs.is_busy(loading_mark(program.pk), at):
            continue  # a folder that is being loaded is not reviewed half
        today = local_date(at, program.time_zone)
        for month in list_due_months(program, today):
            yield Due(
                {"program_id": program.pk, "month": month.isoformat()},
                program.pk,
                f"{program.pk}:{month_text(month)}:{today}",
                at,
            )


def _unevaluated(at: datetime) -> Iterator[Due]:
    for program in list_programs():
        if find_month_to_evaluate(program, at) is not None:
            yield Due({"program_id": program.pk})


def _reports(at: datetime) -> Iterator[Due]:
    for program in list_programs():
        cycle = find_due_report(program, local_date(at, program.time_zone))
        if cycle is not None and not jobs.is_busy(loading_mark(program.pk), at):
            arguments = {"cycle_id": cycle.pk, "kind": str(ReportKind.PRELIMINARY)}
            yield Due(arguments, program.pk, f"{cycle.pk}:{ReportKind.PRELIMINARY}", at)


def _windows(at: datetime) -> Iterator[Due]:
    for program in list_programs():
        if list_ended_windows(program.pk, at):
            yield Due({"program_id": program.pk}, program.pk, f"{program.pk}:{local_date(at, program.time_zone)}", at)


def _reminders(at: datetime) -> Iterator[Due]:
    for program in list_programs():
        today = local_date(at, program.time_zone)
        if find_due_report(program, today) is not None:
            morning = datetime.combine(today, MORNING, ZoneInfo(program.time_zone))
            yield Due({"program_id": program.pk}, program.pk, f"{program.pk}:{today}", max(morning, at))


def _overdue_actions(at: datetime) -> Iterator[Due]:
    for program in list_programs():
        today = local_date(at, program.time_zone)
        if list_waiting_actions(program.pk).filter(due_date__lte=today).exists():
            morning = datetime.combine(today, MORNING, ZoneInfo(program.time_zone))
            yield Due({"program_id": program.pk}, program.pk, f"{program.pk}:{today}", max(morning, at))


def _due_replacements(at: datetime) -> Iterator[Due]:
    for program in list_programs():
        today = local_date(at, program.time_zone)
        if list_due_replacements(program.pk, today):
            morning = datetime.combine(today, MORNING, ZoneInfo(program.time_zone))
            yield Due({"program_id": program.pk}, program.pk, f"{program.pk}:{today}", max(morning, at))


def _late_holders(at: datetime) -> Iterator[Due]:
    for program in list_programs():
        today = local_date(at, program.time_zone)
        for replacement in list_followed(program.pk, today):
            yield Due({"replacement_id": replacement.pk}, program.pk, f"{replacement.pk}:{today}", at)


def _sources(at: datetime) -> Iterator[Due]:
    for program in list_programs():
        today = local_date(at, program.time_zone)
        noon = datetime.combine(today, NOON, ZoneInfo(program.time_zone))
        if not jobs.is_busy(loading_mark(program.pk), at):
            yield Due({"program_id": program.pk}, program.pk, f"{program.pk}:{today}", max(noon, at))


def _catalog_days(at: datetime) -> Iterator[Due]:
    for program in list_programs():
        today = local_date(at, program.time_zone)
        if not jobs.is_busy(loading_mark(program.pk), at):
            yield Due({"program_id": program.pk}, program.pk, f"{program.pk}:{today}", at)


def _months_ahead(at: datetime) -> Iterator[Due]:
    first = month_start(at.date())
    months = [next_month(first, number).isoformat() for number in range(MONTHS_AHEAD + 1)]
    yield Due({"months": months}, None, str(at.date()), at)


def _exports_to_tidy(at: datetime) -> Iterator[Due]:
    if list_expired(at).exists() or list_stuck():
        yield Due({})


def _nightly(at: datetime) -> Iterator[Due]:
    tonight = datetime.combine(at.date(), NIGHT, at.tzinfo)
    yield Due({}, None, str(at.date()), tonight if tonight > at else at + AFTER_START)


DAY = timedelta(hours=26)
ROWS = (
    Row(
        "activity.seal_ledger", "wake", "activity", "every 10 s, each program with unsealed batches",
        "Puts batches into the sealed ledger and its rollups where a wake-up was lost.", timedelta(seconds=60), _unsealed,
    ),
    Row(
        outbox.SEND, "wake", "plum_site", "every 10 s, where a message is due",
        "Sends mail and webhooks whose wake-up was lost, or whose next attempt has come.", timedelta(seconds=60), _messages,
    ),
    Row(
        "activity.expire_imports", "wake", "activity", "every 10 s, each program with files that are a day old",
        "Removes files that were brought to the console and never applied, and the reports about them.", timedelta(hours=1),
        _old_imports,
    ),
    Row(
        "activity.replay_quarantine", "wake", "activity", "every 10 s, each program where somebody arrived whom events wait for",
        "Records events from quarantine where a wake-up was lost.", timedelta(seconds=60), _arrived,
    ),
    Row(
        "activity.expire_quarantine", "wake", "activity", "every 10 s, each program with events that have waited 30 days",
        "Removes events from quarantine whose person never arrived.", timedelta(hours=1), _waited_too_long,
    ),
    Row(
        "reviews.consolidate_month", "job", "reviews", "each program day, each month that is due",
        "Scores every partner: months that were missed, the last complete one and the present one.", DAY, _months,
    ),
    Row(
        "reviews.follow_ledger", "wake", "reviews", "every 10 s, each program with events of the running month not evaluated yet",
        "Plans the evaluation of the running month where a wake-up was lost.", timedelta(seconds=60), _unevaluated,
    ),
    Row(
        "reviews.send_report", "job", "reviews", "each program's report day, and again at closing",
        "Sends the monthly report to its recipients, whatever the state of the review.", DAY, _reports,
    ),
    Row(
        "reviews.measure_actions", "job", "reviews", "each program day, where the window of an action is over",
        "Says what became of corrective actions: worked, no evidence, harmed or cannot tell.", DAY, _windows,
    ),
    Row(
        "reviews.remind_owners", "job", "reviews", "each program day at 08:00 while decisions are overdue",
        "Reminds owners of partners that wait for a decision; from the third day also the admins.", DAY, _reminders,
    ),
    Row(
        "reviews.remind_of_actions", "job", "reviews", "each program day at 08:00 while a proposed action is due",
        "Reminds owners of corrective actions that wait for a decision; the admins too where they are needed.", DAY,
        _overdue_actions,
    ),
    Row(
        "reviews.remind_of_replacements", "job", "reviews", "each program day at 08:00 while a step of a replacement is due",
        "Reminds whoever has to do it; from the third day also the admins.", DAY, _due_replacements,
    ),
    Row(
        TELL_HOLDERS, "job", "reviews", "each program day, each replacement until its last activation day",
        "Tells members whose unlock of an offer that went arrived late until when it can be activated.", DAY, _late_holders,
    ),
    Row(
        "reviews.check_sources", "job", "reviews", "each program day at 12:05",
        "Looks for sources that should have sent events the day before and did not.", DAY, _sources,
    ),
    Row(
        "offers.turn_day", "job", "offers", "each program day, at its midnight",
        "Tells which offers began or ended by their dates, and owners which end within a week.", DAY, _catalog_days,
    ),
    Row(
        "offers.tidy_creatives", "job", "offers", "nightly at 02:00 UTC",
        "Removes pictures that no listing came to show within a week.", DAY, _nightly,
    ),
    Row(
        "activity.prepare_partitions", "job", "activity", "daily",
        "Makes the ledger's partitions of the next months on PostgreSQL before events need them.", DAY, _months_ahead,
    ),
    Row(
        "plum.verify", "job", "plum_site", "nightly at 02:00 UTC",
        "Runs every check of `manage.py verify all`; the health page shows what it found.", DAY, _nightly,
    ),
    Row(
        "exports.tidy_exports", "wake", "exports", "every 10 s, where an export has expired or was given up",
        "Removes the files of exports after 7 days, and says so where a worker will not write one any more.",
        timedelta(minutes=5), _exports_to_tidy,
    ),
    Row("plum.prune_jobs", "job", "plum_site", "nightly at 02:00 UTC", "Removes jobs that were done 90 days ago.", DAY, _nightly),
    Row(
        "plum.prune_answers", "job", "plum_site", "nightly at 02:00 UTC",
        "Removes the answers of the API that were kept for a day, to be given again.", DAY, _nightly,
    ),
    Row(
        "plum.prune_outbox", "job", "plum_site", "nightly at 02:00 UTC",
        "Removes the log of deliveries after 30 days, and what sent messages said after 90.", DAY, _nightly,
    ),
)  # fmt: skip

# Jobs that are planned by a service, for somebody or when there is something to do, and kept alive by the sweep: in no row.
ASKED_FOR = frozenset(
    {
        "activity.apply_import",
        "activity.check_import",
        "activity.retry_quarantine",
        "exports.write_export",
        "reviews.backtest_rule",
        "reviews.cut_over",
        "reviews.evaluate_month",
        "reviews.execute_action",
        "reviews.lower_approvals",
        "reviews.preview_policy",
        "reviews.send_push",
    }
)


def plan_due(at: datetime) -> int:
    """Plan and wake what every row says is due; how many jobs are new. Writes: plum_job."""
    planned = 0
    for row in ROWS:
        for due in row.list_due(at):
            if row.kind == "wake":
                jobs.wake(row.name, **due.arguments)
                continue
            key = f"{row.name}:{due.key}"
            job = jobs.plan(
                name=row.name, key=key, program_id=due.program_id, arguments=due.arguments, due_at=due.due_at or at, at=at
            )
            planned += job.created_at == at
    return planned


def dispatch_due(at: datetime | None = None) -> bool:
    """One sweep: whether it took place (not where another one just did). Writes: plum_job, plum_heartbeat."""
    at = at or jobs.database_now()
    if not jobs.begin_sweep(at):
        return False
    jobs.sweep(at)
    plan_due(at)
    return True


def write_schedule() -> str:
    """docs/reference/schedule.md: this table, for people who read."""
    lines = [
        "# What runs when",
        "",
        "Made from `plum_site/schedule.py` by `manage.py write_reference`; a test compares the two. Celery beat sends one",
        "message, `dispatch_due`, every ten seconds; these rows and the database decide what is due. A *job* is planned once by",
        "its key and kept with its result; a *wake* lets something run that finds out by itself what there is to do. Age is how",
        "long ago a row may last have been done where it is due.",
        "",
        "| name | kind | owner | runs | age at most | why |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in ROWS:
        age = f"{row.max_age.total_seconds() / 3600:g} h" if row.max_age >= timedelta(hours=1) else f"{row.max_age.seconds} s"
        lines.append(f"| `{row.name}` | {row.kind} | {row.owner} | {row.rhythm} | {age} | {row.purpose} |")
    return "\n".join(lines) + "\n"
