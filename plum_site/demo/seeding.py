"""
Puts the sample programs into the database, through the services that everything else uses.

Each begins with an audit row that keeps the moment, the seed and the size, and ends with another one: a program that
is there is left alone, and one that was interrupted is finished with the same content.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

from django.db import transaction

from activity.choices import Origin
from activity.models import Member
from activity.rules import check_event
from activity.services import MemberRow, apply_people, record_events, seal_ledger
from activity.services.loading import NewProgram, load_folder
from offers.choices import OfferState
from offers.rules import OfferRow
from offers.selectors import find_ranking, get_offer, get_segment, load_catalog, order_of
from offers.services import change_offer_state, save_offers, save_ranking, save_segment
from partners.choices import PartnerState, ProgramKind, Stage
from partners.models import Program
from partners.selectors import find_program, get_program
from partners.services import create_program, save_partners, save_seasonal_index
from plum_site.demo import catalog, profiles
from plum_site.demo.corrections import Past, correct
from plum_site.demo.journeys import World, make_arrivals
from plum_site.demo.people import save_recipients, save_users
from plum_site.demo.stories import tell_partner_stories
from plum_site.lib import audit
from plum_site.lib.models import AuditEvent, User
from plum_site.lib.periods import first_instant, local_date, month_start, next_month

FOLDER = Path(__file__).parent / "completejourney"
SAMPLE = NewProgram(
    code="completejourney",
    name="The Complete Journey",
    time_zone="America/New_York",
    currency="USD",
    report_by=("age_band", "home_ownership"),
    extra={"kind": ProgramKind.LOYALTY, "is_demo": True, "ended_date": date(2017, 12, 31)},
)
BEGUN, FINISHED = "demo.begin_seeding", "demo.finish_seeding"
EVENTS_AT_ONCE = 8000

Progress = Callable[[str, float, float], None]


@dataclass(frozen=True)
class Plan:
    """What a program was begun with: its present moment, and what the rest follows from."""

    now: datetime
    seed: int
    event_count: int

    @property
    def first_day(self) -> date:
        """The first day of the first of the demo's full months."""
        return next_month(month_start(local_date(self.now, profiles.TIME_ZONE)), -profiles.MONTHS)

    @property
    def started_at(self) -> datetime:
        """When the program was set up: no month before its first event is to be reviewed."""
        return first_instant(self.first_day, profiles.TIME_ZONE)


def seed_demo(
    *, code: str, event_count: int, seed: int, at: datetime, progress: Progress = lambda step, done, total: None
) -> Program:
    """
    Make the program of the profiles, unless it is there.

    Raises: nothing of its own.
    Writes: plum, partners, offers, activity.
    """
    program = find_program(code)
    if program and is_finished(program):
        return program
    plan = Plan(now=at, seed=seed, event_count=event_count)
    program, plan = begin(code, plan, program)
    rng = Random(plan.seed)  # noqa: S311 - a sample, not a secret
    start = plan.started_at
    offers = seed_catalog(program, rng, plan, start)
    users = save_users(program_id=program.pk, at=start)
    save_recipients(program_id=program.pk, users=users, category=profiles.RECIPIENT_CATEGORY, at=start)
    progress("partners", 0, 1)
    tell_partner_stories(program=program, rng=rng, first_day=plan.first_day, now=plan.now, manager=users["ops"])
    stop_offers(program, plan, users["admin"])
    members = catalog.make_members(rng)
    moved = catalog.move_members(rng, members)
    seed_members(program, plan, members, moved)
    world = World(plan.seed, plan.first_day, plan.now, offers, load_catalog(program.pk), members)
    past = Past(program, plan.now.date(), admin=users["admin"], ops=users["ops"])
    seed_events(program, world, plan, past, progress)
    finish(program, plan.now)
    return program


def load_sample(*, at: datetime, progress: Progress = lambda step, done, total: None) -> Program:
    """
    Load the real, anonymised data set that lies beside this file, unless it is there.

    Raises: nothing of its own.
    Writes: partners, offers, activity.
    """
    program = find_program(SAMPLE.code)
    if program and is_finished(program):
        return program
    load_folder(folder=FOLDER, new_program=SAMPLE, actor="system", at=at, progress=progress)
    program = get_program(SAMPLE.code)
    save_recipients(program_id=program.pk, users=save_users(program_id=program.pk, at=at), at=at)
    finish(program, at)
    return program


def begin(code: str, plan: Plan, program: Program | None) -> tuple[Program, Plan]:
    """The program and the plan it was begun with; both are new, or those of the run that was interrupted."""
    with transaction.atomic():
        if program is None:
            program = create_program(
                code=code,
                name=profiles.NAME,
                kind=ProgramKind.EMPLOYEE,
                time_zone=profiles.TIME_ZONE,
                currency=profiles.CURRENCY,
                recorded_stages=list(Stage.values),
                member_attributes=list(profiles.ATTRIBUTES),
                reporting_attributes=list(profiles.REPORT_BY),
                is_demo=True,
                actor="system",
                at=plan.started_at,
            )
            after = {"now": plan.now.isoformat(), "seed": plan.seed, "event_count": plan.event_count}
            audit.record(program_id=program.pk, actor="system", action=BEGUN, row=program, at=plan.now, after=after)
            return program, plan
    row = AuditEvent.objects.get(program_id=program.pk, action=BEGUN)
    kept = row.after or {}
    return program, Plan(datetime.fromisoformat(kept["now"]), kept["seed"], kept["event_count"])


def is_finished(program: Program) -> bool:
    """Whether a program was seeded to its end, or was there before and is nobody's demo."""
    rows = AuditEvent.objects.filter(program_id=program.pk)
    return rows.filter(action=FINISHED).exists() or not (rows.filter(action=BEGUN).exists() or program.code == SAMPLE.code)


def finish(program: Program, at: datetime) -> None:
    """Say that nothing is left to do."""
    with transaction.atomic():
        audit.record(program_id=program.pk, actor="system", action=FINISHED, row=program, at=at)


def seed_catalog(program: Program, rng: Random, plan: Plan, at: datetime) -> list[OfferRow]:
    """Partners, seasonal index, segments, offers and a ranking of one segment; the offers that members can see."""
    bound: dict[str, Any] = {"program_id": program.pk, "actor": "system", "at": at}
    save_partners(rows=catalog.make_partners(started=True), **bound)
    save_partners(rows=catalog.make_partners(started=False), state=PartnerState.PROSPECT, **bound)
    save_seasonal_index(rows=catalog.make_seasonal_index(plan.first_day, local_date(plan.now, profiles.TIME_ZONE)), **bound)
    for code, (name, rule) in profiles.SEGMENTS.items():
        save_segment(code=code, name=name, rule=rule, **bound)
    offers = catalog.make_offers(rng, plan.first_day, started=True)
    save_offers(rows=offers, **bound)
    save_offers(rows=catalog.make_offers(rng, plan.first_day, started=False), state=OfferState.DRAFT, **bound)
    order = order_of(find_ranking(program.pk)).offers
    segment = get_segment(program.pk, profiles.RANKED_SEGMENT)
    save_ranking(
        segment_id=segment.pk, offer_ids=[*order[10:30], *order[:10], *order[30:]], comment="Their favourites first.", **bound
    )
    return offers


def seed_members(program: Program, plan: Plan, members: list[MemberRow], moved: list[MemberRow]) -> None:
    """Save the members, and half-way through the demo the new attributes of those that moved; both or nothing."""
    half_way = plan.started_at + (plan.now - plan.started_at) / 2
    with transaction.atomic():
        if not Member.objects.filter(program=program).exists():
            apply_people(program=program, source="file", rows=members, actor="system", at=plan.started_at)
            apply_people(program=program, source="file", rows=moved, actor="system", at=half_way)


def stop_offers(program: Program, plan: Plan, actor: User) -> None:
    """Pause and retire the offers whose profiles say so."""
    stops = [(code, "pause", days) for code, days in profiles.PAUSED_OFFERS.items()]
    stops += [(code, "retire", days) for code, days in profiles.RETIRED_OFFERS.items()]
    for code, name, days in stops:
        offer = get_offer(program.pk, code)
        if offer.state == OfferState.PUBLISHED:
            at = plan.now - timedelta(days=days)
            change_offer_state(offer_id=offer.pk, name=name, actor=actor, at=at, comment="Hardly used; making room for others.")


def seed_events(program: Program, world: World, plan: Plan, past: Past, progress: Progress) -> None:
    """Record the events day by day, as they arrived, and what was done about partners meanwhile; seal after each full month."""
    sent, month = 0, None
    for day, rows in make_arrivals(world, plan.event_count):
        at = min(datetime.combine(day, time(1, 30), UTC), plan.now) if day < plan.now.date() else plan.now
        for start in range(0, len(rows), EVENTS_AT_ONCE):
            events = [check_event(fields, source="app", at=at) for fields in rows[start : start + EVENTS_AT_ONCE]]
            record_events(program=program, events=events, origin=Origin.FILE, at=at)
        sent += len(rows)
        progress("events", sent, plan.event_count)
        if month != day.month:
            month = day.month
            seal_ledger(program_id=program.pk, at=at)
        correct(past, day)
    seal_ledger(program_id=program.pk, at=plan.now)
