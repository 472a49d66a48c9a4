"""What processes of a lab are asked to do with a running month: watch a program, let a partner fall, run the job that sees it."""

from datetime import datetime
from pathlib import Path

from django.conf import settings

import plum_site.tasks  # noqa: F401 - registers every handler, as a worker does
from activity.services import seal_ledger
from partners.models import Program
from plum_site.lib import jobs
from plum_site.lib.choices import JobState
from plum_site.lib.models import Job
from reviews.services import plan_evaluation
from reviews.services.evaluation import EVALUATE
from tests.factories.flags import FELL, make_watched_program
from tests.factories.reviews import record_month
from tests.factories.webhooks import make_endpoint

CODE, MONTH = "watched", "2026-07"


def watch(partners: int) -> None:
    """A program with so many partners, whose owner is told by mail, and others by webhook."""
    program = make_watched_program(*(f"P{number}" for number in range(partners)), code=CODE)
    make_endpoint(program)


def fall(number: int, point: str, at: str) -> None:
    """
    What a worker that died has left is taken up first; then a partner falls, and the evaluation that is due is run, which dies
    at the point.
    """
    program, instant = Program.objects.get(code=CODE), datetime.fromisoformat(at)
    take_up(at)
    record_month(program, MONTH, {f"P{number}": FELL}, at=instant)
    seal_ledger(program_id=program.pk, at=instant)
    assert plan_evaluation(program_id=program.pk, at=instant)
    (Path(settings.CRASH_POINTS) / point).touch()
    evaluate(program, instant)


def take_up(at: str) -> None:
    """Sweep as beat does, and run again whose lease has run out, once its pause is over."""
    program, instant = Program.objects.get(code=CODE), datetime.fromisoformat(at)
    jobs.sweep(instant - 2 * jobs.LONGEST_DELAY)
    evaluate(program, instant - jobs.LONGEST_DELAY)


def evaluate(program: Program, at: datetime) -> None:
    """Run the evaluation of the program if it is due, as a worker does that was woken."""
    for job in Job.objects.filter(name=EVALUATE, program_id=program.pk, state=JobState.DUE, due_at__lte=at):
        outcome = jobs.run_job(job.pk, at)
        assert outcome == "done", Job.objects.get(pk=job.pk).error
