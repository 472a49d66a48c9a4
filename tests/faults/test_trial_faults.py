"""
Processes die at every step of starting a trial of a replacement and of each way in which it ends, and two start the same one at
once: a step is whole or not at all, and who takes it again finds it undone or done.

The places are read from the code, so that a new one is tried without a line here. Each has a replacement of its own.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plum_site.lib.crashpoints import STATUS
from tests.faults.checker import call, call_at_once
from tests.faults.figures import Figures
from tests.faults.lab import Lab
from tests.faults.points import list_points

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

NOW, LATER = datetime(2026, 7, 22, 9, 30, tzinfo=UTC), timedelta(hours=3)
STARTS = ("trial.started", "trial.brought_in")
BY_HAND = ("trial.ended",)  # passed where the trial alone is ended; the other places where anything ends it
RACES = 3

BOTH_ARMS_OLD = [[], ["R"]]
DONE: dict[str, dict[str, Any]] = {
    "start": {
        "state": "trialling",
        "steps": ["start_trial"],
        "offers": ["published", "published"],
        "successor": "active",
        "trials": [True],
        "audited": 1,
        "mails": [0, 1],
        "shown": [["S"], ["R"]],
    },
    "end": {
        "state": "approved",
        "steps": ["start_trial", "end_trial"],
        "offers": ["published", "paused"],
        "successor": "paused",
        "trials": [False],
        "audited": 2,
        "mails": [0, 2],
        "shown": BOTH_ARMS_OLD,
    },
}
ENDED = DONE["end"]
DONE["back"] = ENDED | {"state": "agreed", "steps": ["start_trial", "back_to_mapping"]}
DONE["cancel"] = ENDED | {"state": "cancelled", "steps": ["start_trial", "cancel"]}
DONE["fail"] = ENDED | {"state": "mapped", "steps": ["start_trial", "schedule", "fail"], "offers": ["published", "retired"]}
DONE["cut_over"] = ENDED | {
    "state": "cut_over",
    "steps": ["start_trial", "schedule", "cut_over"],
    "offers": ["paused", "published"],
    "successor": "active",
    "mails": [0, 1],
    "shown": [[], ["S"]],
}


def list_deaths() -> list[tuple[str, str]]:
    """Each step with each place that it comes by."""
    trial = [point.name for point in list_points("trial")]
    ending = [point for point in trial if point not in STARTS]
    anyway = [point for point in ending if point not in BY_HAND]
    cutting = [point.name for point in list_points("replacement")]
    assert set(STARTS) | set(BY_HAND) < set(trial), "places that are gone"
    assert len(cutting) >= 6, "too few to speak of every step"
    return [
        *(("start", point) for point in STARTS),
        *(("end", point) for point in ending),
        *((way, point) for way in ("back", "cancel", "fail") for point in anyway),
        *(("cut_over", point) for point in cutting),
    ]


def test_a_step_of_a_trial_is_whole_or_not_at_all_wherever_its_process_dies(both: Lab, figures: Figures) -> None:
    deaths = list_deaths()
    call(both, "make", len(deaths), NOW.isoformat(), module="trials")
    figures.tried("crash points", len(deaths))

    told = json.loads(call(both, "die", deaths, NOW.isoformat(), module="trials"))

    for death, (status, changed) in zip(deaths, told, strict=True):
        assert status == STATUS, death
        assert bool(changed) == (death[1] == "replacement.committed"), f"{death}: {changed}"
    figures.survived(len(deaths))

    call(both, "take_again", deaths, (NOW + LATER).isoformat(), module="trials")

    found = json.loads(call(both, "report", len(deaths), (NOW + LATER).isoformat(), module="trials"))
    assert dict(enumerate(found)) == {number: DONE[way] for number, (way, _point) in enumerate(deaths)}
    checked = both.manage("verify", "actions", check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_two_who_start_a_trial_at_once_start_it_once(both: Lab, figures: Figures) -> None:
    call(both, "make", RACES, NOW.isoformat(), module="trials")
    figures.tried("two at once", RACES)

    started = call_at_once(both, "race", RACES, NOW.isoformat(), module="trials")

    assert sum(map(int, started)) == RACES
    assert json.loads(call(both, "report", RACES, NOW.isoformat(), module="trials")) == [DONE["start"]] * RACES
    figures.survived(RACES)
