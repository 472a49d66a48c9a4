"""What processes of a lab are asked to do with replacements: schedule some, carry one out and die, take it up again."""

from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

import plum_site.tasks  # noqa: F401 - registers every handler, as a worker does
from offers.choices import OfferState
from partners.models import Partner
from plum_site.lib import jobs
from plum_site.lib.choices import JobState, Role
from plum_site.lib.models import Job
from reviews.choices import ReplacementState
from reviews.rules.replacements import Pair
from reviews.services.replacements.approving import CUT_OVER
from reviews.services.replacements.holders import TELL_HOLDERS
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.factories.pushes import add_people
from tests.factories.replacements import happens, lead, open_for

CODE = "replaced"


def schedule(count: int, at: str) -> None:
    """
    A program with so many partners R0, R1, ..., each with an offer that one member has unlocked, and a cutover for each that is
    due at once: S0, S1, ... with a draft take their places.
    """
    instant = datetime.fromisoformat(at)
    before = instant - timedelta(minutes=1)
    program = make_program(CODE, recorded_stages=["unlocked", "activated"])
    anna, ben = (make_member_of_staff(program, Role.PROGRAM_ADMIN, name) for name in ("anna", "ben"))
    add_people(program, [f"M{number}" for number in range(count)])
    for number in range(count):
        for kind, state in (("R", OfferState.PUBLISHED), ("S", OfferState.DRAFT)):
            make_partner(program, f"{kind}{number}")
            make_offer(program, f"{kind}{number}", state, partner_external_id=f"{kind}{number}")
    happens(program, *(("unlocked", f"M{number}", f"R{number}") for number in range(count)))
    for number in range(count):
        replacement = open_for(Partner.objects.get(external_id=f"R{number}"), anna, ben, at=before)
        mapping = [Pair(f"R{number}", f"S{number}")]
        state = ReplacementState.SCHEDULED
        lead(replacement, anna, ben, state, successor=f"S{number}", mapping=mapping, at=before, cut_over_at=instant)


def carry_out(number: int, point: str, at: str) -> None:
    """Run the job of one cutover, dying at the point."""
    run_dying(CUT_OVER, number, point, at)


def tell(number: int, point: str, at: str) -> None:
    """Run the job that tells the holders of one replacement, dying at the point."""
    run_dying(TELL_HOLDERS, number, point, at)


def run_dying(name: str, number: int, point: str, at: str) -> None:
    """Run one job of a name, dying at the point."""
    (Path(settings.CRASH_POINTS) / point).touch()
    job = Job.objects.filter(name=name).order_by("arguments__replacement_id")[number]
    jobs.run_job(job.pk, datetime.fromisoformat(at))


def take_up_cutovers(at: str) -> None:
    """As take_up, for cutovers alone: nobody is told yet."""
    take_up(at, (CUT_OVER,))


def take_up(at: str, names: tuple[str, ...] = (CUT_OVER, TELL_HOLDERS)) -> None:
    """Sweep as beat does, and run what is due again, each twice as two workers would."""
    instant = datetime.fromisoformat(at)
    jobs.sweep(instant - 2 * jobs.LONGEST_DELAY)
    for name in names:
        due = list(Job.objects.filter(name=name, state=JobState.DUE, due_at__lte=instant).values_list("pk", flat=True))
        for pk in (*due, *due):
            jobs.run_job(pk, instant)
