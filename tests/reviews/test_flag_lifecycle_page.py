"""The worked table of docs/rules/flag-lifecycle.md, read and carried out."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from reviews.models import FlagCase
from reviews.rules import Crossing, make_cards
from reviews.services import cycles
from tests.factories.flags import RULE, consolidate, make_watched_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
PAGE = Path(__file__).parents[2] / "docs" / "rules" / "flag-lifecycle.md"
AT = datetime(2026, 9, 15, tzinfo=UTC)
MONTHS = {"May": date(2026, 5, 1), "June": date(2026, 6, 1), "July": date(2026, 7, 1)}


def rows() -> list[list[str]]:
    text = PAGE.read_text(encoding="utf-8").partition("## Worked table")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| May")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_has_its_rows() -> None:
    assert len(rows()) == 9


@pytest.mark.parametrize("row", rows(), ids=" / ".join)
def test_as_the_page_says(row: list[str]) -> None:
    shown, ordered, number, state, first, newest = row
    marks = dict(part.strip().split(" ") for part in shown.split(","))
    program = make_watched_program("P1")
    for name in ordered.split(", "):
        mark = marks[name]
        crossing = {"rule": RULE, "metric": "activation_rate", "observed": 0.1, "threshold": 0.4}
        flag = Crossing(RULE, "activation_rate", 0.1, 0.4, is_flag=True, evidence={})

        def make(given: Any, mark: str = mark, flag: Crossing = flag, crossing: dict[str, Any] = crossing) -> Any:
            flags, crossed = ([flag] if mark == "F" else []), ([crossing] if mark == "c" else [])
            return [replace(card, flags=flags, evidence={**card.evidence, "crossed": crossed}) for card in make_cards(given)]

        with patch.object(cycles, "make_cards", make):
            consolidate(program, MONTHS[name], AT)

    last = FlagCase.objects.order_by("-id")[0]
    assert FlagCase.objects.count() == int(number)
    assert (last.state, last.first_month_date, last.newest_month_date) == (state, MONTHS[first], MONTHS[newest])
