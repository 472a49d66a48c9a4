"""What must be reviewed and what is due; late events; coverage from history; the review as others read it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from offers.services import change_offer_state, save_offer
from partners.models import Program
from partners.services import change_partner_state, update_program
from plum_site.lib.errors import NotFound
from reviews.choices import CycleState
from reviews.models import Decision, Scorecard
from reviews.rules import EVENTS, LIVE
from reviews.selectors import (
    check_cycle,
    check_months,
    find_latest_cycle,
    get_review,
    get_scorecard,
    list_cycles,
    list_due_months,
    list_required,
    list_reviewed_months,
)
from reviews.services import consolidate_cycle
from tests.factories.offers import make_offer, make_row
from tests.factories.partners import make_partner
from tests.factories.reviews import GOOD, IN_JULY, JULY, JUNE, MAY, make_reviewable_program, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

TODAY = date(2026, 7, 15)
LATER = IN_JULY + timedelta(days=3)


@pytest.fixture
def program() -> Program:
    """Created at the start of January 2026."""
    return make_reviewable_program("P1", "P2")


def month(number: int) -> date:
    return date(2026, number, 1)


def test_months_run_from_the_creation_or_the_first_event_to_the_last_complete_one(program: Program) -> None:
    assert list_reviewed_months(program, TODAY) == [month(number) for number in range(1, 7)]
    record_month(program, "2025-11", {"P1": {"views": 1}})
    assert list_reviewed_months(program, date(2026, 1, 31)) == [date(2025, 11, 1), date(2025, 12, 1)]


def test_a_program_that_ended_has_no_later_months(program: Program) -> None:
    update_program(program_id=program.pk, changes={"ended_date": date(2026, 3, 10)}, actor="system", at=IN_JULY)
    program.refresh_from_db()

    assert list_reviewed_months(program, TODAY) == [month(1), month(2), month(3)]
    assert list_due_months(program, TODAY) == [month(1), month(2), month(3)]


def test_due_are_missed_months_open_ones_of_yesterday_and_the_present_one(program: Program) -> None:
    for number in range(1, 6):
        reviewed(program, month(number))
    reviewed(program, JUNE, CycleState.OPEN, at=datetime(2026, 7, 1, 12, tzinfo=UTC))
    assert list_due_months(program, date(2026, 7, 1)) == [JULY]
    assert list_due_months(program, date(2026, 7, 2)) == [JUNE, JULY]

    consolidate_cycle(program_id=program.pk, month_start_date=JULY, actor="system", at=datetime(2026, 7, 2, 12, tzinfo=UTC))
    assert list_due_months(program, date(2026, 7, 2)) == [JUNE]
    reviewed(program, JUNE)
    assert list_due_months(program, TODAY) == [JULY]


def test_late_events_are_reported_once_by_the_next_frozen_review(program: Program) -> None:
    make_partner(program, "over")
    make_offer(program, "O-over", partner_external_id="over", ends_date=date(2026, 4, 30))
    april, may = month(4), MAY
    reviewed(program, april, CycleState.CLOSED)
    record_month(program, "2026-04", {"P1": {"views": 3}, "over": {"redemptions": 2}}, tag="first")

    first = reviewed(program, may)
    assert first.config["late"] == {"P1": {"2026-04": 3}, "over": {"2026-04": 2}}
    assert Scorecard.objects.get(cycle=first, partner__external_id="P1").evidence["late"] == [{"month": "2026-04", "events": 3}]

    record_month(program, "2026-04", {"P1": {"views": 1}}, tag="second")
    record_month(program, "2026-05", {"P2": {"views": 4}}, tag="second")
    second = reviewed(program, JUNE)
    assert second.config["late"] == {"P1": {"2026-04": 1}, "P2": {"2026-05": 4}}
    assert reviewed(program, JULY, CycleState.OPEN).config["late"] == {}


def test_events_of_months_that_are_still_open_are_not_late(program: Program) -> None:
    reviewed(program, MAY, CycleState.OPEN, at=datetime(2026, 5, 20, tzinfo=UTC))
    record_month(program, "2026-05", {"P1": {"views": 3}})

    assert reviewed(program, JUNE).config["late"] == {}


def test_required_are_partners_live_by_history_or_with_events(program: Program) -> None:
    record_month(program, "2026-06", {"P1": {"views": 1}})
    cycle = reviewed(program)

    assert list_required(program, JUNE, IN_JULY, cycle.cutoff or 0) == {"P1": {LIVE, EVENTS}, "P2": {LIVE}}
    assert list_required(program, JUNE, IN_JULY, 0) == {"P1": {LIVE}, "P2": {LIVE}}
    assert list_required(program, JUNE, datetime(2025, 12, 1, tzinfo=UTC), 0) == {}


def test_a_card_that_is_missing_is_a_gap_and_one_too_many_as_well(program: Program) -> None:
    cycle = reviewed(program)
    other = reviewed(program, MAY)
    make_partner(program, "P3")
    Decision.objects.filter(scorecard__cycle=cycle, scorecard__partner__external_id="P2").delete()
    Scorecard.objects.filter(cycle=cycle, partner__external_id="P2").delete()
    surplus = Scorecard.objects.get(cycle=other, partner__external_id="P2")
    Scorecard.objects.filter(pk=surplus.pk).update(cycle=cycle, partner=program.partners.get(external_id="P3"))

    gaps = [str(gap) for gap in check_months(program, [MAY, JUNE]).gaps]

    assert gaps == [
        "2026-05: partner P2 had a live offer, and has no scorecard",
        "2026-06: partner P2 had a live offer, and has no scorecard",
        "2026-06: partner P3 has a scorecard, and had neither a live offer nor an event",
    ]


def test_months_without_a_review_are_gaps(program: Program) -> None:
    reviewed(program)

    coverage = check_months(program, [MAY, JUNE])

    assert (coverage.months, coverage.partners) == (2, 2)
    assert [str(gap) for gap in coverage.gaps] == ["2026-05: has no consolidated review"]


def test_later_changes_of_the_catalog_make_no_gap(program: Program) -> None:
    cycle = reviewed(program)
    save_offer(program_id=program.pk, row=make_row("O-P1", ends_date=date(2026, 3, 1)), actor="system", at=LATER)
    make_partner(program, "P3", at=LATER)
    save_offer(program_id=program.pk, row=make_row("O-P3", partner_external_id="P3"), actor="system", at=LATER, state="published")
    offer = program.offers.get(external_id="O-P2")
    change_offer_state(offer_id=offer.pk, name="retire", actor="system", at=LATER, comment="over")

    assert check_cycle(cycle, program) == (2, [])


def test_a_partner_that_was_paused_all_month_is_not_required(program: Program) -> None:
    partner = program.partners.get(external_id="P2")
    options = {"partner_id": partner.pk, "actor": "system", "comment": "as a test asks"}
    change_partner_state(name="pause", at=datetime(2026, 5, 20, tzinfo=UTC), **options)  # type: ignore[arg-type]

    cycle = reviewed(program)

    assert list(cycle.scorecards.values_list("partner__external_id", flat=True)) == ["P1"]
    assert check_cycle(cycle, program) == (1, [])


def test_an_event_at_the_edge_of_the_month_counts_in_its_program_day() -> None:
    """23:30 UTC on 31 May is June in Berlin."""
    program = make_reviewable_program("P1", "P2")
    for name in ("O-P1", "O-P2"):
        save_offer(
            program_id=program.pk,
            row=make_row(name, partner_external_id=name[2:], ends_date=date(2026, 1, 31)),
            actor="system",
            at=IN_JULY,
        )
    record_month(program, "2026-06", {"P1": {"views": 1}})
    event = program.offers.get(external_id="O-P1")
    assert event.ends_date == date(2026, 1, 31)

    may, june = reviewed(program, MAY), reviewed(program)

    assert (check_cycle(may, program), check_cycle(june, program)) == ((0, []), (1, []))


def test_the_review_as_others_read_it(program: Program) -> None:
    record_month(program, "2026-05", {"P2": GOOD})
    record_month(program, "2026-06", {"P2": {"views": 300, "unlocks": 9}})
    cycle = reviewed(program)

    review = get_review(program, JUNE)

    assert list(review) == ["program", "month", "revision", "state", "cutoff", "digest", "recorded_stages", "partners"]
    assert (review["program"], review["month"], review["revision"], review["digest"]) == ("acme", "2026-06", 1, cycle.digest)
    assert [row["partner"] for row in review["partners"]] == ["P2", "P1"]
    ranked, quiet = review["partners"]
    assert ranked["flags"] == [{"rule": "unlock_rate_fall", "metric": "unlock_rate", "observed": 0.03, "threshold": 0.24}]
    assert (quiet["flags"], quiet["diagnosis"], quiet["actions"], quiet["standing"]) == ([], None, [], "no_activity")


def test_what_is_not_there_is_not_found(program: Program) -> None:
    assert find_latest_cycle(program.pk) is None
    with pytest.raises(NotFound):
        get_review(program, JUNE)
    reviewed(program)
    with pytest.raises(NotFound):
        get_scorecard(program.pk, JUNE, "P9")


def test_the_latest_review_is_the_last_frozen_one(program: Program) -> None:
    may = reviewed(program, MAY)
    reviewed(program, JULY, CycleState.OPEN)
    assert find_latest_cycle(program.pk) == may
    june = reviewed(program, JUNE)

    assert find_latest_cycle(program.pk) == june
    assert [cycle.month_start_date for cycle in list_cycles(program.pk)] == [JULY, JUNE, MAY]
