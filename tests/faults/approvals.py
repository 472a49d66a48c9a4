"""What processes of a lab are asked to do with lower approvals: ask for some, put them in force and die, take it up again."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from django.conf import settings

import plum_site.tasks  # noqa: F401 - registers every handler, as a worker does
from plum_site.lib import jobs
from plum_site.lib.choices import JobState, Role
from plum_site.lib.models import Job
from reviews.rules.actions import default_approvals
from reviews.services.actions import LOWER, save_approvals
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program


def ask_lower(count: int, at: str) -> None:
    """So many programs, in each of which somebody asked for solo mode."""
    for number in range(count):
        program = make_program(f"lowered{number}")
        person = make_member_of_staff(program, Role.PROGRAM_ADMIN, f"admin{number}")
        spec = replace(default_approvals(), solo_mode=True)
        save_approvals(program_id=program.pk, spec=spec, actor=person, at=datetime.fromisoformat(at))


def lower(number: int, point: str, at: str) -> None:
    """Run the job of one request, dying at the point."""
    (Path(settings.CRASH_POINTS) / point).touch()
    job = Job.objects.filter(name=LOWER).order_by("pk")[number]
    jobs.run_job(job.pk, datetime.fromisoformat(at))


def take_up(at: str) -> None:
    """Sweep as beat does, and run what is due again, each twice."""
    instant = datetime.fromisoformat(at)
    jobs.sweep(instant - 2 * jobs.LONGEST_DELAY)
    due = list(Job.objects.filter(name=LOWER, state=JobState.DUE, due_at__lte=instant).values_list("pk", flat=True))
    for pk in (*due, *due):
        jobs.run_job(pk, instant)
