"""Two beats at once after three months without one, two workers on the same jobs: one review a month, none missing (I9, I20)."""

import pytest

from tests.faults.checker import call, call_at_once
from tests.faults.figures import Figures
from tests.faults.lab import Lab
from tests.faults.months import CODE, MONTHS

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

AT_ONCE = 2
REVIEWS = (
    "SELECT c.month_start_date, c.state, COUNT(*) FROM reviews_reviewcycle c JOIN partners_program p ON p.id = c.program_id "
    f"WHERE p.code = '{CODE}' GROUP BY c.month_start_date, c.state ORDER BY c.month_start_date"
)
OPENED = (
    "SELECT COUNT(*) FROM reviews_cycletransition t JOIN reviews_reviewcycle c ON c.id = t.cycle_id "
    f"JOIN partners_program p ON p.id = c.program_id WHERE p.code = '{CODE}' AND t.name = '{{0}}'"
)
CARDS = (
    "SELECT COUNT(*) FROM reviews_scorecard s JOIN reviews_reviewcycle c ON c.id = s.cycle_id "
    f"JOIN partners_program p ON p.id = c.program_id WHERE p.code = '{CODE}'"
)
PLANNED = (
    "SELECT COUNT(*) FROM plum_job j JOIN partners_program p ON p.id = j.program_id "
    "WHERE j.name = 'reviews.consolidate_month' AND p.code = '{0}' AND j.state = '{1}'"
)


def test_one_review_a_month_whoever_makes_it(both: Lab, figures: Figures) -> None:
    call(both, "history", module="months")
    assert [str(month) for month, _state, _count in both.query(REVIEWS)] == MONTHS[:2]

    figures.tried("beats at once", AT_ONCE)
    swept = call_at_once(both, "beat", module="months", processes=AT_ONCE)
    assert "True" in swept
    assert both.count(PLANNED.format(CODE, "due")) == 4  # February to May: January had frozen before
    figures.survived(AT_ONCE)

    figures.tried("workers at once", AT_ONCE)
    ended = [
        outcome
        for said in call_at_once(both, "work", module="months", processes=AT_ONCE)
        for outcome in said.split(",")
        if outcome
    ]
    assert set(ended) <= {"done", "not_due"}, both.query("SELECT error FROM plum_job WHERE error <> ''")
    assert ended.count("done") == 4, "each job was done by one of them"
    found = [(str(month), state, count) for month, state, count in both.query(REVIEWS)]
    assert found == [(month, "open" if month == MONTHS[-1] else "ready", 1) for month in MONTHS]
    assert (both.count(OPENED.format("open")), both.count(OPENED.format("freeze"))) == (5, 4)
    assert both.count(CARDS) == len(MONTHS)
    done = both.manage("check_coverage", "--program", CODE, "--month", "2026-03", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures.survived(AT_ONCE)
