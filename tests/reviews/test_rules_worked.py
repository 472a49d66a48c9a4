"""The worked tables of docs/rules/flags.md and docs/rules/diagnosis.md."""

from math import exp

import pytest

from reviews.rules.diagnosis import loss_of
from reviews.rules.evidence import (
    FALSE_DISCOVERIES,
    Expected,
    needed,
    rate_chance,
    rate_evidence,
    volume_chance,
    volume_evidence,
)
from tests.reviews.figures import read_table

WORKED = read_table("flags.md", "Worked table")
LOSSES = read_table("diagnosis.md", "Worked table")
SPENT = read_table("flags.md", "How sure")


@pytest.mark.parametrize("row", WORKED, ids=lambda row: f"{row['seen']} where {row['expected']}")
def test_evidence(row: dict[str, str]) -> None:
    expected = Expected(float(row["expected"]), float(row["worth"]))
    if row["kind"] == "rate":
        numerator, denominator = (int(part) for part in row["seen"].split(" of "))
        log_e = rate_evidence(numerator, denominator, expected, row["direction"])
        doubt = rate_chance(numerator, denominator, expected, row["direction"])
    else:
        log_e = volume_evidence(int(row["seen"]), expected, row["direction"])
        doubt = volume_chance(int(row["seen"]), expected, row["direction"])

    assert (f"{exp(log_e):.4g}", f"{exp(-doubt):.3g}") == (row["e-value"], row["chance"])


@pytest.mark.parametrize("row", LOSSES, ids=lambda row: row["metric"])
def test_losses(row: dict[str, str]) -> None:
    assert loss_of(row["metric"], float(row["observed"]), float(row["expected"])) == float(row["loss"])


def test_five_percent_of_a_month_are_spent_as_written() -> None:
    spent = {
        (level, is_over): float(row[column].removesuffix(" %")) / 100
        for level, row in zip(("whole", "part"), SPENT, strict=True)
        for is_over, column in ((False, "while the month runs"), (True, "once it is over"))
    }

    assert spent == FALSE_DISCOVERIES
    assert sum(FALSE_DISCOVERIES.values()) == pytest.approx(0.05)


def test_what_the_first_and_later_findings_need() -> None:
    assert [f"{exp(-needed(300, rank, 0.02)):.3g}" for rank in (1, 5, 20)] == ["6.67e-05", "0.000333", "0.00133"]
