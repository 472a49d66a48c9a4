"""Which revision counts, by the table of docs/rules/restatement.md."""

import re

import pytest

from partners.models import Program
from reviews.models import Restatement, ReviewCycle
from reviews.selectors import find_valid_cycle, list_valid_cycles
from tests.factories.reviews import IN_JULY, JUNE, make_reviewable_program
from tests.reviews.figures import read_table
from tests.support.rows import LATER, Rows

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def make_revision(program: Program, number: int, state: str) -> ReviewCycle:
    """A revision in a state, after an approved restatement of the one before."""
    before = ReviewCycle.objects.filter(program=program, revision=number - 1).first()
    if before is not None:
        asked = Rows().make(Restatement, cycle=before, reason="Late files.", asked_by="user:1")
        Restatement.objects.filter(pk=asked.pk).update(state="approved", answered_by="user:2", answered_at=LATER)
    frozen = {} if state == "open" else {"cutoff": 1, "consolidated_at": IN_JULY, "digest": "d"}
    closed = {"closed_at": IN_JULY, "closed_by": "user:1"} if state == "closed" else {}
    values = {"month_start_date": JUNE, "revision": number, "state": state, **frozen, **closed}
    made: ReviewCycle = Rows().make(ReviewCycle, program=program, **values)
    return made


@pytest.mark.parametrize("row", read_table("restatement.md", "What counts"), ids=lambda row: row["the revisions of a month"])
def test_the_table(row: dict[str, str]) -> None:
    program = make_reviewable_program()
    for number, state in re.findall(r"(\d) (\w+)", row["the revisions of a month"]):
        make_revision(program, int(number), state)
    found = find_valid_cycle(program.pk, JUNE)
    assert found is not None
    assert found.revision == int(row["the one that counts"])
    assert [cycle.revision for cycle in list_valid_cycles(program.pk)] == [found.revision]
