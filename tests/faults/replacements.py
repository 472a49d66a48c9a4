"""What processes of a lab are asked to do with replacements: schedule some, carry one out and die, take it up again."""

import json
from datetime import datetime, timedelta
from functools import partial

import plum_site.tasks  # noqa: F401 - registers every handler, as a worker does
from offers.choices import OfferState
from partners.choices import PartnerState
from partners.models import Partner
from partners.services import save_contact
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
from tests.faults.dying import die_at

CODE = "replaced"


def schedule(count: int, at: str) -> None:
    """As make, with a cutover for each that is due at once."""
    make(count, at, ReplacementState.SCHEDULED)


def make(count: int, at: str, state: str) -> None:
    """
    A program with so many partners R0, R1, ..., each with an offer that one member has unlocked, and a replacement of each, led
    to a state by anna and ben: S0, S1, ..., prospects with a draft, take their places.
    """
    instant = datetime.fromisoformat(at)
    before = instant - timedelta(minutes=1)
    program = make_program(CODE, recorded_stages=["unlocked", "activated"])
    anna, ben = (make_member_of_staff(program, Role.PROGRAM_ADMIN, name) for name in ("anna", "ben"))
    add_people(program, [f"M{number}" for number in range(count)])
    for number in range(count):
        for name, partner_state, offer_state in (
            (f"R{number}", PartnerState.ACTIVE, OfferState.PUBLISHED),
            (f"S{number}", PartnerState.PROSPECT, OfferState.DRAFT),
        ):
            partner = make_partner(program, name, state=partner_state, category=f"category{number}")  # few candidates each
            save_contact(partner_id=partner.pk, name=name, email=f"{name.lower()}@example.org", actor="system", at=before)
            make_offer(program, name, offer_state, partner_external_id=name)
    happens(program, *(("unlocked", f"M{number}", f"R{number}") for number in range(count)))
    for number in range(count):
        replacement = open_for(Partner.objects.get(external_id=f"R{number}"), anna, ben, at=before)
        mapping = [Pair(f"R{number}", f"S{number}")]
        lead(replacement, anna, ben, state, successor=f"S{number}", mapping=mapping, at=before, cut_over_at=instant)


def die(name: str, points: list[str], at: str) -> None:
    """For each replacement in turn run its job of a name in a worker of its own that dies at a point; print how each ended."""
    statuses = []
    for number, point in enumerate(points):
        job = Job.objects.filter(name=name).order_by("arguments__replacement_id")[number]
        statuses.append(die_at(point, partial(jobs.run_job, job.pk, datetime.fromisoformat(at))))
    print(json.dumps(statuses))


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
