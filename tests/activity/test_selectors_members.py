"""What one member did: the timeline, event by event, and how far they came with each offer."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from activity.models import Event, Member
from activity.rules import FILE_COLUMNS
from activity.selectors import count_unsealed, head_of, list_offer_states, list_sources, list_timeline
from activity.services import find_member, seal_ledger
from activity.services.timelines import open_timeline
from partners.models import Program
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import AuditEvent
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record
from tests.factories.quarters import make_quarter

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

FULL = {
    "occurred_at": "2026-06-15T10:00:00.000001Z",
    "status": "reversed",
    "reason_code": "changed_mind",
    "spend_amount": "12.50",
    "spend_currency": "EUR",
    "reward_cost_amount": "3",
    "reward_cost_currency": "JPY",
    "transaction_ref": "T-1",
    "reverses": "e0",
    "medium": "app",
    "position": "7",
    "received_at": "2026-06-15T10:05:00Z",
}


def member_of(program: Program, external_id: str = "M1") -> Member:
    member = find_member(program=program, external_id=external_id)
    assert member
    return member


class TestTimeline:
    def test_every_field_of_the_contract_comes_back_as_it_was_sent(self) -> None:
        program = make_stocked_program()
        record(program, [event(1, "redeemed", **FULL)], source="shop")
        [row] = list_timeline(program=program, member=member_of(program))
        sent = FULL | {
            "occurred_at": datetime(2026, 6, 15, 10, 0, 0, 1, tzinfo=UTC),
            "received_at": datetime(2026, 6, 15, 10, 5, tzinfo=UTC),
            "position": 7,
        }
        assert row == sent | {
            "event_id": "e1",
            "source": "shop",
            "kind": "redeemed",
            "offer": "O1",
            "partner": "P1",
            "recorded_at": RECORDED_AT,
        }
        assert set(row) == set(FILE_COLUMNS) - {"member"} | {"partner", "recorded_at"}

    def test_absent_values_are_null(self) -> None:
        program = make_stocked_program()
        record(program, [event(1)])
        [row] = list_timeline(program=program, member=member_of(program))
        absent = {name for name in FULL if name not in ("occurred_at", "status")}
        assert {name for name, value in row.items() if value is None} == absent

    def test_time_order_whatever_the_order_of_arrival(self) -> None:
        program = make_stocked_program()
        hours = [5, 1, 3, 3, 2]
        record(program, [event(n, occurred_at=f"2026-06-15T0{hour}:00:00Z") for n, hour in enumerate(hours)])
        record(program, [event(9, occurred_at="2026-06-15T01:30:00Z"), event(10, member="M2")])
        found = [row["event_id"] for row in list_timeline(program=program, member=member_of(program))]
        assert found == ["e1", "e9", "e4", "e2", "e3", "e0"]

    def test_nobody_elses_and_no_other_programs_events(self) -> None:
        program, other = make_stocked_program(), make_stocked_program("other")
        record(other, [event(1)])
        assert list_timeline(program=program, member=member_of(program)) == []
        assert list_timeline(program=program, member=member_of(other)) == []

    def test_opening_is_logged_with_its_reason_and_without_the_outside_id(self) -> None:
        program = make_stocked_program()
        record(program, [event(1)])
        events = open_timeline(program=program, external_id="M1", reason=" a complaint ", actor="token:7", at=RECORDED_AT)
        row = AuditEvent.objects.filter(object_ref=f"activity.Member:{member_of(program).pk}").get()
        assert [e["event_id"] for e in events] == ["e1"]
        assert (row.actor, row.action, row.comment, row.at) == ("token:7", "activity.read_timeline", "a complaint", RECORDED_AT)
        assert "M1" not in f"{row.object_ref} {row.before} {row.after} {row.comment}"

    def test_without_a_reason_nothing_is_read(self) -> None:
        program = make_stocked_program()
        with pytest.raises(InvalidInput, match="why"):
            open_timeline(program=program, external_id="M1", reason="  ", actor="system", at=RECORDED_AT)
        assert not AuditEvent.objects.filter(action="activity.read_timeline").exists()

    def test_somebody_unknown(self) -> None:
        program = make_stocked_program()
        with pytest.raises(NotFound):
            open_timeline(program=program, external_id="M9", reason="a test", actor="system", at=RECORDED_AT)


class TestOfferStates:
    def states(self, program: Program) -> dict[str, Any]:
        return {state.offer: state for state in list_offer_states(program=program, member=member_of(program))}

    def test_first_last_and_number_of_each_stage(self) -> None:
        program = make_stocked_program()
        record(
            program,
            [
                event(1, occurred_at="2026-06-03T10:00:00Z"),
                event(2, occurred_at="2026-06-01T10:00:00Z"),
                event(3, "unlocked", occurred_at="2026-06-02T10:00:00Z"),
                event(4, "activated", status="failed"),
                event(5, "redeemed", status="reversed", offer="O3"),
            ],
        )
        states = self.states(program)
        viewed = states["O1"].stages["viewed"]
        assert (viewed.first_at.day, viewed.last_at.day, viewed.count) == (1, 3, 2)
        assert (states["O1"].reached, states["O1"].failures, states["O1"].partner) == ("unlocked", 1, "P1")
        assert (states["O3"].reached, dict(states["O3"].stages), states["O3"].reversals) == ("", {}, 1)

    @pytest.mark.parametrize(("order", "reached"), [("view_first", "unlocked"), ("unlock_first", "viewed")])
    def test_the_programs_order_says_which_is_further(self, order: str, reached: str) -> None:
        program = make_stocked_program(stage_order=order)
        record(program, [event(1), event(2, "unlocked")])
        assert self.states(program)["O1"].reached == reached

    def test_order_of_arrival_makes_no_difference(self) -> None:
        rows = [event(n, kind, occurred_at=f"2026-06-{n + 1:02}T10:00:00Z") for n, kind in enumerate(["viewed", "unlocked"] * 5)]
        first, second = make_stocked_program(), make_stocked_program("other")
        record(first, rows)
        random.Random(1).shuffle(rows)
        for row in rows:
            record(second, [row])
        assert self.states(first) == self.states(second)


class TestLedger:
    def test_unsealed_is_counted_until_it_is_sealed(self) -> None:
        program = make_stocked_program()
        record(program, [event(1), event(2)])
        waiting = count_unsealed(program.pk)
        assert (waiting.batches, waiting.events, waiting.since) == (1, 2, RECORDED_AT)
        assert head_of(program.pk) is None
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
        nothing, head = count_unsealed(program.pk), head_of(program.pk)
        assert (nothing.batches, nothing.events, nothing.since) == (0, 0, None)
        assert head
        assert (head.number, head.sealed_at, len(head.chain)) == (1, RECORDED_AT, 32)

    def test_sources_with_the_outcome_of_everything_they_sent(self) -> None:
        program = make_stocked_program()
        record(program, [event(1), event(2)], source="shop")
        record(program, [event(1), event(3), event(4, kind="nonsense")], source="shop")
        record(program, [event(1)], source="app")
        app, shop = list_sources(program.pk)
        assert (app.code, app.batches, app.accepted, app.duplicate) == ("app", 1, 1, 0)
        assert (shop.received, shop.accepted, shop.duplicate, shop.conflict, shop.rejected) == (5, 3, 1, 0, 1)
        assert shop.last_recorded_at == RECORDED_AT

    def test_every_event_is_in_the_ledger_once(self) -> None:
        program, events = make_quarter(1)
        assert Event.objects.filter(program=program).count() == len(events)
