"""
A ledger for benchmarks, recorded by the services that record every other one.

Nothing is drawn by chance: the n-th event is worked out from n, so the same arguments give the same ledger.
"""

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID

from activity.choices import Kind, Origin, Status
from activity.rules import IncomingEvent
from activity.services import record_events, seal_ledger
from activity.services.loading import NewProgram, load_folder
from partners.models import Program

PARTNERS, OFFERS, AT_ONCE = 300, 3000, 8192
UNITS, REGIONS = 6, 4  # 24 attribute sets
OFFER_TYPES = ("discount", "cashback", "voucher", "points", "gift")
SEAL_EVERY = 64  # batches
# Of 1,000 events: so many of each kind and status, and whether they carry money. The funnel of the data by which the goals
# were set: 76, 15, 7 and 2 of 100.
MIX = (
    (760, Kind.VIEWED, Status.CONFIRMED, False),
    (150, Kind.UNLOCKED, Status.CONFIRMED, False),
    (70, Kind.ACTIVATED, Status.CONFIRMED, False),
    (16, Kind.REDEEMED, Status.CONFIRMED, True),
    (3, Kind.REDEEMED, Status.FAILED, False),
    (1, Kind.REDEEMED, Status.REVERSED, True),
)
KINDS = [(kind, status, pays) for share, kind, status, pays in MIX for _ in range(share)]
MASK = 2**64 - 1


def scatter(number: int) -> int:
    """64 bits that look like chance and are none (the finaliser of SplitMix64)."""
    value = (number + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def pick_offer(bits: int) -> int:
    """An offer by 24 bits. Few are popular: a hundredth of the offers has a tenth of the events, a tenth has a third."""
    return int(bits**2 * OFFERS >> 48)


def list_events(*, events: int, starts: date, days: int, members: int) -> Iterator[IncomingEvent]:
    """The events, in the order of their time."""
    begin = datetime.combine(starts, time(), UTC)
    step = timedelta(days=days) / events
    for number in range(events):
        bits = scatter(number)
        other = scatter(bits)
        kind, status, pays = KINDS[other % len(KINDS)]
        occurred_at = begin + number * step
        milliseconds = int(occurred_at.timestamp() * 1000)
        stamp = (milliseconds << 80) | (7 << 76) | ((bits & 0xFFF) << 64) | (2 << 62) | (other >> 2)
        yield IncomingEvent(
            event_id=str(UUID(int=stamp)),
            source="bench",
            occurred_at=occurred_at,
            kind=kind,
            status=status,
            member=f"M{(bits >> 8) % members}",
            offer=f"O{pick_offer((bits >> 40) & 0xFFFFFF)}",
            reason_code="declined" if status == Status.FAILED else None,
            spend_minor=100 + (bits >> 20) % 20_000 if pays else None,
            spend_currency="EUR" if pays else None,
            transaction_ref=f"T{number}" if pays else None,
            medium="app" if bits & 64 else "web",
            position=1 + (bits >> 52) % 40 if kind == Kind.VIEWED and bits & 128 else None,
        )


def make_ledger(
    *, events: int, code: str, starts: date, days: int, members: int, folder: Path, say: Callable[[str], None]
) -> Program:
    """A program with its catalog, its members and its events, all sealed."""
    at = datetime.combine(starts + timedelta(days=days), time(12), UTC)
    program = make_stocked(code=code, members=members, folder=folder, at=at)
    waiting = list_events(events=events, starts=starts, days=days, members=members)
    recorded = 0
    for number, rows in enumerate(iter(lambda: list(islice(waiting, AT_ONCE)), []), start=1):
        record_events(program=program, events=rows, origin=Origin.FILE, at=at, wakes_sealer=False, strict=True)
        recorded += len(rows)
        if number % SEAL_EVERY == 0:
            seal_ledger(program_id=program.pk, at=at)
            say(f"{code}: {recorded:,} of {events:,} events")
    seal_ledger(program_id=program.pk, at=at)
    program.refresh_from_db()
    return program


def make_stocked(*, code: str, members: int, folder: Path, at: datetime) -> Program:
    """A program with its catalog and its members, and no events yet."""
    catalog = folder / f"catalog-{code}"
    write_catalog(catalog, members)
    wanted = NewProgram(
        code=code,
        time_zone="UTC",
        currency="EUR",
        report_by=["business_unit", "region"],
        minimum_group=1,
        extra={"is_demo": True},  # made with a history at once, so no month of it waits for a review
    )
    load_folder(folder=catalog, new_program=wanted, actor="system", at=at)
    return Program.objects.get(code=code)


def write_catalog(folder: Path, members: int) -> None:
    """The canonical folder of the program, without events."""
    folder.mkdir(parents=True)
    tables: dict[str, tuple[list[str], Iterator[list[str]]]] = {
        "partners": (
            ["external_id", "name", "category", "country"],
            ([f"P{n}", f"Partner {n}", f"category{n % 12}", ("DE", "FR", "IT", "ES")[n % 4]] for n in range(PARTNERS)),
        ),
        "offers": (
            ["external_id", "partner_external_id", "title", "offer_type"],
            ([f"O{n}", f"P{n % PARTNERS}", f"Offer {n}", OFFER_TYPES[n % len(OFFER_TYPES)]] for n in range(OFFERS)),
        ),
        "members": (
            ["external_id", "business_unit", "region"],
            ([f"M{n}", f"unit{n % UNITS}", f"region{n // UNITS % REGIONS}"] for n in range(members)),
        ),
        "events": (["event_id", "occurred_at", "kind", "member", "offer"], iter(())),
    }
    for name, (header, rows) in tables.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)
