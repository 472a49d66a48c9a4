"""What rules look at besides whole partners: offers, segments, days, the share of the month that has passed, offer days."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from activity.selectors import head_of
from activity.services import MemberRow, Person, apply_people, seal_ledger
from offers.services import change_offer_state
from partners.models import Program
from reviews.choices import RuleTarget
from reviews.rules import PartInput, PartnerInput
from reviews.selectors import read_config, read_input
from reviews.selectors.config import count_offer_days
from reviews.selectors.elapsed import read_elapsed
from reviews.selectors.parts import read_days, read_parts
from reviews.services import install_default_rules
from tests.factories.ledger import event, record
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import CREATED_AT
from tests.factories.reviews import IN_JULY, JUNE, MAY, make_reviewable_program
from tests.reviews.subjects import rule

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

OFFER, SEGMENT = RuleTarget.OFFER, RuleTarget.PARTNER_SEGMENT
CONFIG = {"months": ["2026-06", "2026-05", "2026-04", "2026-03"], "attributes": ["region"]}
OF_OFFER = rule(target=OFFER, lookback_months=1)
IN_SEGMENT = rule(target=SEGMENT, lookback_months=1)


@pytest.fixture
def program() -> Program:
    made = make_reviewable_program("P1", "P2")
    make_offer(made, "O2-P1")
    return made


def happen(program: Program, *events: dict[str, Any]) -> int:
    """Record and seal events; the number of the last seal."""
    record(program, events, at=IN_JULY)
    seal_ledger(program_id=program.pk, at=IN_JULY)
    head = head_of(program.pk)
    assert head is not None
    return head.number


def view(number: int, day: str = "2026-06-10", offer: str = "O-P1", **fields: Any) -> dict[str, Any]:
    values = {"occurred_at": f"{day}T10:00:00Z", "offer": offer, "member": f"M{number}"} | fields
    return event(f"{day}-{offer}-{number}", **values)


def views_of(parts: list[PartInput]) -> dict[tuple[str, str], list[int | None]]:
    return {(part.partner, part.key): [row["views"] if row is not None else None for row in part.months] for part in parts}


def test_offers_are_read_month_by_month_as_far_as_rules_look(program: Program) -> None:
    cutoff = happen(
        program,
        *[view(number) for number in range(3)],
        view(1, "2026-05-10"),
        view(1, "2026-05-10", "O2-P1"),
        view(1, "2026-04-10", "O-P2"),
    )

    parts = read_parts(program, CONFIG, [OF_OFFER, rule("views")], cutoff)

    assert {part.target for part in parts} == {OFFER}
    assert views_of(parts) == {("P1", "O-P1"): [3, 1], ("P1", "O2-P1"): [0, 1]}
    deeper = read_parts(program, CONFIG, [rule(target=OFFER, lookback_months=3)], cutoff)
    assert views_of(deeper)["P2", "O-P2"] == [0, None, 1, None], "a month without any event has no figures"


def test_nothing_is_read_that_no_rule_looks_at(program: Program) -> None:
    cutoff = happen(program, view(1))

    assert read_parts(program, CONFIG, [rule("views")], cutoff) == []
    assert read_days(program, CONFIG, [rule("views"), OF_OFFER], cutoff) == {}
    assert read_parts(program, CONFIG, [OF_OFFER], 0) == [], "nothing was sealed by then"


def test_parts_wait_for_the_end_of_the_month(program: Program) -> None:
    cutoff = happen(program, view(1))

    assert read_parts(program, {**CONFIG, "is_over": False}, [OF_OFFER, IN_SEGMENT], cutoff) == []
    assert read_parts(program, {**CONFIG, "is_over": True}, [OF_OFFER], cutoff) != []


def people(program: Program, groups: dict[str, int]) -> list[str]:
    """So many members of each region; their names."""
    names = [(f"{region}{number}", region) for region, count in groups.items() for number in range(count)]
    rows = [MemberRow(Person(name), {"business_unit": "cards", "region": region}) for name, region in names]
    apply_people(program=program, source="file", rows=rows, actor="system", at=CREATED_AT)
    return [name for name, _ in names]


def test_segments_are_partners_by_value_without_groups_that_are_too_small(program: Program) -> None:
    """North has three members, and south is hidden with it, so that north cannot be worked out."""
    names = people(program, {"north": 3, "south": 6, "west": 9})
    cutoff = happen(program, *[view(number, member=name) for number, name in enumerate(names)])

    parts = read_parts(program, CONFIG, [IN_SEGMENT], cutoff)

    assert {part.target for part in parts} == {SEGMENT}
    assert views_of(parts) == {("P1", "region=west"): [9, None]}


def test_several_attributes_are_each_added_up_over_the_others(program: Program) -> None:
    names = people(program, {"north": 6, "south": 7})
    cutoff = happen(program, *[view(number, member=name) for number, name in enumerate(names)])

    parts = read_parts(program, {**CONFIG, "attributes": ["region", "business_unit"]}, [IN_SEGMENT], cutoff)

    assert views_of(parts) == {
        ("P1", "region=north"): [6, None],
        ("P1", "region=south"): [7, None],
        ("P1", "business_unit=cards"): [13, None],
    }


def test_an_older_month_of_a_group_that_was_too_small_is_left_out(program: Program) -> None:
    names = people(program, {"north": 6, "south": 7})
    june = [view(number, member=name) for number, name in enumerate(names)]
    may = [view(number, "2026-05-10", member=name) for number, name in enumerate(names) if name not in names[2:6]]
    april = [view(number, "2026-04-10", member=name) for number, name in enumerate(names)]
    cutoff = happen(program, *june, *may, *april)

    parts = read_parts(program, CONFIG, [rule(target=SEGMENT, lookback_months=2)], cutoff)

    assert views_of(parts) == {("P1", "region=north"): [6, None, 6], ("P1", "region=south"): [7, None, 7]}


def test_days_are_read_newest_first_with_empty_ones(program: Program) -> None:
    cutoff = happen(program, view(1, "2026-06-30"), view(2, "2026-06-30"), view(1, "2026-06-28"), view(1, "2026-06-22"))
    week = rule("views", window_days=7)

    days = read_days(program, CONFIG, [week], cutoff)
    assert {partner: [row["views"] for row in rows] for partner, rows in days.items()} == {"P1": [2, 0, 1, 0, 0, 0, 0]}
    three = rule("views", window_days=7, persistence=3, persistence_unit="days")
    assert [row["views"] for row in read_days(program, CONFIG, [three], cutoff)["P1"]] == [2, 0, 1, 0, 0, 0, 0, 0, 1]


def test_days_of_a_running_month_end_today_and_reach_into_the_month_before(program: Program) -> None:
    cutoff = happen(program, view(1, "2026-06-02"), view(1, "2026-05-31"), view(1, "2026-06-04"))

    days = read_days(program, {**CONFIG, "days_until": "2026-06-04"}, [rule("views", window_days=7)], cutoff)

    assert [row["views"] for row in days["P1"]] == [0, 1, 0, 1, 0, 0, 0]


def elapsed(program: Program, at: datetime) -> float:
    head = head_of(program.pk)
    return read_elapsed(program, JUNE, head.number if head else 0, at)


def test_a_month_that_is_over_has_passed(program: Program) -> None:
    assert elapsed(program, IN_JULY) == 1.0
    assert elapsed(program, datetime(2026, 6, 30, 22, 0, tzinfo=UTC)) == 1.0, "midnight in Berlin"


def test_a_running_month_has_passed_up_to_its_newest_event(program: Program) -> None:
    assert elapsed(program, datetime(2026, 6, 20, tzinfo=UTC)) == 0.0
    happen(program, view(1, "2026-06-07", occurred_at="2026-06-06T22:00:00Z"), view(2, "2026-05-30"))
    assert elapsed(program, datetime(2026, 6, 20, tzinfo=UTC)) == pytest.approx(6 / 30, abs=1e-6), "six days of Berlin"
    happen(program, view(3, "2026-06-16", occurred_at="2026-06-15T22:00:00Z"))
    assert elapsed(program, datetime(2026, 6, 20, tzinfo=UTC)) == pytest.approx(0.5, abs=1e-6)
    assert elapsed(program, datetime(2026, 6, 10, tzinfo=UTC)) == pytest.approx(0.2, abs=1e-6), "what came later is not known"


def test_days_weigh_as_much_as_their_weekday_did(program: Program) -> None:
    """Everything happened on Mondays: June 2026 has five, and two of them are over by the tenth."""
    mondays = ["2026-04-20", "2026-04-27", "2026-05-04", "2026-05-11"]
    happen(program, *[view(number, day) for day in mondays for number in range(150)])
    happen(program, view(1, "2026-06-10"))

    assert elapsed(program, datetime(2026, 6, 20, tzinfo=UTC)) == pytest.approx(2 / 5, abs=1e-6)


def test_offer_days_follow_dates_and_history(program: Program) -> None:
    make_partner(program, "P3")
    make_offer(program, "O-P3", partner_external_id="P3", starts_date=date(2026, 5, 30), ends_date=date(2026, 6, 10))
    offer = program.offers.get(external_id="O-P2")
    change_offer_state(
        offer_id=offer.pk, name="pause", actor="system", at=datetime(2026, 6, 10, 22, 0, tzinfo=UTC), comment="as a test asks"
    )

    days = count_offer_days(program, [JUNE, MAY])

    assert days == {"P1": [60, 62], "P2": [10, 31], "P3": [10, 2]}


def test_a_review_reads_all_of_it(program: Program) -> None:
    install_default_rules(program_id=program.pk, actor="system", at=IN_JULY)
    failed = {"kind": "activated", "status": "failed", "reason_code": "declined"}
    cutoff = happen(program, view(1), view(1, "2026-05-10"), view(2, **failed), view(3, "2026-05-10", **failed))

    given = read_input(program, read_config(program, JUNE, cutoff, IN_JULY), cutoff)

    found: dict[str, PartnerInput] = {entry.partner: entry for entry in given.partners}
    assert found["P1"].failed == {"failed_unlocks": 0, "failed_activations": 1, "failed_redemptions": 0}, "of June alone"
    assert list(found["P1"].offer_days)[:2] == [60, 62]
    assert found["P1"].days == ()
    assert (given.elapsed, given.is_over) == (1.0, True)
    assert ("P1", "O-P1") in views_of(list(given.parts))
