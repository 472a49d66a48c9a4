"""The shape of one event: what is taken, and what is said of the rest."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity.rules import IncomingEvent, Rejection, check_event

AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
GOOD = {"event_id": "e-1", "occurred_at": "2026-07-01T10:00:00Z", "kind": "redeemed", "member": "m-1", "offer": "o-1"}


def check(**changes: str | int | None) -> IncomingEvent | Rejection:
    return check_event({**GOOD, **changes}, source="file", at=AT)


def test_the_least_event_is_confirmed_and_takes_the_default_source():
    event = check()
    assert isinstance(event, IncomingEvent)
    assert (event.status, event.source, event.kind) == (1, "file", 5)
    assert event.occurred_at == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert event.spend_minor is None


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"event_id": ""}, "required", "event_id"),
        ({"member": None}, "required", "member"),
        ({"offer": ""}, "required", "offer"),
        ({"kind": ""}, "required", "kind"),
        ({"occurred_at": ""}, "required", "occurred_at"),
        ({"kind": "clicked"}, "unknown_kind", "kind"),
        ({"status": "maybe"}, "unknown_status", "status"),
        ({"kind": "viewed", "status": "reversed"}, "invalid", "status"),
        ({"kind": "impression", "status": "failed"}, "invalid", "status"),
        ({"occurred_at": "yesterday"}, "invalid", "occurred_at"),
        ({"occurred_at": "2026-07-01T10:00:00"}, "invalid", "occurred_at"),
        ({"occurred_at": "2026-02-30T10:00:00Z"}, "invalid", "occurred_at"),
        ({"occurred_at": "1960-01-01T00:00:00Z"}, "invalid", "occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "invalid", "occurred_at"),
        ({"occurred_at": "2026-07-15T09:40:01Z"}, "time_in_future", "occurred_at"),
        ({"spend_amount": "-1.00", "spend_currency": "EUR"}, "invalid_amount", "spend_amount"),
        ({"spend_amount": "1.001", "spend_currency": "EUR"}, "too_many_decimals", "spend_amount"),
        ({"spend_amount": "1.5", "spend_currency": "JPY"}, "too_many_decimals", "spend_amount"),
        ({"spend_amount": "1.00", "spend_currency": "EURO"}, "invalid_currency", "spend_currency"),
        ({"spend_amount": "1.00"}, "invalid_currency", "spend_currency"),
        ({"spend_amount": "1e3", "spend_currency": "EUR"}, "invalid_amount", "spend_amount"),
        ({"reward_cost_amount": "NaN", "reward_cost_currency": "EUR"}, "invalid_amount", "reward_cost_amount"),
        ({"position": "0"}, "invalid", "position"),
        ({"position": "first"}, "invalid", "position"),
        ({"position": "99999999"}, "invalid", "position"),
        ({"member": "a\x00b"}, "invalid", "member"),
        ({"medium": "a\nb"}, "invalid", "medium"),
        ({"transaction_ref": "\ud800"}, "invalid", "transaction_ref"),
        ({"event_id": "x" * 201}, "invalid", "event_id"),
        ({"kind": 5}, "invalid", "kind"),
    ],
)
def test_what_is_wrong_is_named_with_its_field(changes, code, field):
    rejection = check(**changes)
    assert isinstance(rejection, Rejection)
    assert (rejection.code, rejection.field) == (code, field)
    assert rejection.detail.endswith(".")


def test_a_fault_in_the_source_is_counted_under_the_default_source():
    rejection = check(source="a\x00b")
    assert isinstance(rejection, Rejection)
    assert (rejection.field, rejection.source) == ("source", "file")


def test_the_skew_of_ten_minutes_is_allowed():
    assert isinstance(check(occurred_at="2026-07-15T09:40:00Z"), IncomingEvent)


def test_a_currency_without_an_amount_is_no_amount():
    event = check(spend_amount="", spend_currency="EUR")
    assert isinstance(event, IncomingEvent)
    assert (event.spend_minor, event.spend_currency) == (None, None)


def test_money_becomes_minor_units_of_its_currency():
    event = check(spend_amount="12.5", spend_currency="EUR", reward_cost_amount="1.234", reward_cost_currency="KWD")
    assert isinstance(event, IncomingEvent)
    assert (event.spend_minor, event.reward_cost_minor) == (1250, 1234)


def test_an_offset_is_turned_into_utc_with_its_microseconds():
    event = check(occurred_at="2026-07-01T10:00:00.000001+05:30")
    assert isinstance(event, IncomingEvent)
    assert event.occurred_at == datetime(2026, 7, 1, 4, 30, 0, 1, tzinfo=UTC)
    assert event.occurred_at.utcoffset() == timedelta(0)


@given(
    st.dictionaries(
        st.sampled_from(
            ["event_id", "occurred_at", "kind", "status", "member", "offer", "spend_amount", "spend_currency", "position"]
        ),
        st.one_of(st.none(), st.text(), st.integers(), st.datetimes(timezones=st.just(timezone(timedelta(hours=3)))).map(str)),
    )
)
def test_any_input_is_an_event_or_a_rejection(fields):
    assert isinstance(check_event({**GOOD, **fields}, source="file", at=AT), IncomingEvent | Rejection)
