"""Figures of a partner as the metric layer gives them, and the worked tables of docs/rules."""

import re
from pathlib import Path
from typing import Any

from activity.choices import Kind, Status
from activity.metrics import Tally, measure

ROOT = Path(__file__).resolve().parents[2]
ALL_STAGES = ["impression", "viewed", "unlocked", "activated", "redeemed"]
KINDS = {
    "impressions": Kind.IMPRESSION,
    "views": Kind.VIEWED,
    "unlocks": Kind.UNLOCKED,
    "activations": Kind.ACTIVATED,
    "redemptions": Kind.REDEEMED,
}


def figures(stages: list[str] | None = None, **counts: Any) -> dict[str, Any]:
    """Every metric for some counts; attempts, where given, are made up with failed unlocks and confirmed ones."""
    tally = Tally(members={}, eligible=0, funnel=[])
    if "attempts" in counts:
        counts["unlocks"] = counts.pop("attempts") - counts.get("failures", 0)
    tally.add_events(Kind.UNLOCKED, Status.FAILED, counts.pop("failures", 0))
    tally.add_events(Kind.REDEEMED, Status.REVERSED, counts.pop("reversals", 0))
    for name, kind in KINDS.items():
        tally.add_events(kind, Status.CONFIRMED, counts.pop(name, 0))
    return measure(tally, stages or ALL_STAGES, settled=Tally(), program=Tally()) | counts


def read_table(document: str, heading: str) -> list[dict[str, str]]:
    """The first table below a heading of docs/rules/`document`, row by row."""
    text = (ROOT / "docs/rules" / document).read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    head, rows = lines[0], lines[2:]
    names = [cell.strip() for cell in head.strip("|").split("|")]
    return [dict(zip(names, (cell.strip() for cell in row.strip("|").split("|")), strict=True)) for row in rows]


def read_counts(text: str) -> dict[str, int] | None:
    """ "unlocks 30, views 300" as counts; "–" is no figures at all."""
    return None if text == "–" else {name: int(number) for name, number in re.findall(r"(\w+) (\d+)", text)}


def read_number(text: str) -> float:
    """A number of a table, with its typographic minus."""
    return float(text.replace("−", "-"))
