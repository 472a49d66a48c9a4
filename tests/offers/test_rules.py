"""What an offer row must look like, when an offer is live, and who is in a segment."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from offers.choices import PresentState
from offers.rules import (
    OfferRow,
    check_excluded,
    check_segment_rule,
    common_days,
    days_of,
    held_periods,
    is_live,
    is_open_to,
    matches,
    parse_offer,
    present_state,
    seed_order,
)
from plum_site.lib.errors import InvalidInput
from tests.factories.offers import make_row

FIELDS = {"external_id": "O1", "partner_external_id": "P1", "title": "Offer", "offer_type": "discount"}


def test_a_row_is_parsed() -> None:
    row = parse_offer(
        FIELDS
        | {
            "category": " drinks ",
            "face_value": "15%",
            "currency": "EUR",
            "starts_on": "2026-01-01",
            "ends_on": "2026-12-31",
            "rank": "3",
            "audience": "cards",
            "countries": "DE; AT,DE|SE",
            "terms": "Once.",
            "creative_url": "https://example.org/a.png",
            "reward_cost": "1.50 EUR",
        }
    )

    assert row == OfferRow(
        "O1",
        "P1",
        "Offer",
        "discount",
        category="drinks",
        face_value="15%",
        currency="EUR",
        starts_date=date(2026, 1, 1),
        ends_date=date(2026, 12, 31),
        rank=3,
        audience="cards",
        countries=("AT", "DE", "SE"),
        terms="Once.",
        creative_url="https://example.org/a.png",
        reward_cost="1.50 EUR",
    )


def test_columns_that_are_not_there_differ_from_empty_ones() -> None:
    absent, empty = (
        parse_offer(FIELDS),
        parse_offer(FIELDS | dict.fromkeys(["audience", "countries", "terms", "reward_cost"], "")),
    )

    assert (absent.audience, absent.countries, absent.terms, absent.reward_cost) == (None, None, None, None)
    assert (empty.audience, empty.countries, empty.terms, empty.reward_cost) == ("", (), "", "")


@pytest.mark.parametrize(
    ("fields", "column", "code"),
    [
        ({"external_id": ""}, "external_id", "required"),
        ({"partner_external_id": ""}, "partner_external_id", "required"),
        ({"title": ""}, "title", "required"),
        ({"offer_type": ""}, "offer_type", "required"),
        ({"title": "x" * 301}, "title", "too_long"),
        ({"category": "x" * 201}, "category", "too_long"),
        ({"face_value": "x" * 61}, "face_value", "too_long"),
        ({"terms": "\x00"}, "terms", "invalid_text"),
        ({"currency": "EURO"}, "currency", "invalid_currency"),
        ({"starts_on": "2026-02-30"}, "starts_on", "invalid_date"),
        ({"ends_on": "20260201"}, "ends_on", "invalid_date"),
        ({"starts_on": "2026-02-02", "ends_on": "2026-02-01"}, "ends_on", "invalid_period"),
        ({"rank": "0"}, "rank", "invalid_rank"),
        ({"rank": "1.5"}, "rank", "invalid_rank"),
        ({"countries": "Germany"}, "countries", "invalid_country"),
        ({"creative_url": "javascript:alert(1)"}, "creative_url", "invalid_url"),
        ({"creative_url": "https://"}, "creative_url", "invalid_url"),
        ({"creative_url": "https://example.org/a b"}, "creative_url", "invalid_url"),
        ({"reward_cost": "1.50"}, "reward_cost", "invalid_currency"),
        ({"reward_cost": "1.505 EUR"}, "reward_cost", "too_many_decimals"),
        ({"reward_cost": "-1 EUR"}, "reward_cost", "invalid_amount"),
        ({"reward_cost": "lots EUR"}, "reward_cost", "invalid_amount"),
    ],
)
def test_a_row_that_cannot_be_stored(fields: dict[str, str], column: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_offer(FIELDS | fields)

    assert (refusal.value.code, list(refusal.value.fields)) == (code, [column])


def test_the_first_ranking_is_by_rank_then_partner_then_offer() -> None:
    rows = [
        make_row("O5", partner_external_id="P1"),
        make_row("O1", partner_external_id="P2"),
        make_row("O4", rank=10),
        make_row("O3", rank=9),
        make_row("O2", partner_external_id="P2", rank=9),
    ]

    ordered = sorted(rows, key=lambda row: seed_order(row, row.partner_external_id, row.external_id))

    assert [row.external_id for row in ordered] == ["O3", "O2", "O4", "O5", "O1"]


D = {day: date(2026, 3, day) for day in range(1, 32)}


@pytest.mark.parametrize(
    ("state", "first", "last", "supplied", "present"),
    [
        ("draft", None, None, True, PresentState.DRAFT),
        ("in_review", D[1], None, True, PresentState.IN_REVIEW),
        ("paused", D[1], D[2], True, PresentState.PAUSED),
        ("retired", None, None, True, PresentState.RETIRED),
        ("published", None, None, True, PresentState.LIVE),
        ("published", D[10], D[10], True, PresentState.LIVE),
        ("published", D[11], None, True, PresentState.SCHEDULED),
        ("published", None, D[9], True, PresentState.EXPIRED),
        ("published", None, None, False, PresentState.PAUSED),
        ("published", D[11], None, False, PresentState.PAUSED),
        ("published", None, D[9], False, PresentState.EXPIRED),
    ],
)
def test_the_present_state_on_the_tenth(state: str, first: Any, last: Any, supplied: bool, present: str) -> None:
    assert present_state(state, first, last, D[10], supplied=supplied) == present


def noon(day: int) -> datetime:
    return datetime(2026, 3, day, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("log", "periods"),
    [
        ([], []),
        ([(noon(1), "published")], [(None, None)]),
        ([(noon(1), "draft")], []),
        ([(noon(1), "draft"), (noon(2), "in_review"), (noon(3), "published")], [(noon(3), None)]),
        ([(noon(1), "published"), (noon(5), "paused"), (noon(8), "published")], [(None, noon(5)), (noon(8), None)]),
        ([(noon(1), "published"), (noon(5), "retired")], [(None, noon(5))]),
    ],
)
def test_when_a_state_was_held(log: Any, periods: Any) -> None:
    assert held_periods(log, {"published"}) == periods


@pytest.mark.parametrize(
    ("periods", "days"),
    [
        ([], []),
        ([(None, None)], [(None, None)]),
        ([(noon(3), noon(5))], [(D[3], D[6])]),
        ([(None, noon(5)), (noon(5), None)], [(None, None)]),
        ([(None, noon(5)), (noon(6), None)], [(None, None)]),
        ([(None, noon(5)), (noon(7), None)], [(None, D[6]), (D[7], None)]),
        ([(noon(3), datetime(2026, 3, 4, 23, tzinfo=UTC))], [(D[3], D[5])]),
    ],
)
def test_days_on_which_anything_was_held(periods: Any, days: Any) -> None:
    """In Berlin, where 23:00 UTC is the next day's midnight: a period that ends there does not touch that day."""
    assert days_of(periods, "Europe/Berlin") == days


@pytest.mark.parametrize(
    ("left", "right", "common"),
    [
        ([(None, None)], [(D[3], D[6])], ((D[3], D[6]),)),
        ([(D[1], D[5])], [(D[5], D[9])], ()),
        ([(D[1], D[6])], [(D[5], D[9])], ((D[5], D[6]),)),
        ([(D[1], None)], [(None, D[3]), (D[7], D[9])], ((D[1], D[3]), (D[7], D[9]))),
        ([(None, None)], [], ()),
    ],
)
def test_days_that_are_in_both(left: Any, right: Any, common: Any) -> None:
    assert common_days(left, right) == common


@pytest.mark.parametrize(
    ("first", "last", "live"),
    [(1, 4, False), (1, 5, True), (9, 9, True), (10, 12, False), (11, 31, False), (5, 5, True), (1, 31, True)],
)
def test_live_in_a_span_of_days(first: int, last: int, live: bool) -> None:
    assert is_live(((D[5], D[10]),), D[first], D[last]) is live


def test_open_ended_days_are_live_for_ever() -> None:
    assert is_live(((None, None),), D[1], D[1])
    assert not is_live((), D[1], D[31])


def condition(attribute: str, operator: str, *values: str) -> dict[str, Any]:
    return {"attribute": attribute, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("rule", "attributes", "inside"),
    [
        ([], {}, True),
        ([condition("unit", "is", "a", "b")], {"unit": "b"}, True),
        ([condition("unit", "is", "a", "b")], {"unit": "c"}, False),
        ([condition("unit", "is_not", "a")], {"unit": "c"}, True),
        ([condition("unit", "is_not", "a")], {"unit": "a"}, False),
        ([condition("unit", "is", "")], {}, True),
        ([condition("unit", "is_not", "")], {}, False),
        ([condition("unit", "is", "a"), condition("grade", "is", "1")], {"unit": "a", "grade": "1"}, True),
        ([condition("unit", "is", "a"), condition("grade", "is", "1")], {"unit": "a", "grade": "2"}, False),
    ],
)
def test_who_is_in_a_segment(rule: Any, attributes: dict[str, str], inside: bool) -> None:
    assert matches(rule, attributes) is inside


@pytest.mark.parametrize(
    ("rule", "countries", "attributes", "is_open"),
    [
        (None, (), {}, True),
        (None, ("DE",), {"country": "DE"}, True),
        (None, ("DE",), {"country": "AT"}, False),
        (None, ("DE",), {}, False),
        ([condition("unit", "is", "a")], ("DE",), {"country": "DE", "unit": "b"}, False),
        ([condition("unit", "is", "a")], ("DE",), {"country": "DE", "unit": "a"}, True),
    ],
)
def test_whom_an_audience_takes_in(rule: Any, countries: Any, attributes: dict[str, str], is_open: bool) -> None:
    assert is_open_to(rule, countries, attributes) is is_open


@pytest.mark.parametrize(
    ("rule", "excluded", "is_open"),
    [
        (None, [], True),
        (None, [[condition("unit", "is", "a")]], False),
        (None, [[condition("unit", "is", "b")]], True),
        (None, [[condition("unit", "is", "b")], [condition("country", "is", "DE")]], False),
        (None, [[condition("unit", "is", "a"), condition("country", "is", "AT")]], True),
        (None, [[]], False),
        ([condition("unit", "is", "a")], [[condition("grade", "is", "")]], False),
        ([condition("unit", "is", "b")], [[condition("grade", "is", "1")]], False),
    ],
)
def test_whom_an_audience_leaves_out(rule: Any, excluded: Any, is_open: bool) -> None:
    assert is_open_to(rule, ["DE"], {"unit": "a", "country": "DE"}, excluded) is is_open


def test_an_audience_does_not_leave_out_the_segment_that_it_is_for() -> None:
    with pytest.raises(InvalidInput, match="open to nobody") as refusal:
        check_excluded("audience", "cards", ["north", "cards"])
    assert (refusal.value.code, list(refusal.value.fields)) == ("excluded_and_included", ["audience"])
    check_excluded("audience", "cards", ["north"])
    check_excluded("audience", None, ["north"])


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("unit = a", "invalid_rule"),
        (["unit = a"], "invalid_rule"),
        ([{"attribute": "unit", "values": ["a"]}], "invalid_rule"),
        ([condition("unit", "like", "a")], "invalid_rule"),
        ([condition("unit", "is")], "invalid_rule"),
        ([{"attribute": "unit", "operator": "is", "values": "a"}], "invalid_rule"),
        ([{"attribute": "unit", "operator": "is", "values": [1]}], "invalid_rule"),
        ([condition("salary", "is", "high")], "unknown_attribute"),
    ],
)
def test_a_segment_rule_that_makes_no_sense(rule: Any, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_segment_rule(rule, ["unit", "grade"])
    assert (refusal.value.code, list(refusal.value.fields)) == (code, ["rule"])


def test_a_segment_rule_that_does() -> None:
    check_segment_rule([condition("unit", "is", "a"), condition("grade", "is_not", "")], ["unit", "grade"])
