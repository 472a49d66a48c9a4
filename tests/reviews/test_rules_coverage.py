"""Gaps: the worked table of docs/rules/coverage.md."""

import pytest

from reviews.rules import EVENTS, LIVE, Outcome, find_gaps
from tests.reviews.figures import read_table

REQUIRED = {"A": {LIVE, EVENTS}, "B": {LIVE}, "C": {EVENTS}}


@pytest.mark.parametrize(
    "row", read_table("coverage.md", "Worked table"), ids=lambda row: f"{row['state']} {row['scorecards']} {row['decided']}"
)
def test_worked_table(row: dict[str, str]) -> None:
    outcomes = [Outcome(partner, partner in row["decided"].split()) for partner in row["scorecards"].split()]

    gaps = find_gaps("2026-06", row["state"], REQUIRED, outcomes)

    assert [gap.partner for gap in gaps] == [partner for partner in row["gaps"].split() if partner != "none"]


def test_a_gap_says_why_the_partner_was_due() -> None:
    gaps = find_gaps("2026-06", "ready", REQUIRED, [])

    assert [str(gap) for gap in gaps] == [
        "2026-06: partner A had a live offer and had events, and has no scorecard",
        "2026-06: partner B had a live offer, and has no scorecard",
        "2026-06: partner C had events, and has no scorecard",
    ]
