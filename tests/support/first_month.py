"""The files and events of a program's first month, as a new user would have them: two mistakes are made on purpose."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from plum_site.lib.periods import next_month

ATTRIBUTES = ("business_unit", "country")
MEMBERS = 60
UNITS = ("North", "South", "West")
COUNTRIES = ("DE", "FR", "ES")


@dataclass(frozen=True)
class Brand:
    """One partner and what its one offer is to see in the month: events by kind and status."""

    code: str
    name: str
    category: str
    country: str
    counts: dict[tuple[str, str], int]


FINE = {
    ("viewed", "confirmed"): 240,
    ("unlocked", "confirmed"): 90,
    ("activated", "confirmed"): 60,
    ("redeemed", "confirmed"): 42,
}
POOR = {
    ("viewed", "confirmed"): 240,
    ("unlocked", "confirmed"): 40,
    ("activated", "confirmed"): 28,
    ("redeemed", "confirmed"): 22,
    ("redeemed", "reversed"): 9,
}
BRANDS = (
    Brand("BAKERY", "Corner Bakery", "food", "DE", FINE),
    Brand("BOOKS", "Paper & Ink", "culture", "FR", FINE),
    Brand("CINEMA", "Lumen Cinema", "culture", "ES", FINE),
    Brand("GYM", "Iron Gym", "health", "DE", POOR),
    Brand("SPA", "Still Water Spa", "health", "FR", {}),
)
WRONG_COUNTRY_LINE = 5  # of partners.csv: the country is no ISO code
WRONG_MEMBER_LINE = 4  # of members.csv: the row has no id


def write_partners(path: Path) -> Path:
    """partners.csv; the row of the gym names a country that is none."""
    lines = ["external_id,name,category,country"]
    lines += [f"{b.code},{b.name},{b.category},{'Germany' if b.code == 'GYM' else b.country}" for b in BRANDS]
    assert "Germany" in lines[WRONG_COUNTRY_LINE - 1]
    return write(path / "partners.csv", lines)


def write_partners_mended(path: Path) -> Path:
    """partners.csv as it should have been."""
    return write(path / "partners-mended.csv", write_partners(path).read_text().replace("Germany", "DE").splitlines())


def write_offers(path: Path, month: date) -> Path:
    """offers.csv: one offer each, live from the first day of the month on."""
    lines = ["external_id,partner_external_id,title,offer_type,starts_on,ends_on,rank"]
    lines += [f"{b.code}-10,{b.code},10 % off at {b.name},discount,{month},,{n}" for n, b in enumerate(BRANDS, 1)]
    return write(path / "offers.csv", lines)


def write_members(path: Path) -> Path:
    """members.csv; one row has no id."""
    lines = [f"external_id,{','.join(ATTRIBUTES)}"]
    lines += [f"E{n:03d},{UNITS[n % 3]},{COUNTRIES[n % 3]}" for n in range(MEMBERS)]
    lines[WRONG_MEMBER_LINE - 1] = ",North,DE"
    return write(path / "members.csv", lines)


def write(path: Path, lines: list[str]) -> Path:
    """A CSV file of UTF-8 lines."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def list_events(month: date) -> Iterator[dict[str, Any]]:
    """The month as CloudEvents, on every day of it, because a shop that falls silent is a data gap."""
    number, days = 0, (next_month(month) - month).days
    for brand in BRANDS:
        for (kind, status), count in brand.counts.items():
            for turn in range(count):
                number += 1
                at = datetime(month.year, month.month, 1, 8, tzinfo=UTC) + timedelta(days=turn % days, minutes=number % 600)
                data: dict[str, Any] = {"member": {"external_id": f"E{turn % MEMBERS:03d}"}, "offer": f"{brand.code}-10"}
                if status != "confirmed":
                    data["status"] = status
                if kind == "redeemed":
                    data["spend"] = {"amount": f"{10 + turn % 40}.50", "currency": "EUR"}
                yield {
                    "specversion": "1.0",
                    "id": f"first-month-{number}",
                    "source": "urn:acme:shop",
                    "type": f"offer.{kind}.v1",
                    "time": at.isoformat().replace("+00:00", "Z"),
                    "data": data,
                }


def write_events(path: Path, month: date, at_once: int = 1000) -> list[Path]:
    """The events as JSON batches for curl."""
    events = list(list_events(month))
    files = []
    for start in range(0, len(events), at_once):
        files.append(path / f"events-{len(files) + 1}.json")
        files[-1].write_text(json.dumps(events[start : start + at_once]), encoding="utf-8")
    return files


def count_events(kind: str) -> int:
    """Confirmed events of one kind in the month."""
    return sum(count for brand in BRANDS for key, count in brand.counts.items() if key == (kind, "confirmed"))


def write_one_more(path: Path, month: date) -> Path:
    """One more redemption, for curl."""
    event = next(event for event in list_events(month) if event["type"] == "offer.redeemed.v1")
    file = path / "one-more.json"
    file.write_text(json.dumps([{**event, "id": "first-month-one-more"}]), encoding="utf-8")
    return file
