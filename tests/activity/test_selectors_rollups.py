"""Figures from rollups are those from the ledger, whatever happened and is asked; the ledger is read only where it must be."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from activity.models import DayOfferRollup, Event, IngestBatch, LedgerPermit, Seal
from activity.models.ledger import POSITIONS
from activity.selectors import cells, figures, read_funnel, read_standing, summarise
from activity.selectors.figures import MEMBERS, PARTS, Summary
from activity.services import MemberRow, Person, apply_people, seal_ledger, sealing, verify_rollups
from offers.services import save_segment
from partners.models import Program
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record
from tests.factories.programs import CREATED_AT
from tests.factories.quarters import APRIL, JULY, JUNE, STAGES, make_quarter, rows_by

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
WHERE: dict[str, list[str]] = {
    "partner": ["P1", "P2", "P3", "nobody"],
    "offer": ["O1", "O2", "O3", "O4"],
    "offer_type": ["discount", "cashback", "points"],
    "category": ["food", "travel"],
    "country": ["DE", "FR", ""],
    "source": ["shop", "app"],
    "business_unit": ["cards", "loans", ""],
    "region": ["north", "south", "west", "moon"],
    "member.country": ["DE", "CH", ""],
    "segment": ["cards", "northerners", "germans"],
    "join_month": ["", "2026-01"],
    "first_activation_month": ["2026-04", "2026-05", ""],
}
NAMES = ["month", "day", *WHERE]
RULES = {
    "cards": [{"attribute": "business_unit", "operator": "is", "values": ["cards"]}],
    "northerners": [{"attribute": "region", "operator": "is_not", "values": ["south"]}],
    "germans": [{"attribute": "country", "operator": "is", "values": ["DE"]}],
}
questions = st.fixed_dictionaries(
    {
        "by": st.lists(st.sampled_from(NAMES), unique=True, max_size=2),
        "where": st.lists(st.sampled_from(sorted(WHERE)), unique=True, max_size=2).flatmap(
            lambda names: st.fixed_dictionaries(
                {name: st.lists(st.sampled_from(WHERE[name]), unique=True, min_size=1, max_size=2) for name in names}
            )
        ),
        "starts_date": st.dates(APRIL - timedelta(days=3), JULY),
        "minimum_group": st.sampled_from([1, 3, 5]),
    }
)
events = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["impression", *STAGES]),
            "status": st.sampled_from(["confirmed", "failed", "reversed"]),
            "member": st.sampled_from([f"M{number}" for number in range(5)]),
            "offer": st.sampled_from(["O1", "O2", "O3"]),
            "day": st.integers(0, 95),
            "spend": st.none() | st.tuples(st.integers(0, 999), st.sampled_from(["EUR", "JPY"])),
        }
    ),
    max_size=25,
)


NOBODY_IN_THE_SETTLED_WINDOW = {
    "by": [],
    "where": {"offer_type": ["discount"], "business_unit": ["cards", "loans"]},
    "starts_date": date(2026, 3, 29),
    "minimum_group": 2,
}


def both(program: Program, **question: Any) -> tuple[Summary, Summary]:
    """The answer as it is, and the one that the ledger alone gives."""
    found = summarise(program=program, **question)
    with patch.object(cells, "find_grain", return_value=None):
        return found, summarise(program=program, **question)


def make_segments(program: Program) -> None:
    for code, rule in RULES.items():
        save_segment(program_id=program.pk, code=code, name=code, rule=rule, actor="system", at=CREATED_AT)


def as_row(number: int, drawn: dict[str, Any]) -> dict[str, Any]:
    status = drawn["status"]
    if drawn["kind"] in ("impression", "viewed") or (drawn["kind"] != "redeemed" and status == "reversed"):
        status = "confirmed"
    money = {}
    if drawn["spend"] and drawn["kind"] == "redeemed":
        money = {"spend_amount": str(drawn["spend"][0]), "spend_currency": drawn["spend"][1]}
    at = f"{APRIL + timedelta(days=drawn['day'])}T22:30:00Z"
    fields = {name: drawn[name] for name in ("member", "offer")}
    return event(number, drawn["kind"], status=status, occurred_at=at, **fields, **money)


@pytest.mark.parametrize("is_sealed", [True, False])
def test_any_question_has_the_ledgers_answer(is_sealed: bool) -> None:
    program, _events = make_quarter(41)
    make_segments(program)
    if is_sealed:
        seal_ledger(program_id=program.pk, at=RECORDED_AT)

    @settings(max_examples=40, deadline=None)
    @given(questions, st.integers(1, 95))
    @example(NOBODY_IN_THE_SETTLED_WINDOW, 7)
    def check(question: dict[str, Any], days: int) -> None:
        question = dict(question)
        program.minimum_group = question.pop("minimum_group")
        found, expected = both(
            program, **question, ends_date=question["starts_date"] + timedelta(days=days), leave_out=["funnel"]
        )
        assert found == expected

    check()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=events, after=events, question=questions, minimum_group=st.sampled_from([1, 2]))
def test_any_events_have_the_ledgers_figures(
    before: list[dict[str, Any]], after: list[dict[str, Any]], question: dict[str, Any], minimum_group: int
) -> None:
    """Some of them sealed, in two seals, and some not yet."""
    with transaction.atomic():
        program = make_stocked_program(recorded_stages=STAGES, minimum_group=minimum_group)
        make_segments(program)
        rows = [as_row(number, drawn) for number, drawn in enumerate([*before, *after])]
        for part in (rows[: len(before) // 2], rows[len(before) // 2 : len(before)]):
            if part:
                record(program, part)
                seal_ledger(program_id=program.pk, at=RECORDED_AT)
        if after:
            record(program, rows[len(before) :])
        asked = {name: question[name] for name in ("by", "where")} | {"starts_date": APRIL, "ends_date": JULY}
        for each in ({}, {"by": ["day"]}, {"by": ["partner", "month"]}, {"by": ["offer_type", "region"]}, asked):
            found, expected = both(program, **(asked | {"by": [], "where": {}} | each), leave_out=["funnel"])
            assert found == expected
        transaction.set_rollback(True)


steps = st.lists(st.tuples(events, st.booleans(), st.sampled_from([1, 3, 131_072])), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, gone=st.sets(st.integers(0, 40), max_size=3))
def test_rollups_are_what_counting_anew_gives_after_every_step(
    steps: list[tuple[list[dict[str, Any]], bool, int]], gone: set[int]
) -> None:
    """Batches of any size, sealed or left, in portions of any size; some of the people are erased before the seal."""
    with transaction.atomic():
        program = make_stocked_program(recorded_stages=STAGES)
        number = 0
        for drawn, is_sealed, at_once in steps:
            rows = [as_row(number + place, row) for place, row in enumerate(drawn)]
            number += len(rows)
            if rows:
                record(program, rows)
            if is_sealed:
                forget_members(gone)
                with patch.object(sealing, "EVENTS_AT_ONCE", at_once):
                    seal_ledger(program_id=program.pk, at=RECORDED_AT)
            assert [verdict.violations for verdict in verify_rollups(program=program)] == [[]] * 6
            sealed = Event.objects.filter(program=program).count() if is_sealed else None
            counted = DayOfferRollup.objects.filter(measure=1).aggregate(events=Sum("event_count", default=0))["events"]
            assert sealed in (None, counted)
        transaction.set_rollback(True)


def forget_members(gone: set[int]) -> None:
    """Blank the members of some events that are not sealed yet, as erasure does under a permit."""
    sealed = Seal.objects.values("batch_id")
    waiting = IngestBatch.objects.exclude(pk__in=sealed).values_list("pk", flat=True)
    ids = [batch * POSITIONS + place for batch in waiting for place in gone]
    permit = LedgerPermit.objects.create(reason="test", job_id=1, made_at=RECORDED_AT)
    Event.objects.filter(pk__in=ids).update(member=None)
    permit.delete()


class TestWhichIsRead:
    @pytest.fixture
    def program(self) -> Program:
        program, _events = make_quarter(42)
        make_segments(program)
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
        return program

    def reads_ledger(self, program: Program, by: list[str], leave_out: tuple[str, ...] = ("funnel",), **options: Any) -> bool:
        with CaptureQueriesContext(connection) as caught:
            rows_by(program, by, leave_out=leave_out, **options)
        return any("activity_event e" in query["sql"] for query in caught)

    @pytest.mark.parametrize(
        ("by", "where"),
        [
            ([], {}),
            (["day"], {}),
            (["month", "partner"], {}),
            (["category", "country"], {"partner": ["P1"]}),
            (["offer_type", "region"], {"business_unit": ["cards"]}),
            (["month"], {"segment": ["cards"], "region": ["north"], "offer_type": ["discount"]}),
        ],
    )
    @pytest.mark.parametrize("minimum_group", [1, 3])
    def test_a_dashboard_does_not_touch_the_ledger(self, program: Program, by, where, minimum_group: int) -> None:
        program.minimum_group = minimum_group
        assert not self.reads_ledger(program, by, where=where)
        assert not self.reads_ledger(program, by, where=where, cutoff=Seal.objects.count())

    def test_offers_need_it_for_their_members_only(self, program: Program) -> None:
        assert self.reads_ledger(program, ["offer"])
        assert not self.reads_ledger(program, ["offer"], leave_out=("funnel", MEMBERS))
        assert not self.reads_ledger(program, ["partner"], leave_out=("funnel", MEMBERS), where={"offer_type": ["discount"]})

    @pytest.mark.parametrize(
        ("by", "where"),
        [
            (["source"], {}),
            (["member.country"], {}),
            (["partner", "region"], {}),
            (["join_month"], {}),
            ([], {"segment": ["germans"]}),
        ],
    )
    def test_what_no_rollup_tells_apart_is_read_from_it(self, program: Program, by, where) -> None:
        assert self.reads_ledger(program, by, where=where)

    def test_an_earlier_cut_off_is_read_from_it(self, program: Program) -> None:
        assert self.reads_ledger(program, [], cutoff=1)

    def test_statements_do_not_grow_with_days_and_groups(self, program: Program) -> None:
        counts = []
        for first, by in ((JUNE, ["region", "month"]), (JUNE, ["region", "month"]), (APRIL, ["region", "day"])):
            with CaptureQueriesContext(connection) as caught:
                rows_by(program, by, starts_date=first, leave_out=("funnel",))
            counts.append(len(caught))
        assert counts[1] == counts[2] <= 15

    def test_members_that_are_left_out_are_null_and_groups_hidden_all_the_same(self, program: Program) -> None:
        program.minimum_group = 5
        whole = rows_by(program, ["region"], leave_out=("funnel",))
        for key, row in rows_by(program, ["region"], leave_out=(*PARTS, MEMBERS)).items():
            assert row["suppressed"] == whole[key]["suppressed"]
            assert row["members_any"] is row["members_viewed"] is row["reach_rate"] is None
            assert row["views"] == whole[key]["views"]


@contextmanager
def sealing_meanwhile(program: Program) -> Iterator[None]:
    """What is recorded is sealed right after the first of the reads."""
    real = figures.count_events

    def busy(*arguments: Any, **options: Any) -> Any:
        found = real(*arguments, **options)
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
        return found

    with patch.object(figures, "count_events", busy):
        yield


def test_what_is_sealed_between_two_reads_counts_once() -> None:
    """In a transaction that is open already every read may see another moment."""
    program = make_stocked_program(recorded_stages=STAGES, minimum_group=1)
    record(program, [event(1)])
    seal_ledger(program_id=program.pk, at=RECORDED_AT)
    record(program, [event(2, member="M2")])
    before = rows_by(program, ["partner"], leave_out=("funnel",))
    with sealing_meanwhile(program):
        assert rows_by(program, ["partner"], leave_out=("funnel",)) == before
    assert before["P1",]["members_any"] == 2
    record(program, [event(3, member="M2", offer="O2")])
    seen = rows_by(program, ["partner"], leave_out=("funnel",), cutoff=2)
    with sealing_meanwhile(program):
        assert rows_by(program, ["partner"], leave_out=("funnel",), cutoff=2) == seen == before


class TestFunnelAlone:
    def test_is_that_of_the_figures(self) -> None:
        program, _events = make_quarter(43, minimum_group=4)
        for by in ([], ["month"], ["region"], ["partner", "business_unit"]):
            whole = {tuple(row[name] for name in by): row for row in summary_rows(program, by)}
            alone = read_funnel(program=program, starts_date=APRIL, ends_date=JULY, by=by).rows
            assert {tuple(row[name] for name in by) for row in alone} <= set(whole)
            for row in alone:
                key = tuple(row[name] for name in by)
                assert (row["suppressed"], row["funnel"]) == (whole[key]["suppressed"], whole[key]["funnel"])

    def test_of_nothing_is_one_empty_row(self) -> None:
        program = make_stocked_program(recorded_stages=STAGES)
        assert read_funnel(program=program, starts_date=APRIL, ends_date=JULY).rows == [{"suppressed": False, "funnel": []}]


def summary_rows(program: Program, by: list[str]) -> list[dict[str, Any]]:
    return summarise(program=program, starts_date=APRIL, ends_date=JULY, by=by).rows


class TestStanding:
    def test_says_how_fresh_figures_are(self) -> None:
        program = make_stocked_program()
        empty = read_standing(program.pk)
        assert (empty.number, empty.sealed_at, empty.newest_at, empty.unsealed_since) == (0, None, None, None)
        assert empty.age_of_newest(RECORDED_AT) is empty.age_of_unsealed(RECORDED_AT) is None
        record(program, [event(1)])
        waiting = read_standing(program.pk)
        assert (waiting.number, waiting.newest_at, waiting.unsealed_since) == (0, RECORDED_AT, RECORDED_AT)
        seal_ledger(program_id=program.pk, at=RECORDED_AT + timedelta(seconds=2))
        standing = read_standing(program.pk)
        assert (standing.number, standing.sealed_at) == (1, RECORDED_AT + timedelta(seconds=2))
        assert (standing.newest_at, standing.unsealed_since) == (RECORDED_AT, None)
        assert standing.age_of_newest(RECORDED_AT + timedelta(minutes=5)) == timedelta(minutes=5)
        record(program, [event(2)], at=RECORDED_AT + timedelta(minutes=1))
        record(program, [event(3)], at=RECORDED_AT + timedelta(minutes=2))
        busy = read_standing(program.pk)
        assert busy.unsealed_since == RECORDED_AT + timedelta(minutes=1)
        assert busy.newest_at == RECORDED_AT + timedelta(minutes=2)
        assert busy.age_of_unsealed(RECORDED_AT + timedelta(minutes=3)) == timedelta(minutes=2)

    def test_is_one_statement_and_of_one_program(self, django_assert_num_queries) -> None:
        program, other = make_stocked_program(), make_stocked_program("other")
        record(other, [event(1)])
        with django_assert_num_queries(1):
            assert read_standing(program.pk).newest_at is None

    def test_a_repeated_batch_is_no_news(self) -> None:
        program = make_stocked_program()
        record(program, [event(1)])
        record(program, [event(1)], at=RECORDED_AT + timedelta(days=1))
        assert read_standing(program.pk).newest_at == RECORDED_AT


def test_people_of_many_rows_are_one_count() -> None:
    """More members than a plain set holds: sets become bitmaps, and stay exact through later seals."""
    program = make_stocked_program(recorded_stages=STAGES, minimum_group=1)
    people = [MemberRow(Person(f"X{number}"), {"region": "north"}) for number in range(150)]
    apply_people(program=program, source="file", rows=people, actor="system", at=CREATED_AT)
    for first, last in ((0, 40), (20, 90), (0, 150)):
        record(program, [event(f"{first}-{number}", member=f"X{number}") for number in range(first, last)])
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
        found, expected = both(program, by=["day"], starts_date=date(2026, 6, 1), ends_date=JULY)
        assert found == expected
        assert found.rows[14]["members_viewed"] == last
