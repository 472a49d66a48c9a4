"""Members are remembered by the process while the people revision stands, and never before they are committed."""

from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.db import connection, transaction

from activity.models import Event
from activity.services import MemberRow, Person, apply_people, directory
from activity.services.directory import MemberDirectory, recall
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]
MOVED_AT = datetime(2026, 6, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_remembered():
    directory._known.clear()
    yield
    directory._known.clear()


def move(program, unit: str, at: datetime = MOVED_AT) -> None:
    """Say that M1 is of another business unit from `at` on."""
    row = MemberRow(Person("M1"), {"business_unit": unit, "region": "north"})
    apply_people(program=program, rows=[row], source="file", actor="system", at=at)


def units() -> list[str]:
    """The business unit of every event, in order."""
    return [row.attribute_set.values["business_unit"] for row in Event.objects.order_by("id").select_related("attribute_set")]


def test_a_member_is_looked_up_once():
    program = make_stocked_program()
    record(program, [event(1)])
    with mock.patch.object(directory, "find_standings") as find:
        record(program, [event(2)])
    assert find.call_count == 0


def test_a_people_sync_is_seen_by_the_next_event():
    program = make_stocked_program()
    record(program, [event(1, occurred_at="2026-06-21T10:00:00Z")])
    move(program, "loans")
    record(program, [event(2, occurred_at="2026-06-21T10:00:00Z"), event(3, occurred_at="2026-06-19T10:00:00Z")])
    move(program, "lent", MOVED_AT + timedelta(days=2))
    record(program, [event(4, occurred_at="2026-06-22T10:00:00Z"), event(5, occurred_at="2026-06-21T10:00:00Z")])
    assert units() == ["cards", "loans", "cards", "lent", "loans"]


def test_a_stranger_is_remembered_after_the_commit_only():
    program = make_stocked_program()
    with transaction.atomic():
        record(program, [event(1, member="new")])
        transaction.set_rollback(True)
    assert program.pk not in directory._known or "new" not in recall(program).plain
    record(program, [event(1, member="new")])
    assert "new" in recall(program).plain
    with mock.patch.object(directory, "find_standings") as find:
        record(program, [event(2, member="new")])
    assert find.call_count == 0
    assert units() == ["", ""]
    assert len({row.member_id for row in Event.objects.all()}) == 1


def test_a_stranger_whom_another_transaction_made_keeps_the_attributes_given_there(monkeypatch):
    program = make_stocked_program()
    look_up = MemberDirectory.look_up

    def look_up_and_be_overtaken(self, external_ids):
        strangers = look_up(self, external_ids)
        apply_people(
            program=program,
            rows=[MemberRow(Person("late"), {"business_unit": "loans", "region": "north"})],
            source="file",
            actor="system",
            at=RECORDED_AT,
        )
        return strangers

    monkeypatch.setattr(MemberDirectory, "look_up", look_up_and_be_overtaken)
    record(program, [event(1, member="late")])
    assert units() == ["loans"]


def test_no_more_are_remembered_than_may_be(monkeypatch):
    monkeypatch.setattr(directory, "MOST_REMEMBERED", 10)
    program = make_stocked_program()
    for number in range(30):
        record(program, [event(number, member=f"m{number}")])
        assert len(recall(program)) <= 11
    record(program, [event(100 + number, member=f"m{number}") for number in range(30)])
    assert Event.objects.count() == 60
    assert connection.in_atomic_block is False
