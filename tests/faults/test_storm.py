"""
Everything is killed, emptied, frozen and refused while clients send: nothing acknowledged is lost, nothing stored twice.

PLUM_SEED sets the order and the moments, PLUM_KILLS how often each fault strikes in the long form.
"""

import os
import random
import time

import pytest

from tests.faults.checker import check
from tests.faults.clients import Load
from tests.faults.figures import Figures
from tests.faults.lab import Lab, wait_for
from tests.faults.nemesis import faults_of

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

CLIENTS = 4
SERVED = {"200", "503", "cut"}
SHORT = {"web process killed": 3, "worker killed": 2, "broker flushed": 2}  # the others once


def check_storm(lab: Lab, twin: Lab, figures: Figures, times: dict[str, int]) -> None:
    """Each fault so often, in an order and at moments of chance; then the comparison."""
    chance = random.Random(int(os.environ.get("PLUM_SEED", "1")))
    faults = faults_of(lab)
    order = [name for name in faults for _ in range(times.get(name, times[""]))]
    chance.shuffle(order)
    lab.start_all()
    lab.start_worker("second-worker")
    wait_for(lambda: "ready." in lab.log("second-worker"), "the second worker")
    with Load(lab, lab.token, CLIENTS) as load:
        load.wait_for_success(0)
        for name in order:
            time.sleep(chance.uniform(0.05, 0.5))
            figures.tried(name)
            faults[name](lab, chance)
            figures.survived(seconds=load.wait_for_success(time.monotonic()))
    print(f"{lab.engine}: {dict(load.answers)}, longest wait {max(client.longest for client in load.clients):.1f} s")
    assert set(load.answers) <= SERVED, load.bodies[-3:]
    refusals = {word for client in load.clients for word in client.retry_after}
    assert "" not in refusals, "every 503 says when to try again"
    check(lab, twin, figures)


def test_a_short_storm(both: Lab, twin: Lab, figures: Figures) -> None:
    check_storm(both, twin, figures, {"": 1, **SHORT})


@pytest.mark.long
def test_a_long_storm(both: Lab, twin: Lab, figures: Figures) -> None:
    kills = int(os.environ.get("PLUM_KILLS", "10"))

    check_storm(both, twin, figures, {"": kills, "web process killed": 5 * kills})
