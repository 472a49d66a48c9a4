"""A program in which one partner falls and is corrected for one segment: what a lab is asked to make, and what members do."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from activity.services import MemberRow, Person, apply_people
from offers.services import publish_listing
from plum_site.lib.choices import Role
from reviews.choices import ActionKind
from reviews.rules.actions import PlaybookLine
from reviews.services.actions import save_playbook
from tests.factories.flags import make_watched_program
from tests.factories.offers import make_segment
from tests.factories.people import make_member_of_staff
from tests.factories.tokens import make_token

CODE, FALLEN, SEGMENT = "acme", "P4", "north"
PARTNERS = {"P1": "Corner Bakery", "P2": "Paper & Ink", "P3": "Lumen Cinema", FALLEN: "Iron Gym"}
IN_JUNE, IN_JULY, IN_AUGUST = (datetime(2026, month, day, 9, tzinfo=UTC) for month, day in ((6, 25), (7, 22), (8, 4)))
BEGUN = datetime(2025, 12, 1, tzinfo=UTC)
MONTHS = ("2025-12", "2026-01", "2026-02", "2026-03", "2026-04", "2026-05")
UNITS = (SEGMENT, "south", "west")
MEMBERS = 60
Counts = Mapping[str, int]
# In each unit, in each month.
USUAL: Counts = {"viewed": 150, "unlocked": 60, "activated": 40, "redeemed": 20}
FELL: Counts = {"viewed": 150, "unlocked": 60, "activated": 6, "redeemed": 2}
BETTER: Counts = {"viewed": 150, "unlocked": 130, "activated": 90, "redeemed": 50}


def prepare(at: str) -> None:
    """The program, its people and its playbook; prints the tokens of the shop and of whoever reads."""
    instant = datetime.fromisoformat(at)
    program = make_watched_program(*PARTNERS, code=CODE, at=BEGUN, time_zone="UTC", name="Acme Rewards")
    for partner in program.partners.all():
        partner.name = PARTNERS[partner.external_id]
        partner.save()
        publish_listing(offer_id=partner.offers.get().pk, title=f"10 % off at {partner.name}", actor="system", at=BEGUN)
    rows = [MemberRow(Person(f"M{number}"), {"business_unit": UNITS[number % len(UNITS)]}) for number in range(MEMBERS)]
    apply_people(program=program, source="file", rows=rows, actor="system", at=BEGUN)
    make_segment(program, SEGMENT, values=(SEGMENT,))
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    lines = [PlaybookLine("", ActionKind.RERANK, params={"how": "top"})]
    save_playbook(program_id=program.pk, lines=lines, actor=anna, at=instant)
    life = {"at": instant, "expires_at": instant + timedelta(days=90)}
    shop = make_token(program, "events:write", name="shop", **life)[1]
    reader = make_token(program, "reviews:read", "catalog:read", name="reader", **life)[1]
    print(json.dumps({"shop": shop, "reader": reader}))


def happen(month: str, partner: str, counts: Mapping[str, Counts]) -> Iterator[dict[str, Any]]:
    """What the members of each unit did with a partner's offer in one month, as the shop tells it."""
    for unit, numbers in counts.items():
        first = UNITS.index(unit)
        for kind, count in numbers.items():
            for number in range(count):
                yield {
                    "specversion": "1.0",
                    "id": f"{month}-{partner}-{unit}-{kind}-{number}",
                    "source": "urn:acme:shop",
                    "type": f"offer.{kind}.v1",
                    "time": f"{month}-{10 + number % 10}T10:{number // 60 % 60:02d}:{number % 60:02d}Z",
                    "data": {
                        "member": {"external_id": f"M{first + len(UNITS) * (number % (MEMBERS // len(UNITS)))}"},
                        "offer": f"O-{partner}",
                    },
                }


def before_the_fall() -> Iterator[dict[str, Any]]:
    """Half a year as usual, and June of all partners but one."""
    for month in MONTHS:
        for partner in PARTNERS:
            yield from happen(month, partner, dict.fromkeys(UNITS, USUAL))
    yield from _others("2026-06")


def the_fall() -> Iterator[dict[str, Any]]:
    """June of the one that falls."""
    yield from happen("2026-06", FALLEN, dict.fromkeys(UNITS, FELL))


def after_the_correction() -> Iterator[dict[str, Any]]:
    """July: better where it was corrected, and as usual elsewhere."""
    yield from _others("2026-07")
    yield from happen("2026-07", FALLEN, {unit: BETTER if unit == SEGMENT else USUAL for unit in UNITS})


def _others(month: str) -> Iterator[dict[str, Any]]:
    for partner in PARTNERS:
        if partner != FALLEN:
            yield from happen(month, partner, dict.fromkeys(UNITS, USUAL))
