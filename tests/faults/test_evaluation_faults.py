"""
Workers die at every step of an evaluation of the running month, and of the job around it: a flag is opened once and told once.

The places are read from the code, so that a new one is tried without a line here. Each has a partner of its own that falls.
"""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from plum_site.lib.crashpoints import STATUS
from tests.faults.checker import PREPARE, call
from tests.faults.evaluations import CODE
from tests.faults.figures import Figures
from tests.faults.lab import ROOT, Lab
from tests.faults.points import list_points

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

NOW, PAUSE = datetime(2026, 7, 22, 9, 30, tzinfo=UTC), timedelta(hours=1)
IN_JOB = ("job.after_claim", "job.after_effect", "job.after_mark")  # those that the process which evaluates comes by
KEPT = {"review.after_commit", "job.after_effect", "job.after_mark"}  # what was done before stands
CASES = "SELECT p.external_id, c.state FROM reviews_flagcase c JOIN partners_partner p ON p.id = c.partner_id"
OPENED = (
    "SELECT p.external_id FROM reviews_flagtransition t JOIN reviews_flagcase c ON c.id = t.case_id "
    "JOIN partners_partner p ON p.id = c.partner_id WHERE t.name = 'open'"
)
MAILS = "SELECT payload FROM plum_outbox WHERE dedup_key LIKE 'flags:%'"
HOOKS = (
    "SELECT m.payload FROM exports_webhookdelivery d JOIN plum_outbox m ON m.id = d.message_id WHERE d.type = 'partner.flagged'"
)
ONCE, NEVER = (1, 1, 1, 1), (0, 0, 0, 0)


def names() -> list[str]:
    """Every place of an evaluation, and of the job that it is."""
    return [*(point.name for point in list_points("review")), *IN_JOB]


def run(lab: Lab, expression: str) -> int:
    """Run a function of tests.faults.evaluations in a process; how it ended."""
    command = [sys.executable, "-c", f"{PREPARE.format('evaluations')}{expression}"]
    done = subprocess.run(command, cwd=ROOT, env=lab.environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, STATUS), done.stderr[-3000:]
    return done.returncode


def told(lab: Lab, number: int) -> tuple[int, int, int, int]:
    """How often a partner's flag was opened, that was logged, its owner was written to, and the webhook was told."""
    partner = f"P{number}"
    mails, hooks = ([str(payload) for (payload,) in lab.query(sql)] for sql in (MAILS, HOOKS))
    return (
        [name for name, _state in lab.query(CASES)].count(partner),
        [name for (name,) in lab.query(OPENED)].count(partner),
        sum(re.search(rf"Partner {partner}\b", text) is not None for text in mails),
        sum(re.search(rf"\b{partner}\b", text) is not None for text in hooks),
    )


def test_a_flag_is_opened_once_and_told_once_wherever_the_worker_dies(both: Lab, figures: Figures) -> None:
    points = names()
    assert len(points) >= 11, "too few to speak of every step"
    call(both, "watch", len(points), module="evaluations")
    for number, point in enumerate(points):
        figures.tried("crash points")
        at = NOW + number * PAUSE

        assert run(both, f"fall({number}, '{point}', '{at.isoformat()}')") == STATUS, point

        assert both.has_died(point), point
        assert told(both, number) == (ONCE if point in KEPT else NEVER), point
        assert [told(both, earlier) for earlier in range(number)] == [ONCE] * number, f"before {point}"
        figures.survived()

    assert run(both, f"take_up('{(NOW + len(points) * PAUSE).isoformat()}')") == 0

    assert [told(both, number) for number in range(len(points))] == [ONCE] * len(points)
    assert sorted(both.query(CASES)) == sorted((f"P{number}", "open") for number in range(len(points)))
    done = both.manage("replay_review", "--program", CODE, "--month", "2026-07", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
