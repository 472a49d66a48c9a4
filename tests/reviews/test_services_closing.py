"""Closing a review, and that a closed one never changes: by the services, and by the database itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from plum_site.lib.errors import NotFound
from plum_site.lib.models import AuditEvent, User
from reviews.choices import CycleState
from reviews.models import CycleTransition, Decision, Flag, ReviewCycle, Scorecard
from reviews.services import UnableToCloseCycle, close_cycle, consolidate_cycle
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.reviews import GOOD, IN_JULY, JUNE, MAY, make_reviewable_program, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

IN_JUNE = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)
BAD = {"views": 300, "unlocks": 9}


def test_close_is_refused_while_a_partner_is_undecided() -> None:
    well = ("fine", "good", "sound")  # more than half, or the fall would be the market's
    program = make_reviewable_program(*well, "fell", "sank")
    record_month(program, "2026-05", dict.fromkeys((*well, "fell", "sank"), GOOD))
    record_month(program, "2026-06", dict.fromkeys(well, GOOD) | {"fell": BAD, "sank": BAD})
    cycle = reviewed(program)

    with pytest.raises(UnableToCloseCycle) as refusal:
        close_cycle(cycle_id=cycle.pk, actor="system", at=IN_JULY)

    assert refusal.value.undecided == ["fell", "sank"]
    assert "fell, sank" in refusal.value.detail
    cycle.refresh_from_db()
    assert cycle.state == CycleState.READY


def test_an_open_cycle_cannot_be_closed_nor_an_unknown_one() -> None:
    program = make_reviewable_program()
    cycle = reviewed(program, state=CycleState.OPEN, at=IN_JUNE)

    with pytest.raises(UnableToCloseCycle) as refusal:
        close_cycle(cycle_id=cycle.pk, actor="system", at=IN_JUNE)
    assert refusal.value.code == "not_ready"
    with pytest.raises(NotFound):
        close_cycle(cycle_id=cycle.pk + 1, actor="system", at=IN_JUNE)


def test_closing_is_logged_and_closing_again_changes_nothing() -> None:
    ada = User.objects.create(username="ada")
    cycle = reviewed(make_reviewable_program(), state=CycleState.CLOSED)

    again = close_cycle(cycle_id=cycle.pk, actor=ada, at=IN_JULY + timedelta(days=9))

    assert (again.closed_at, again.closed_by) == (IN_JULY, cycle.closed_by)
    assert AuditEvent.objects.get(action="reviews.close_cycle").after == {"state": "closed", "digest": cycle.digest}
    assert CycleTransition.objects.filter(cycle=cycle, name="close").count() == 1


def test_a_closed_month_is_shown_as_it_was_closed() -> None:
    program = make_reviewable_program()
    record_month(program, "2026-06", {"P1": GOOD})
    closed = reviewed(program, state=CycleState.CLOSED)
    record_month(program, "2026-06", {"P1": {"views": 500}}, tag="late")

    again = consolidate_cycle(program_id=program.pk, month_start_date=JUNE, actor="system", at=IN_JULY, by_hand=True)

    assert (again.cutoff, again.digest, again.consolidated_at) == (closed.cutoff, closed.digest, closed.consolidated_at)
    assert again.scorecards.get(partner__external_id="P1").metrics["views"] == 300


FIELDS = {ReviewCycle: "digest", Scorecard: "standing", Flag: "metric", Decision: "comment", CycleTransition: "comment"}


@pytest.fixture
def closed_review() -> ReviewCycle:
    program = make_reviewable_program("fell", "good")
    record_month(program, "2026-05", {"fell": GOOD})
    record_month(program, "2026-06", {"fell": BAD})
    return reviewed(program, state=CycleState.CLOSED)


@pytest.mark.parametrize("model", FIELDS)
def test_the_database_refuses_to_change_a_closed_review(model: Any, closed_review: ReviewCycle) -> None:
    with pytest.raises(IntegrityError, match="refused"), transaction.atomic():
        model.objects.update(**{FIELDS[model]: "watch"})


@pytest.mark.parametrize("model", FIELDS)
def test_the_database_refuses_to_delete_from_a_closed_review(model: Any, closed_review: ReviewCycle) -> None:
    with pytest.raises(IntegrityError, match="refused"), transaction.atomic():
        model.objects.all()._raw_delete("default")


@pytest.mark.parametrize("model", [Scorecard, Flag])
def test_the_database_refuses_to_add_to_a_closed_review(model: Any, closed_review: ReviewCycle) -> None:
    row = model.objects.first()
    row.pk = None
    if model is Scorecard:
        row.partner = make_partner(closed_review.program, "new")
    else:
        row.scorecard = Scorecard.objects.get(partner__external_id="good")

    with pytest.raises(IntegrityError, match="into what is closed refused"), transaction.atomic():
        row.save(force_insert=True)


def test_nothing_is_moved_into_a_closed_review() -> None:
    program = make_reviewable_program("P1")
    closed = reviewed(program, state=CycleState.CLOSED)
    make_partner(program, "P2")
    make_offer(program, "O-P2", partner_external_id="P2")
    other = reviewed(program, MAY, at=IN_JULY + timedelta(days=1))

    with pytest.raises(IntegrityError), transaction.atomic():
        Scorecard.objects.filter(cycle=other, partner__external_id="P2").update(cycle=closed)
