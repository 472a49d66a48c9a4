"""What processes of a lab are asked to do with corrective actions: approve some, carry one out and die, take it up again."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from django.conf import settings

import plum_site.tasks  # noqa: F401 - registers every handler, as a worker does
from plum_site.lib import jobs
from plum_site.lib.choices import JobState, Role
from plum_site.lib.models import Job
from reviews.choices import ActionKind
from reviews.rules.actions import default_approvals
from reviews.services.actions import EXECUTE, LOWER, approve_action, propose_action, save_approvals
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program

CODE = "corrected"


def approve(count: int, at: str) -> None:
    """A program with so many partners, each with one offer, and an approved action for each that pauses it."""
    instant = datetime.fromisoformat(at)
    program = make_program(CODE)
    person = make_member_of_staff(program, Role.PROGRAM_ADMIN)
    for number in range(count):
        partner = make_partner(program, f"A{number}")
        make_offer(program, f"A{number}", partner_external_id=f"A{number}")
        action = propose_action(
            partner_id=partner.pk, kind=ActionKind.PAUSE_OFFER, params={"offers": [f"A{number}"]}, actor=person, at=instant
        )
        approve_action(action_id=action.pk, actor=person, at=instant)


def carry_out(number: int, point: str, at: str) -> None:
    """Run the job of one action, dying at the point."""
    (Path(settings.CRASH_POINTS) / point).touch()
    job = Job.objects.filter(name=EXECUTE).order_by("pk")[number]
    jobs.run_job(job.pk, datetime.fromisoformat(at))


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


def take_up(at: str, name: str = EXECUTE) -> None:
    """Sweep as beat does, and run what is due again, two of a kind at a time as two workers would."""
    instant = datetime.fromisoformat(at)
    jobs.sweep(instant - 2 * jobs.LONGEST_DELAY)
    due = list(Job.objects.filter(name=name, state=JobState.DUE, due_at__lte=instant).values_list("pk", flat=True))
    for pk in (*due, *due):
        jobs.run_job(pk, instant)
