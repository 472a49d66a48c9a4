"""A busy quarter: three partners, four offers, twelve members of whom one moves, and events of every kind in any order."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

from activity.selectors import summarise
from activity.services import MemberRow, Person, apply_people, seal_ledger
from partners.models import Program
from tests.factories.ledger import RECORDED_AT, record
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import CREATED_AT, make_program
from tests.support.counting import instant, month_of

APRIL, JUNE, JULY = date(2026, 4, 1), date(2026, 6, 1), date(2026, 7, 1)
STAGES = ["viewed", "unlocked", "activated", "redeemed"]
MOVED_AT = datetime(2026, 5, 14, 22, 30, tzinfo=UTC)
TABLES = {"partner": {"O1": "P1", "O2": "P1", "O3": "P2", "O4": "P3"}}
CATEGORY, COUNTRY = {"P1": "food", "P2": "travel", "P3": "food"}, {"P1": "DE", "P2": "FR", "P3": ""}
OFFER_TYPE = {"O1": "discount", "O2": "cashback", "O3": "discount", "O4": "points"}


def make_people() -> dict[str, dict[str, str]]:
    """Twelve members, some of whom nothing is known."""
    return {
        f"M{number}": {
            "business_unit": ("cards", "loans", "")[number % 3],
            "region": ("north", "south")[number % 2],
            "country": ("DE", "FR", "PL", "")[number % 4],
        }
        for number in range(12)
    }


def make_events(seed: int) -> list[dict[str, str]]:
    """Two hundred and fifty events over three months, many at a boundary, of every kind and status."""
    chance = random.Random(seed)
    start, events = datetime(2026, 4, 1, tzinfo=UTC), []
    for number in range(250):
        kind = chance.choice(["impression", *STAGES, "viewed", "viewed", "unlocked"])
        statuses = {
            "impression": ["confirmed"],
            "viewed": ["confirmed"],
            "redeemed": ["confirmed", "confirmed", "failed", "reversed"],
        }
        at = start + timedelta(hours=chance.randrange(24 * 91))
        row = {
            "event_id": f"e{number}",
            "occurred_at": at.isoformat(),
            "kind": kind,
            "status": chance.choice(statuses.get(kind, ["confirmed", "confirmed", "failed"])),
            "member": f"M{chance.randrange(12)}",
            "offer": chance.choice(["O1", "O2", "O3", "O4"]),
            "source": chance.choice(["shop", "app"]),
        }
        if kind == "redeemed" and chance.random() < 0.8:
            currency = chance.choice(["EUR", "JPY"])
            row |= {"spend_amount": str(chance.randrange(100)), "spend_currency": currency}
        if kind == "redeemed" and chance.random() < 0.5:
            row |= {"reward_cost_amount": f"{chance.randrange(9)}.5", "reward_cost_currency": "EUR"}
        events.append(row)
    return events


def make_quarter(seed: int, **settings: Any) -> tuple[Program, list[dict[str, str]]]:
    """Three partners, four offers, twelve members of whom M0 moves in May, and the events recorded in shuffled batches."""
    program = make_program(**({"minimum_group": 1, "recorded_stages": ["impression", *STAGES]} | settings))
    for partner, category in CATEGORY.items():
        make_partner(program, partner, category=category, country=COUNTRY[partner])
    for offer, offer_type in OFFER_TYPE.items():
        make_offer(program, offer, partner_external_id=TABLES["partner"][offer], offer_type=offer_type)
    people = make_people()
    rows = [MemberRow(Person(name), values) for name, values in people.items()]
    apply_people(program=program, source="file", rows=rows, actor="system", at=CREATED_AT)
    moved = MemberRow(Person("M0"), people["M0"] | {"region": "west", "country": "CH"})
    apply_people(program=program, source="file", rows=[moved], actor="system", at=MOVED_AT)
    program.refresh_from_db()
    events = make_events(seed)
    shuffled = list(events)
    random.Random(seed + 1).shuffle(shuffled)
    for start in range(0, len(shuffled), 50):
        record(program, shuffled[start : start + 50])
        if start < 150:
            seal_ledger(program_id=program.pk, at=RECORDED_AT)
    return program, events


def label(event: dict[str, str], name: str) -> str:
    """The value of one dimension of an event, looked up in the plain tables above."""
    partner = TABLES["partner"][event["offer"]]
    if name in ("business_unit", "region", "member.country"):
        attributes = make_people()[event["member"]]
        if event["member"] == "M0" and instant(event) >= MOVED_AT:
            attributes |= {"region": "west", "country": "CH"}
        return attributes[name.removeprefix("member.")]
    return {
        "month": month_of(event, "Europe/Berlin"),
        "partner": partner,
        "category": CATEGORY[partner],
        "country": COUNTRY[partner],
        "offer_type": OFFER_TYPE[event["offer"]],
        "offer": event["offer"],
        "source": event["source"],
    }[name]


def rows_by(program: Program, by: list[str], **options: Any) -> dict[tuple[str, ...], dict[str, Any]]:
    """The rows of a quarter by their key."""
    period = {"starts_date": APRIL, "ends_date": JULY} | options
    return {tuple(row[name] for name in by): row for row in summarise(program=program, by=by, **period).rows}
