"""A program with months of events by count, and its reviews brought to the state that is asked for."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from partners.models import Program
from plum_site.lib.models import User
from reviews.choices import CycleState
from reviews.models import ReviewCycle
from reviews.services import close_cycle, consolidate_cycle, decide_by_standing
from tests.factories.ledger import record
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

STAGES = ["viewed", "unlocked", "activated", "redeemed"]
COUNTED = {
    "views": ("viewed", "confirmed"),
    "unlocks": ("unlocked", "confirmed"),
    "activations": ("activated", "confirmed"),
    "redemptions": ("redeemed", "confirmed"),
    "failures": ("activated", "failed"),
    "reversals": ("redeemed", "reversed"),
}
APRIL, MAY, JUNE, JULY = (date(2026, month, 1) for month in (4, 5, 6, 7))
IN_JULY = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
GOOD = {"views": 300, "unlocks": 90, "activations": 60, "redemptions": 40}


def make_reviewable_program(*partners: str, code: str = "acme", **settings: Any) -> Program:
    """A program that records all stages, with partners (P1 and P2 unless named) that have one offer each, live for ever."""
    program = make_program(code, **({"recorded_stages": STAGES} | settings))
    for partner in partners or ("P1", "P2"):
        make_partner(program, partner)
        make_offer(program, f"O-{partner}", partner_external_id=partner)
    program.refresh_from_db()
    return program


def month_of_events(month: str, partner: str, counts: Mapping[str, int], tag: str = "") -> Iterator[dict[str, Any]]:
    """So many events of each kind in the middle of a month, spread over some members."""
    for name, count in counts.items():
        kind, status = COUNTED[name]
        for number in range(count):
            yield {
                "event_id": f"{tag}{month}-{partner}-{name}-{number}",
                "occurred_at": f"{month}-{10 + number % 10}T10:00:{number % 60:02d}Z",
                "kind": kind,
                "status": status,
                "member": f"M{number % 50}",
                "offer": f"O-{partner}",
            }


def record_month(
    program: Program, month: str, counts: Mapping[str, Mapping[str, int]], tag: str = "", at: datetime = IN_JULY
) -> None:
    """Events of one month by partner."""
    events = [event for partner in counts for event in month_of_events(month, partner, counts[partner], tag)]
    assert record(program, events, at=at).accepted == len(events)


def reviewed(program: Program, month: date = JUNE, state: str = CycleState.READY, at: datetime = IN_JULY) -> ReviewCycle:
    """The review of a month, led to `state` by the services: consolidated, frozen by hand, decided by standing, closed."""
    cycle = consolidate_cycle(
        program_id=program.pk, month_start_date=month, actor="system", at=at, by_hand=state != CycleState.OPEN
    )
    if state == CycleState.CLOSED:
        person, _ = User.objects.get_or_create(username="closer")
        decide_by_standing(cycle_id=cycle.pk, actor=person, at=at)
        cycle = close_cycle(cycle_id=cycle.pk, actor=person, at=at)
    cycle.refresh_from_db()
    return cycle
