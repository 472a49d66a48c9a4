"""What processes of a lab are asked to do with the days of catalogs: make some, die while one is turned, take it up again."""

import json
from collections import Counter
from datetime import datetime, timedelta
from functools import partial

import plum_site.tasks  # noqa: F401 - registers every handler, as a worker does
from exports.models import WebhookDelivery
from offers.models import CatalogDay
from offers.services import turn_day
from offers.services.days import NOTICE_DAYS, TURN
from partners.models import Program
from partners.services import set_partner_owner
from plum_site.lib import jobs
from plum_site.lib.choices import JobState, Role
from plum_site.lib.models import AuditEvent, Job, Outbox
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.factories.webhooks import make_endpoint
from tests.faults.dying import die_at, wait_to_begin


def make(count: int, at: str) -> None:
    """
    So many programs whose catalog was seen yesterday, with a job that turns it today: one offer begins today, one ended, and one
    of each of two partners, who have an owner each, ends in a week.
    """
    today = datetime.fromisoformat(at)
    for number in range(count):
        program = make_program(f"day{number}", time_zone="UTC")
        for name in ("P1", "P2"):
            partner = make_partner(program, name)
            owner = make_member_of_staff(program, Role.PARTNER_OPS, f"{name}-{number}")
            owner.email = f"{name}-{number}@example.org"
            owner.save()
            set_partner_owner(partner_id=partner.pk, owner=owner, actor="system", at=today)
            ends_date = today.date() + timedelta(days=NOTICE_DAYS)
            make_offer(program, f"ends-{name}", partner_external_id=name, ends_date=ends_date)
        make_offer(program, "starts", starts_date=today.date())
        make_offer(program, "ended", ends_date=today.date() - timedelta(days=1))
        make_endpoint(program)
        turn_day(program_id=program.pk, at=today - timedelta(days=1))
        key = f"{TURN}:{program.pk}:{today.date()}"
        jobs.plan(name=TURN, key=key, program_id=program.pk, arguments={"program_id": program.pk}, due_at=today, at=today)


def die(points: list[str], at: str) -> None:
    """Turn the day of each program in a worker of its own that dies at its point; print how each ended."""
    instant, statuses = datetime.fromisoformat(at), []
    for number, point in enumerate(points):
        job = Job.objects.get(name=TURN, program_id=the_program(number).pk)
        statuses.append(die_at(point, partial(jobs.run_job, job.pk, instant)))
    print(json.dumps(statuses))


def take_up(numbers: list[int], at: str) -> None:
    """Sweep as beat does, run what is due again of some programs, each twice, and turn each once more."""
    instant = datetime.fromisoformat(at)
    jobs.sweep(instant - 2 * jobs.LONGEST_DELAY)
    programs = [the_program(number).pk for number in numbers]
    due = Job.objects.filter(name=TURN, state=JobState.DUE, due_at__lte=instant, program_id__in=programs)
    found = list(due.values_list("pk", flat=True))
    for pk in (*found, *found):
        jobs.run_job(pk, instant)
    for pk in programs:
        assert not any(turn_day(program_id=pk, at=instant).values()), "nothing is left to tell"


def race(at: str) -> None:
    """Once told to begin turn the day of every program, whoever's job that is."""
    chosen = list(Program.objects.filter(code__startswith="day").order_by("pk").values_list("pk", flat=True))
    wait_to_begin()
    for pk in chosen:
        turn_day(program_id=pk, at=datetime.fromisoformat(at))


def report(count: int) -> None:
    """Print of each program's day how often each thing was told, how many days are kept, and whether its job is done."""
    print(json.dumps([describe(the_program(number)) for number in range(count)]))


def describe(program: Program) -> dict[str, int]:
    """The log, the webhooks and the mails to owners, by who is told of which offer; days; changes of the catalog."""
    logged = AuditEvent.objects.filter(program_id=program.pk, action__in=("offers.start_offer", "offers.end_offer"))
    hooks = WebhookDelivery.objects.filter(endpoint__program=program, type__in=("offer.started", "offer.ended"))
    mails = Outbox.objects.filter(dedup_key__startswith=f"ending:{program.pk}:")
    told = Counter([*logged.values_list("action", flat=True), *hooks.values_list("type", flat=True)])
    told.update(name for mail in mails for name in ("ends-P1", "ends-P2") if name in mail.payload["text"])
    days = CatalogDay.objects.filter(program=program)
    return {
        **told,
        "days": days.count(),
        "counted": sum(day.started_count + day.ended_count for day in days),
        "done": Job.objects.filter(name=TURN, program_id=program.pk, state=JobState.DONE).count(),
    }


def the_program(number: int) -> Program:
    """One of the programs."""
    return Program.objects.get(code=f"day{number}")
