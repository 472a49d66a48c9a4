"""
Workers die at every step of putting lower approvals in force: it is done once.

The places are read from the code, so that a new one is tried without a line here. Each has a program of its own.
"""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from plum_site.lib.crashpoints import STATUS
from tests.faults.checker import PREPARE, call
from tests.faults.figures import Figures
from tests.faults.lab import ROOT, Lab
from tests.faults.points import list_points

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

NOW, LATER = datetime(2026, 7, 22, 9, 30, tzinfo=UTC), timedelta(hours=3)
KEPT = {"approvals.committed"}  # what was done before stands


def in_force(lab: Lab, number: int) -> tuple[int, int]:
    """How many versions of the approvals a program has, and how many of its requests are in force."""
    of = f"program_id = (SELECT id FROM partners_program WHERE code = 'lowered{number}')"
    return (
        lab.count(f"SELECT COUNT(*) FROM reviews_approvalpolicy WHERE solo_mode AND {of}"),
        lab.count(f"SELECT COUNT(*) FROM reviews_approvalrequest WHERE state = 'in_force' AND {of}"),
    )


def test_lower_approvals_take_force_once_wherever_the_worker_dies(both: Lab, figures: Figures) -> None:
    points = [point.name for point in list_points("approvals")]
    assert len(points) >= 4, "too few to speak of every step"
    call(both, "ask_lower", len(points), NOW.isoformat(), module="approvals")
    due = NOW + timedelta(hours=24)
    for number, point in enumerate(points):
        figures.tried("crash points")
        command = [sys.executable, "-c", f"{PREPARE.format('approvals')}lower({number}, '{point}', '{due.isoformat()}')"]
        ended = subprocess.run(command, cwd=ROOT, env=both.environment, capture_output=True, text=True, check=False)

        assert ended.returncode == STATUS, f"{point}: {ended.stderr[-3000:]}"
        assert both.has_died(point), point
        assert in_force(both, number) == ((1, 1) if point in KEPT else (0, 0)), point
        figures.survived()

    for times in (1, 2):
        call(both, "take_up", (due + times * LATER).isoformat(), module="approvals")

    assert [in_force(both, number) for number in range(len(points))] == [(1, 1)] * len(points)
    checked = both.manage("verify", "actions", check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
