"""The intervals that a rate and a number certainly lie in."""

import pytest

from reviews.rules import count_interval, rate_interval


@pytest.mark.parametrize(
    ("numerator", "denominator", "low", "high"),
    [
        (0, 12, 0.0, 0.428571429),
        (0, 200, 0.0, 0.043062201),
        (5, 50, 0.028911379, 0.293122519),
        (30, 20, 0.873163748, 2.576836252),
    ],
)
def test_rate_intervals(numerator: int, denominator: int, low: float, high: float) -> None:
    assert [round(end, 9) for end in rate_interval(numerator, denominator, 3.0)] == [low, high]


def test_count_intervals() -> None:
    assert [round(end, 9) for end in count_interval(0, 3.0)] == [0.0, 9.0]
    assert [round(end, 9) for end in count_interval(9, 3.0)] == [3.437694101, 23.562305899]
