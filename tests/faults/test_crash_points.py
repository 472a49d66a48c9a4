"""
Processes die at every step from receipt to seal, on both engines, under load: nothing acknowledged is lost or doubled.

The places are read from the code (`tests.faults.points`), so that a new one is tried without a line here.
"""

import random
import re

import pytest

from plum_site.lib.crashpoints import STATUS
from tests.faults.checker import check
from tests.faults.clients import Load
from tests.faults.figures import Figures
from tests.faults.lab import Lab, wait_for
from tests.faults.points import list_points

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

PASSES = {"seal.after_cells": 4}  # places that one transaction passes several times
JOBS = 8
WORDS = {"web": rf"exited with code {STATUS}\b", "worker": rf"exited with 'exitcode {STATUS}'"}


def names(stage: str) -> list[str]:
    """The places of a stage."""
    return [point.name for point in list_points(stage)]


def test_places_are_tried_by_stage() -> None:
    """
    A place of another stage would be tried by none of the tests: here, for `review` in test_evaluation_faults.py, for `action` in
    test_action_faults.py, for `approvals` in test_approval_faults.py, for `push` in test_push_faults.py, for `replacement` and
    `holders` in test_replacement_faults.py, for `trial` in test_trial_faults.py, for `day` in test_day_faults.py.
    """
    stages = ("ingest", "seal", "job", "review", "action", "approvals", "push", "replacement", "holders", "trial", "day")
    tried = {name for stage in stages for name in names(stage)}

    assert {point.name for point in list_points()} == tried
    assert len(tried) >= 29, "too few to speak of every step"


def test_processes_that_die_anywhere_lose_and_double_nothing(both: Lab, twin: Lab, figures: Figures) -> None:
    """Jobs are given up and taken again by other processes meanwhile, which takes them a lease and some sweeps."""
    chance = random.Random(7)
    for name in names("job"):
        both.arm(name, may_pass=1)
    figures.tried("crash points", len(names("job")))
    both.start_all()
    both.plan(JOBS, 0.2)
    with Load(both, both.token, 3) as load:
        load.wait_for_success(0)
        wait_for(lambda: both.count("SELECT COUNT(*) FROM activity_seal") > 0, lambda: f"a seal: {both.log('worker')[-2000:]}")
        for name in [*names("ingest"), *names("seal")]:
            for earlier in range(PASSES.get(name, 1)):
                figures.tried("crash points")
                both.arm(name, earlier if name in PASSES else chance.randrange(3))
                wait_for(lambda name=name: both.has_died(name), lambda name=name: f"somebody to die at {name}: {load.answers}")
                figures.survived(seconds=load.wait_for_success(load.last_success))
    check_jobs(both, figures)

    deaths = {"web": len(names("ingest")), "worker": len(names("seal")) + len(names("job")) + sum(PASSES.values()) - len(PASSES)}
    wait_for(lambda: count_deaths(both) == deaths, lambda: f"{deaths}: {count_deaths(both)} died there, each at once, no other")
    assert set(load.answers) <= {"200", "cut"}, load.bodies[:3]
    check(both, twin, figures)


def check_jobs(lab: Lab, figures: Figures) -> None:
    """Somebody died at every place of a job, and every job was done in the end."""
    wait_for(lambda: all(map(lab.has_died, names("job"))), lambda: f"all to die: {list(lab.points.iterdir())}", 120)
    lab.wait_until_done(120)
    figures.survived(len(names("job")))
    assert sorted(set(lab.effects())) == [f"test.effect:{number}" for number in range(JOBS)]
    died_after_the_effect = 1  # only there is the work of a job begun again that was done: handlers are safe to run twice
    assert len(lab.effects()) <= JOBS + died_after_the_effect


def count_deaths(lab: Lab) -> dict[str, int]:
    """How many processes of web server and worker ended as told, by what gunicorn and Celery say of it."""
    return {name: len(re.findall(pattern, lab.log(name))) for name, pattern in WORDS.items()}
