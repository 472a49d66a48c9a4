"""Who could have taken part: in which period, for which offers, as what."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from activity.models import Member
from activity.selectors import summarise
from activity.services import seal_ledger
from offers.models import Segment
from offers.selectors import get_offer
from offers.services import change_offer_state, set_audience
from partners.models import Program
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record
from tests.factories.offers import make_segment
from tests.factories.programs import CREATED_AT
from tests.factories.quarters import JULY, JUNE, STAGES, make_quarter, rows_by

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


def narrow(
    program: Program,
    offer: str,
    segment: Segment | None,
    starts_date: date | None = None,
    countries: tuple[str, ...] = (),
    excluded: Sequence[Segment] = (),
) -> None:
    """Open an offer to a segment, or to some countries, but not to the excluded ones, from a day on."""
    set_audience(
        offer_id=get_offer(program.pk, offer).pk,
        segment_id=segment.pk if segment else None,
        countries=countries,
        excluded_segment_ids=[one.pk for one in excluded],
        starts_date=starts_date,
        actor="system",
        at=CREATED_AT,
    )


def eligible(program: Program, by: list[str] | None = None, **options: Any) -> Any:
    """Eligible members by row key in June; a number where there is no breakdown."""
    rows = rows_by(program, by or [], **({"starts_date": JUNE} | options))
    found = {key: row["eligible_members"] for key, row in rows.items()}
    return found if by else found[()]


def test_everyone_is_eligible_for_an_open_offer() -> None:
    program = make_stocked_program(recorded_stages=STAGES, minimum_group=1)
    record(program, [event(1), event(2, "unlocked"), event(3, offer="O3")])
    [row] = summarise(program=program, starts_date=JUNE, ends_date=JULY).rows
    assert (row["eligible_members"], row["reach_rate"], row["engagement_rate"]) == (2, 0.5, 0.5)
    assert eligible(program, ["region"]) == {("north",): 1}
    assert eligible(program, ["partner"]) == {("P1",): 2, ("P2",): 2}


def test_partners_without_events_have_a_row_of_zeros() -> None:
    program = make_stocked_program(recorded_stages=STAGES)
    row = rows_by(program, ["partner"])["P1",]
    assert (row["views"], row["members_any"], row["reach_rate"], row["unlock_rate"], row["funnel"]) == (0, 0, 0, None, [])


def test_audience_narrows_by_segment_and_country() -> None:
    program = make_stocked_program()
    segment = make_segment(program)
    for offer in ("O1", "O2"):
        narrow(program, offer, segment)
    assert eligible(program, ["partner"]) == {("P1",): 1, ("P2",): 2}
    assert eligible(program) == 2


def test_an_audience_that_begins_later_leaves_the_days_before_open() -> None:
    program = make_stocked_program()
    narrow(program, "O3", make_segment(program), date(2026, 6, 15))
    by_month = eligible(program, ["month", "partner"], ends_date=date(2026, 8, 1))
    assert (by_month["2026-06", "P2"], by_month["2026-07", "P2"]) == (2, 1)


def test_a_segment_that_is_left_out_is_not_eligible_from_that_day_on() -> None:
    program = make_stocked_program()
    cards = make_segment(program)
    assert eligible(program, ["partner"])["P2",] == 2
    narrow(program, "O3", None, date(2026, 6, 15), excluded=[cards])
    by_month = eligible(program, ["month", "partner"], ends_date=date(2026, 8, 1))
    assert (by_month["2026-06", "P2"], by_month["2026-07", "P2"]) == (2, 1)
    assert by_month["2026-07", "P1"] == 2
    days = eligible(program, ["day", "partner"], ends_date=date(2026, 6, 17))
    assert [days[day, "P2"] for day in ("2026-06-13", "2026-06-14", "2026-06-15", "2026-06-16")] == [2, 2, 1, 1]


def test_who_is_left_out_is_not_eligible_though_they_took_part() -> None:
    program = make_stocked_program(recorded_stages=STAGES, minimum_group=1)
    record(program, [event(number, member=f"M{number}", offer="O3") for number in (1, 2)])
    by = ["partner", "business_unit"]
    assert eligible(program, by) == {("P2", "cards"): 1, ("P2", "loans"): 1}
    narrow(program, "O3", None, JUNE, excluded=[make_segment(program)])
    assert eligible(program, by) == {("P2", "cards"): 0, ("P2", "loans"): 1}


def test_what_is_left_out_again_and_taken_in_again_counts_for_its_days() -> None:
    program = make_stocked_program()
    narrow(program, "O3", None, date(2026, 6, 10), excluded=[make_segment(program)])
    narrow(program, "O3", None, date(2026, 6, 20))
    days = eligible(program, ["day", "partner"], ends_date=JULY)
    assert [days[day, "P2"] for day in ("2026-06-09", "2026-06-10", "2026-06-19", "2026-06-20")] == [2, 1, 1, 2]
    assert eligible(program, ["partner"])["P2",] == 2


def test_an_offer_that_is_not_live_makes_nobody_eligible() -> None:
    program = make_stocked_program()
    for offer in ("O1", "O2"):
        change_offer_state(offer_id=get_offer(program.pk, offer).pk, name="pause", actor="system", at=CREATED_AT, comment="stock")
    record(program, [event(1)])
    assert eligible(program, ["partner"]) == {("P1",): 0, ("P2",): 2}
    assert rows_by(program, ["partner"])["P1",]["reach_rate"] is None


def test_who_left_or_came_later_is_not_eligible() -> None:
    program = make_stocked_program()
    first, second = Member.objects.filter(program=program).order_by("pk")
    Member.objects.filter(pk=first.pk).update(state="inactive", deactivated_at=datetime(2026, 6, 10, tzinfo=UTC))
    Member.objects.filter(pk=second.pk).update(joined_date=date(2026, 7, 2))
    found = rows_by(program, ["month"], ends_date=date(2026, 8, 1))
    assert {key: row["eligible_members"] for key, row in found.items()} == {
        ("2026-04",): 1,
        ("2026-05",): 1,
        ("2026-06",): 1,
        ("2026-07",): 1,
    }
    days = eligible(program, ["day"], ends_date=date(2026, 7, 4))
    assert [days.get((day,)) for day in ("2026-06-10", "2026-06-11", "2026-07-01", "2026-07-02")] == [1, None, None, 1]


def test_members_count_by_what_they_are_at_the_end() -> None:
    program, _events = make_quarter(7)
    regions = eligible(program, ["month", "region"], starts_date=date(2026, 4, 1))
    assert regions["2026-04", "north"] == 6
    assert regions["2026-06", "north"] == 5


def test_cut_off_leaves_out_who_was_heard_of_later() -> None:
    program = make_stocked_program()
    record(program, [event(1)])
    seal_ledger(program_id=program.pk, at=RECORDED_AT)
    record(program, [event(2, member="M3")], at=RECORDED_AT + timedelta(minutes=1))
    assert eligible(program, cutoff=1) == 2
    assert eligible(program) == 3


def test_sources_make_no_difference() -> None:
    program = make_stocked_program()
    record(program, [event(1, source="shop")])
    assert eligible(program, ["source"]) == {("shop",): 2}
