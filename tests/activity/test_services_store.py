"""Identities and events on their way into PostgreSQL: the quick way, and what happens where it cannot be gone."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from activity.models import Event, EventIdentity
from activity.services import store
from activity.services.driver import PART, SHORT
from tests.factories.ledger import event, make_stocked_program, record

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
MANY = store.FEW + 50
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_memory_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_careful", {})


def some(first: int, count: int = MANY) -> list:
    return [event(number) for number in range(first, first + count)]


def outcome(receipt) -> tuple[int, int, int]:
    return receipt.accepted, receipt.duplicate, receipt.conflict


def test_one_repeat_among_many_is_told_and_the_rest_is_stored():
    program = make_stocked_program()
    assert outcome(record(program, some(1))) == (MANY, 0, 0)

    changed = event(2, kind="unlocked")
    assert outcome(record(program, [event(1), changed, *some(MANY + 1)])) == (MANY, 1, 1)

    assert EventIdentity.objects.count() == Event.objects.count() == 2 * MANY
    assert set(EventIdentity.objects.values_list("event_id", flat=True)) == set(Event.objects.values_list("pk", flat=True))


@pytest.mark.postgres
def test_who_repeats_is_not_tried_by_copy_for_a_while(monkeypatch):
    """What fails as a whole leaves dead rows behind."""
    program = make_stocked_program()
    tried: list[int] = []
    copy = store._copy_identities
    monkeypatch.setattr(store, "_copy_identities", lambda *a: (tried.append(len(a[2])), copy(*a))[1])
    monkeypatch.setattr(store, "CAREFUL", 2)

    record(program, some(1))
    record(program, some(1))
    assert len(tried) == 2
    record(program, some(1001))
    record(program, some(2001))
    assert len(tried) == 2
    record(program, some(3001))
    assert len(tried) == 3


@pytest.mark.parametrize("count", [PART, PART + 1, SHORT, SHORT + 1])
def test_every_row_arrives_however_it_is_divided(count):
    program = make_stocked_program()
    assert record(program, some(1, count)).accepted == count
    assert Event.objects.count() == EventIdentity.objects.count() == count


@pytest.mark.parametrize("months", [1, 3])
def test_events_lie_in_the_partitions_of_their_months(months):
    program = make_stocked_program()
    events = [
        event(number, occurred_at=(NEW_YEAR + timedelta(days=31 * (number % months))).isoformat()) for number in range(1, 10)
    ]

    assert record(program, events).accepted == 9

    assert Event.objects.count() == 9
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            in_default = "bool_or(tableoid = 'activity_event_default'::regclass)"
            cursor.execute(f"SELECT count(DISTINCT tableoid), {in_default} FROM activity_event")
            assert cursor.fetchone() == (months, False)
