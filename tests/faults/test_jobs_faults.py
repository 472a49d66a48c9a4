"""Jobs survive what kills their workers, their broker and their scheduler: done once each, none lost (F02 to F07, F19)."""

import random
import time

import pytest

from tests.faults.lab import LEASE_SECONDS, Lab, wait_for

pytestmark = pytest.mark.faults

SWEEP_SECONDS = 10
PATIENCE = 2 * (SWEEP_SECONDS + LEASE_SECONDS) + 20  # a sweep, a lease, and again; the rest for a busy machine


@pytest.mark.long  # the short form is the crash points of jobs (test_crash_points.py)
def test_workers_killed_in_the_middle_of_jobs_lose_none_and_double_none(lab: Lab) -> None:
    """kill -9 of worker and beat, again and again, each time while a job runs."""
    lab.start_broker()
    lab.plan(6, 0.8)
    killed_in_the_middle = 0
    for number in range(3):
        lab.start_beat()
        lab.start_worker()
        begun = len(lab.starts())
        wait_for(lambda begun=begun: len(lab.starts()) > begun, lambda: f"a job to begin: {lab.log('worker')[-1000:]}", PATIENCE)
        time.sleep(random.Random(number).uniform(0.1, 0.6))
        running = lab.count("SELECT COUNT(*) FROM plum_job WHERE state = 'running'")
        lab.kill("worker")
        lab.kill("beat")
        killed_in_the_middle += running > 0
    lab.start_beat()
    lab.start_worker()

    lab.wait_until_done(PATIENCE + 30)

    assert killed_in_the_middle >= 2
    assert sorted(lab.effects()) == [f"test.effect:{number}" for number in range(6)]
    assert len(lab.starts()) > len(lab.effects()), "work that was cut off was begun again"
    assert lab.count("SELECT MAX(attempts) FROM plum_job WHERE name = 'test.effect'") >= 2


def test_an_emptied_broker_costs_a_sweep_and_no_job(lab: Lab) -> None:
    lab.start_broker()
    lab.start_beat()
    lab.start_worker()
    wait_for(lambda: "ready." in lab.log("worker"), "the worker")
    lab.plan(12, 0.5)
    for _ in range(4):
        time.sleep(0.7)
        lab.flush_broker()

    seconds = lab.wait_until_done(PATIENCE)

    assert sorted(lab.effects()) == sorted(f"test.effect:{number}" for number in range(12))
    assert seconds < PATIENCE


def test_without_a_broker_commands_work_at_once_and_everything_runs_when_it_is_back(lab: Lab) -> None:
    lab.start_broker()
    lab.start_beat()
    lab.start_worker()
    wait_for(lambda: "ready." in lab.log("worker"), "the worker")
    lab.kill("valkey")

    began = time.monotonic()
    lab.plan(3, 0.2)
    spent = time.monotonic() - began
    health = lab.manage_json("health", check=False)
    assert (health["broker"], health["database"], health["ready"]) == (False, True, True)
    assert lab.effects() == []
    time.sleep(3)
    lab.start_broker()
    seconds = lab.wait_until_done(60)

    assert spent < 20, "planning waits for nobody"
    assert sorted(lab.effects()) == [f"test.effect:{number}" for number in range(3)]
    assert lab.children["worker"].poll() is None, "the worker waited for the broker"
    assert lab.children["beat"].poll() is None, "beat waited for the broker"
    assert seconds < 60


def test_two_beats_do_nothing_twice(lab: Lab) -> None:
    lab.start_broker()
    lab.start_beat("beat")
    lab.start_beat("second-beat")
    lab.start_worker()
    lab.start_worker("second-worker")
    lab.plan(20, 0.1)

    lab.wait_until_done(PATIENCE)
    wait_for(lambda: lab.count("SELECT COUNT(*) FROM plum_job WHERE name = 'plum.verify'") > 0, "the schedule", PATIENCE)
    time.sleep(SWEEP_SECONDS + 1)

    assert sorted(lab.effects()) == sorted(f"test.effect:{number}" for number in range(20))
    assert sorted(lab.starts()) == sorted(lab.effects())
    assert lab.count("SELECT COUNT(*) FROM plum_job WHERE name = 'plum.verify'") == 1
    sent = [lab.log(name).count("Sending due task") for name in ("beat", "second-beat")]
    assert min(sent) >= 2, "both beats were at it"


def test_a_job_that_kills_its_worker_is_given_up_and_the_others_go_on(lab: Lab) -> None:
    lab.start_broker()
    lab.start_beat()
    lab.start_worker()
    lab.plan(6, 0.1)
    lab.plan_poison()

    lab.wait_until_done(PATIENCE)
    poison = "SELECT state FROM plum_job WHERE name = 'test.die'"
    wait_for(lambda: lab.query(poison) == [("dead",)], lambda: f"the end of {lab.query(poison)}", 6 * PATIENCE)

    assert lab.starts().count("test.die:0") == 2, "its attempts, no more"
    assert sorted(lab.effects()) == [f"test.effect:{number}" for number in range(6)]
    [(error,)] = lab.query("SELECT error FROM plum_job WHERE name = 'test.die'")
    assert "stopped without a word" in error
    assert "is dead after 2 attempts" in lab.log("worker")
    assert lab.manage("verify", "jobs", check=False).returncode == 1
