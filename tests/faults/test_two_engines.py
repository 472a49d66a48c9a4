"""The same steps on SQLite and on PostgreSQL give the same answers and the same ledger, rollups, figures and review (P3)."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.checker import call
from tests.faults.lab import Lab

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]


def compare(make_lab: Callable[[str], Lab], seeds: list[int], steps: int) -> list[dict[str, Any]]:
    """What each seed says on either engine, once both have said the same."""
    said = {}
    for engine in ("sqlite", "postgresql"):
        printed = call(make_lab(engine), "perform", seeds, steps, module="script")
        said[engine] = [json.loads(line) for line in printed.splitlines()]
    for one, other in zip(said["sqlite"], said["postgresql"], strict=True):
        assert one == other, f"seed {one['seed']}"
    return said["sqlite"]


def expect_variety(told: list[dict[str, Any]]) -> None:
    """Steps that are all refused, or all alike, would compare nothing."""
    answers = [answer for seed in told for answer in seed["answers"]]
    statuses = {answer["status"] for answer in answers}
    outcomes = {name for answer in answers for name in ("accepted", "duplicate", "conflict", "rejected") if answer.get(name)}
    assert statuses >= {200, 207, 400, 422}, statuses
    assert outcomes == {"accepted", "duplicate", "conflict", "rejected"}
    assert all(seed["events"] > 50 for seed in told)


def test_both_engines_say_and_keep_the_same(make_lab: Callable[[str], Lab]) -> None:
    expect_variety(compare(make_lab, [1, 2, 3], 40))


@pytest.mark.long
def test_both_engines_say_and_keep_the_same_over_many_seeds(make_lab: Callable[[str], Lab]) -> None:
    first = int(os.environ.get("PLUM_SEED", "100"))

    expect_variety(compare(make_lab, list(range(first, first + 40)), 100))
