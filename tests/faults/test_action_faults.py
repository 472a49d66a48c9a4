"""
Workers die at every step of carrying out a corrective action of any kind, and of the job around it; two of them do the same
at once: it is carried out once.

Places are read from the code and kinds from `tests.factories.action_kinds`, so that a new one is tried without a line here.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest

from plum_site.lib.crashpoints import STATUS
from tests.factories.action_kinds import KINDS
from tests.faults.actions import CODE
from tests.faults.checker import call, call_at_once
from tests.faults.figures import Figures
from tests.faults.lab import Lab, wait_for
from tests.faults.points import list_points

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

NOW, LATER = datetime(2026, 7, 22, 9, 30, tzinfo=UTC), timedelta(hours=3)
IN_JOB = ("job.after_claim", "job.after_effect", "job.after_mark")  # those that the process which carries it out comes by
KEPT = {"action.committed", "job.after_effect", "job.after_mark"}  # what was done before stands
ONCE, NEVER = [1, 1], [0, 0]
WORKERS, MESSAGES, EACH = ("worker", "second"), 4, 6


def names() -> list[str]:
    """Every place of an execution, and of the job that it is."""
    return [*(point.name for point in list_points("action")), *IN_JOB]


def done(lab: Lab) -> dict[str, list[int]]:
    """How often the effect of each action stands there, and how often it was finished; by kind and number."""
    found: dict[str, list[int]] = json.loads(call(lab, "count", module="actions"))
    return found


def verify(lab: Lab) -> None:
    """`verify actions` finds nothing, and has looked at these."""
    checked = lab.manage("verify", "actions", check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert CODE in checked.stdout


def test_an_action_of_any_kind_is_carried_out_once_wherever_the_worker_dies(both: Lab, figures: Figures) -> None:
    points = names()
    assert len(points) >= 7, "too few to speak of every step"
    all_of_them = [f"{kind}-{number}" for kind in KINDS for number in range(len(points))]
    call(both, "approve", len(points), NOW.isoformat(), module="actions")
    figures.tried("crash points", len(all_of_them))

    ended, counted = map(json.loads, call(both, "die", points, NOW.isoformat(), module="actions").splitlines())

    assert ended == dict.fromkeys(all_of_them, STATUS)
    assert counted == {
        f"{kind}-{number}": ONCE if point in KEPT else NEVER for kind in KINDS for number, point in enumerate(points)
    }
    again = [(NOW + times * LATER).isoformat() for times in (1, 2)]
    assert json.loads(call(both, "take_up", again, module="actions")) == dict.fromkeys(all_of_them, ONCE)
    figures.survived(len(all_of_them))
    verify(both)


def test_two_workers_at_once_carry_out_an_action_of_any_kind_once(both: Lab, figures: Figures) -> None:
    """Half of them past their jobs, by two processes in the same instant; the others by workers that are told again and again."""
    call(both, "approve", 2 * EACH, NOW.isoformat(), module="actions")
    first, second = list(range(EACH)), list(range(EACH, 2 * EACH))
    figures.tried("workers at once", 2 * EACH * len(KINDS))

    call_at_once(both, "race", first, NOW.isoformat(), module="actions")
    assert done(both) == {f"{kind}-{number}": ONCE if number in first else NEVER for kind in KINDS for number in range(2 * EACH)}

    both.start_broker()
    for name in WORKERS:
        both.start_worker(name)
    wait_for(lambda: all("ready." in both.log(name) for name in WORKERS), "two workers", 90)
    call(both, "wake", second, MESSAGES, module="actions")
    messages = MESSAGES * EACH * len(KINDS)
    wait_for(
        lambda: sum(both.log(name).count(" succeeded in ") for name in WORKERS) >= messages,
        lambda: f"{messages} messages: {[both.log(name)[-1000:] for name in WORKERS]}",
        90,
    )
    assert all(" succeeded in " in both.log(name) for name in WORKERS), "both of them took part"
    assert done(both) == {f"{kind}-{number}": ONCE for kind in KINDS for number in range(2 * EACH)}
    figures.survived(2 * EACH * len(KINDS))
    verify(both)
