"""How far the monthly reviews of every program are: which months are due, and what their jobs are doing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from partners.models import Program
from partners.selectors import list_programs
from plum_site.lib.choices import JobState, OutboxState
from plum_site.lib.models import Job, Outbox
from plum_site.lib.periods import local_date, month_start, month_text, next_month
from reviews.selectors import list_due_months, list_reviewed_months
from reviews.services.reports import SEND_REPORT

NAME = "reviews.consolidate_month"
UNENDED = (JobState.DUE, JobState.RUNNING)


@dataclass(frozen=True)
class ProgramProgress:
    """One program. latest: the newest complete month that has been consolidated, as YYYY-MM."""

    program: str
    months_due: int
    months_done: int
    latest: str | None
    waiting: tuple[date, ...]


def list_progress(at: datetime) -> list[ProgramProgress]:
    """
    Every program's months: how many must have been consolidated by now, how many have been.

    Shape: one row a program, by name.
    """
    return [_progress(program, at) for program in list_programs()]


def _progress(program: Program, at: datetime) -> ProgramProgress:
    today = local_date(at, program.time_zone)
    waiting = tuple(list_due_months(program, today))
    complete = list_reviewed_months(program, today)
    present = month_start(today)
    expected = complete if program.ended_date is not None and today > program.ended_date else [*complete, present]
    done = [month for month in expected if month not in waiting]
    latest = [month for month in done if next_month(month) <= present]
    return ProgramProgress(program.code, len(expected), len(done), month_text(latest[-1]) if latest else None, waiting)


def count_unsent(at: datetime) -> int:
    """How much is still to be done for the reports of these months: jobs that make them, and mails nobody tried to send yet."""
    making = Job.objects.filter(name__in=(NAME, SEND_REPORT), state__in=UNENDED, due_at__lte=at).count()
    return making + Outbox.objects.filter(state=OutboxState.WAITING, due_at__lte=at, tries__isnull=True).count()


def list_notes() -> Iterator[str]:
    """What the running consolidations say about themselves, such as "2026-06: partner 12 of 300"."""
    for job in Job.objects.filter(name=NAME, state=JobState.RUNNING).order_by("pk"):
        steps = f" {job.progress_done} of {job.progress_total}" if job.progress_total else ""
        yield f"{job.arguments['month'][:7]}: {job.progress_note or 'consolidating'}{steps}"


def list_given_up(programs: list[ProgramProgress]) -> list[str]:
    """Why months that still wait will not come by themselves: the errors of dead jobs."""
    waiting = {month.isoformat() for row in programs for month in row.waiting}
    dead = Job.objects.filter(name=NAME, state=JobState.DEAD).order_by("pk")
    return [
        f"{job.arguments['month'][:7]} (job {job.pk}): {(job.error.strip().splitlines() or ['no error text'])[-1]}"
        for job in dead
        if job.arguments["month"] in waiting
    ]
