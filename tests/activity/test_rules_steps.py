"""The way of a member through one offer: gaps, order, and which reversal takes back what."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activity.rules.steps import follow_steps, link_reversals

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ORDER = ["viewed", "unlocked", "activated", "redeemed"]


def times(**hours: float) -> dict[str, datetime]:
    """Stages and how many hours after noon each first happened."""
    return {stage: NOON + timedelta(hours=after) for stage, after in hours.items()}


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        (times(), []),
        (times(viewed=0), [("viewed", False, None)]),
        (times(viewed=0, unlocked=2), [("viewed", False, None), ("unlocked", False, 2)]),
        (times(viewed=0, activated=5), [("viewed", False, None), ("unlocked", True, None), ("activated", False, 5)]),
        (times(redeemed=0), [*((stage, True, None) for stage in ORDER[:3]), ("redeemed", False, None)]),
        (times(viewed=3, unlocked=0), [("viewed", False, None), ("unlocked", False, -3)]),
        (times(viewed=0, impression=-1), [("viewed", False, None), ("impression", False, -1)]),
    ],
)
def test_steps_up_to_the_furthest(reached: dict[str, datetime], expected: list[Any]) -> None:
    order = ORDER if "impression" not in reached else ["viewed"]
    steps = follow_steps(reached, order)
    hours = [None if step.after is None else step.after / timedelta(hours=1) for step in steps]
    assert [(step.stage, step.is_missing, wait) for step, wait in zip(steps, hours, strict=True)] == expected
    assert [step.is_out_of_order for step in steps] == [wait is not None and wait < 0 for wait in hours]


def happened(event_id: str, status: str = "confirmed", kind: str = "redeemed", **fields: Any) -> dict[str, Any]:
    """One entry of a timeline."""
    absent = {"source": "shop", "offer": "O1", "reverses": None, "transaction_ref": None}
    return {"event_id": event_id, "kind": kind, "status": status, **absent, **fields}


@pytest.mark.parametrize(
    ("events", "links"),
    [
        ([happened("a"), happened("b", "reversed", reverses="a")], {1: 0}),
        ([happened("b", "reversed", reverses="a"), happened("a")], {0: 1}),
        ([happened("a", source="app"), happened("a"), happened("b", "reversed", reverses="a")], {2: 1}),
        ([happened("a"), happened("b", "reversed", reverses="z")], {}),
        ([happened("a"), happened("b", "reversed")], {}),
        ([happened("a", transaction_ref="T1"), happened("b", "reversed", transaction_ref="T1")], {1: 0}),
        ([happened("a", transaction_ref="T1", offer="O2"), happened("b", "reversed", transaction_ref="T1")], {}),
        (
            [
                happened("a", transaction_ref="T1"),
                happened("b", transaction_ref="T1"),
                happened("c", "reversed", transaction_ref="T1"),
                happened("d", "reversed", transaction_ref="T1"),
            ],
            {2: 1, 3: 0},
        ),
        ([happened("a", kind="activated"), happened("b", "reversed", reverses="a")], {}),
        ([happened("a", "failed"), happened("b", "reversed", reverses="a")], {}),
    ],
)
def test_reversals_are_tied_to_what_they_take_back(events: list[dict[str, Any]], links: dict[int, int]) -> None:
    assert link_reversals(events) == links
