"""
`backtest_rule` over twelve closed months says what replaying each of them with that rule says, computed apart from it.

The replay path takes a closed review as it was frozen, puts one rule in the place of the whole active set, and computes.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command

from partners.models import Program
from plum_site.lib.periods import month_text, next_month, parse_month
from reviews.choices import CycleState
from reviews.rules import RuleSpec, make_cards
from reviews.selectors import read_input
from tests.factories.reviews import IN_JULY, make_reviewable_program, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

FIRST, CLOSED, LED_IN = parse_month("2025-07"), 12, 6  # so many closed months, and so many before them to look back at
PARTNERS = tuple(f"P{number}" for number in range(1, 8))
USUAL = {"views": 120, "unlocks": 40, "activations": 24, "redemptions": 12}
RULES = {
    "fixed": RuleSpec("low", "unlock_rate", "below", "fixed", Decimal("0.2"), 50),
    "category_median": RuleSpec("behind", "unlock_rate", "below", "category_median", Decimal("0.6"), 50),
    "trailing": RuleSpec("fell", "unlock_rate", "below", "trailing", Decimal("0.7"), 50, lookback_months=6),
    "previous": RuleSpec("dropped", "unlocks", "below", "previous", Decimal("0.6"), 20),
    "strict": RuleSpec("strict", "redemption_rate", "above", "fixed", Decimal("0.5"), 10, is_strict=True),
    "in a row": RuleSpec("twice", "unlock_rate", "below", "fixed", Decimal("0.2"), 50, persistence=2),
}


@pytest.fixture(autouse=True)
def in_july() -> Iterator[None]:
    with time_machine.travel(IN_JULY, tick=False):
        yield


def counts_of(partner: str, number: int) -> dict[str, int]:
    """What a partner has in a month: P2 falls for good, P3 for one month, P4 redeems more and more, P5 comes and goes."""
    counts = dict(USUAL)
    if (partner == "P2" and number >= 10) or (partner == "P3" and number == 13):
        counts |= {"unlocks": 6, "activations": 4, "redemptions": 2}
    if partner == "P4":
        counts["redemptions"] = min(24, 6 + number)
    if partner == "P5" and number % 4 == 3:
        counts = {"views": 30, "unlocks": 2}
    return counts


@pytest.fixture
def program() -> Program:
    """Eighteen months of seven partners, of which the last twelve are closed with the rules that a program starts with."""
    program = make_reviewable_program(*PARTNERS)
    months = [next_month(FIRST, number - LED_IN) for number in range(LED_IN + CLOSED)]
    for number, month in enumerate(months):
        record_month(program, month_text(month), {partner: counts_of(partner, number) for partner in PARTNERS})
    for month in months[LED_IN:]:
        reviewed(program, month, CycleState.CLOSED)
    return program


def replay_with(program: Program, rule: RuleSpec) -> list[dict[str, Any]]:
    """Every closed review computed again with this rule alone: month, partners, and what it flags."""
    found = []
    for cycle in program.cycles.filter(state=CycleState.CLOSED).order_by("month_start_date"):
        frozen = {**cycle.config, "rules": [rule.as_json()], "cooling": []}
        cards = make_cards(read_input(program, frozen, cycle.cutoff))
        flags = [
            {"partner": card.partner, "observed": flag.observed, "threshold": flag.threshold}
            for card in sorted(cards, key=lambda card: card.partner)
            for flag in card.flags
        ]
        found.append({"month": month_text(cycle.month_start_date), "partners": len(cards), "flags": flags})
    return found


def by_command(folder: Path, rule: RuleSpec) -> list[dict[str, Any]]:
    """What `backtest_rule` prints of the same, in the same form."""
    file, out = folder / "rule.json", StringIO()
    parts = {name: value for name, value in rule.as_json().items() if name not in ("digest", "code")}
    file.write_text(json.dumps({**parts, "threshold": float(rule.threshold)}), encoding="utf-8")
    words = ("--program", "acme", "--rule", rule.code, "--file", str(file), "--cycles", str(CLOSED))
    call_command("backtest_rule", *words, "--format", "json", stdout=out, stderr=StringIO())
    said = json.loads(out.getvalue())
    assert said["rule"] == rule.as_json()
    return [
        {
            "month": month["month"],
            "partners": month["partners"],
            "flags": [{name: flag[name] for name in ("partner", "observed", "threshold")} for flag in month["flagged"]],
        }
        for month in said["months"]
    ]


def test_a_back_test_of_a_year_equals_replaying_each_month_with_the_rule(program: Program, tmp_path: Path) -> None:
    for kind, rule in RULES.items():
        told, again = by_command(tmp_path, rule), replay_with(program, rule)

        assert told == again, kind
        assert len(told) == CLOSED, kind
        flagged = sum(len(month["flags"]) for month in again)
        assert 0 < flagged < CLOSED * len(PARTNERS), f"{kind}: {flagged} flags show nothing"
