"""Figures from the ledger, against the same counted the slow way, and against the rules of the documents."""

from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from activity.metrics import METRICS, SETTLING, funnel_stages, measure
from activity.models import Seal
from activity.selectors import PARTS, head_of, settled_span, summarise
from activity.selectors.breakdown import Span
from activity.services import seal_ledger
from partners.models import Program
from plum_site.lib.errors import InvalidInput
from plum_site.lib.periods import next_month, parse_month
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record
from tests.factories.quarters import JULY, JUNE, STAGES, label, make_quarter, rows_by
from tests.support.counting import count_pairs, tally_groups
from tests.support.documents import read_table

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
BREAKDOWNS: list[tuple[list[str], dict[str, list[str]]]] = [
    ([], {}),
    (["month"], {}),
    (["partner", "month"], {}),
    (["offer", "source"], {}),
    (["category", "country", "offer_type"], {}),
    (["region", "month", "business_unit"], {}),
    (["member.country", "partner"], {}),
    (["month", "member.country", "region"], {}),
    (["partner"], {"region": ["north", "west"], "offer_type": ["discount"]}),
    (["month"], {"member.country": ["DE", ""], "business_unit": ["cards", ""], "source": ["app"]}),
    ([], {"partner": ["P1", "P3", "nobody"], "category": ["food"]}),
    (["offer"], {"country": [""], "offer": ["O1", "O4"]}),
    (["month"], {"region": ["nowhere"]}),
]


@pytest.mark.parametrize("seed", [1, 2])
def test_figures_are_those_counted_by_hand(seed: int) -> None:
    """For every breakdown and filter; one program for all of them, which takes long to make."""
    program, events = make_quarter(seed)
    for by, where in BREAKDOWNS:
        kept = [e for e in events if all(label(e, name) in values for name, values in where.items())]
        tallies = tally_groups(kept, lambda e, by=by: tuple(label(e, name) for name in by))
        rows = rows_by(program, by, where=where, leave_out=["eligible", "settled", "funnel"])
        assert set(rows) == set(tallies) | ({()} if not by else set()), (by, where)
        counted = [key for key in METRICS if not key.startswith("share_of")]
        for key, tally in tallies.items():
            expected = measure(tally, program.recorded_stages)
            assert {name: rows[key][name] for name in counted} == {name: expected[name] for name in counted}, (by, where, key)


@pytest.mark.parametrize("order", ["view_first", "unlock_first"])
def test_funnel_is_that_followed_by_hand(order: str) -> None:
    program, events = make_quarter(3, stage_order=order)
    stages = funnel_stages(order, program.recorded_stages)
    for by in ([], ["month"], ["partner"], ["region", "month"], ["member.country"], ["source", "offer"]):
        expected = count_pairs(events, stages, lambda e, by=by: tuple(label(e, name) for name in by))
        funnels = {key: row["funnel"] for key, row in rows_by(program, by).items() if row["funnel"]}
        found = {key: [(step["stage"], step["pairs"], step["members"]) for step in steps] for key, steps in funnels.items()}
        assert found == expected, by
        for steps in found.values():
            assert [step[1] for step in steps] == sorted((step[1] for step in steps), reverse=True)


def test_funnel_filtered_by_members_asks_about_the_first_step() -> None:
    program, events = make_quarter(24)
    stages = funnel_stages("view_first", program.recorded_stages)
    by_region = count_pairs(events, stages, lambda e: (label(e, "region"),))
    row = rows_by(program, [], where={"region": ["west"]})[()]
    assert [(step["stage"], step["pairs"], step["members"]) for step in row["funnel"]] == by_region["west",]


@pytest.mark.parametrize(
    "example", read_table("docs/rules/funnel.md", "Worked table"), ids=lambda row: row["events (day and stage)"]
)
def test_funnel_worked_table(example: dict[str, str]) -> None:
    program = make_stocked_program(recorded_stages=STAGES, time_zone="UTC")
    steps = [text.split(" ") for text in example["events (day and stage)"].split(", ")]
    record(program, [event(n, kind, occurred_at=f"2026-{day}T10:00:0{n}Z") for n, (day, kind) in enumerate(steps)])
    [row] = summarise(program=program, starts_date=date(2026, 3, 1), ends_date=date(2026, 4, 1)).rows
    reached = [step["stage"] for step in row["funnel"] if step["pairs"]]
    assert (reached[-1] if reached else "–") == example["came as far as"]


class TestPeriods:
    @pytest.mark.parametrize("example", read_table("docs/rules/metrics.md", "The settled window"), ids=lambda row: row["period"])
    def test_settled_window_worked_table(self, example: dict[str, str]) -> None:
        first, after = (date.fromisoformat(day) for day in example["period"].split(" to "))
        window = settled_span(Span(first, after), int(example["settlement days"]))
        assert f"{window.starts_date} to {window.ends_date}" == example["settled window"]

    def test_settled_figures_are_those_of_the_settled_month(self) -> None:
        program, _events = make_quarter(5)
        for by in (["month"], ["month", "partner"], ["region", "month"]):
            self.check_settled(program, by)

    def check_settled(self, program: Program, by: list[str]) -> None:
        rows, checked = rows_by(program, by), 0
        for key, row in rows.items():
            month = parse_month(row["month"])
            window = settled_span(Span(month, next_month(month)), program.settlement_days)
            older_key = tuple(
                f"{window.starts_date:%Y-%m}" if name == "month" else part for name, part in zip(by, key, strict=True)
            )
            if older_key in rows:
                assert {name: row[f"settled_{name}"] for name in SETTLING} == {name: rows[older_key][name] for name in SETTLING}
                checked += 1
        assert checked

    def test_settled_window_without_a_breakdown_is_one_window(self) -> None:
        program, _events = make_quarter(5)
        [row] = summarise(program=program, starts_date=date(2026, 5, 1), ends_date=JULY).rows
        [older] = summarise(program=program, starts_date=date(2026, 4, 1), ends_date=JUNE).rows
        assert {name: row[f"settled_{name}"] for name in SETTLING} == {name: older[name] for name in SETTLING}

    def test_a_month_begins_in_the_programs_zone(self) -> None:
        program = make_stocked_program(recorded_stages=STAGES)
        record(program, [event(1, occurred_at="2026-05-31T21:59:59.999999Z"), event(2, occurred_at="2026-05-31T22:00:00Z")])
        rows = rows_by(program, ["month"])
        assert (rows["2026-05",]["views"], rows["2026-06",]["views"]) == (1, 1)

    def test_days_and_cut_months(self) -> None:
        program, _events = make_quarter(6)
        days = rows_by(program, ["day", "month"], starts_date=date(2026, 4, 20), ends_date=date(2026, 5, 10))
        months = rows_by(program, ["month"], starts_date=date(2026, 4, 20), ends_date=date(2026, 5, 10))
        assert {day for day, _month in days} == {f"2026-04-{n}" for n in range(20, 31)} | {f"2026-05-0{n}" for n in range(1, 10)}
        for (month,), row in months.items():
            assert sum(figures["views"] for (day, _month), figures in days.items() if day.startswith(month)) == row["views"]

    def test_a_period_over_many_years_is_one_answer(self) -> None:
        program, events = make_quarter(1)
        [row] = summarise(program=program, starts_date=date(2010, 1, 1), ends_date=date(2029, 1, 1)).rows
        assert row["members_any"] == len({e["member"] for e in events})

    @pytest.mark.parametrize(
        ("by", "options", "code"),
        [
            (["month", "month"], {}, "doubled_dimension"),
            (["shoe_size"], {}, "unknown_dimension"),
            ([], {"where": {"shoe_size": ["9"]}}, "unknown_dimension"),
            ([], {"where": {"month": ["2026-06"]}}, "time_filter"),
            ([], {"ends_date": date(2026, 4, 1)}, "empty_period"),
            ([], {"starts_date": date(1999, 4, 1)}, "period_too_long"),
        ],
    )
    def test_wrong_questions(self, by: list[str], options: dict[str, Any], code: str) -> None:
        program = make_stocked_program()
        with pytest.raises(InvalidInput) as caught:
            rows_by(program, by, **options)
        assert caught.value.code == code

    def test_an_attribute_with_the_name_of_a_metric_is_asked_for_with_its_prefix(self) -> None:
        program = make_stocked_program(member_attributes=["spend", "region"], reporting_attributes=["region"])
        record(program, [event(1)])
        with pytest.raises(InvalidInput, match=r"member\.spend"):
            rows_by(program, ["spend"])
        assert list(rows_by(program, ["member.spend"])) == [("",)]


class TestCutOff:
    def test_only_batches_sealed_by_then_count(self) -> None:
        program = make_stocked_program(recorded_stages=STAGES)
        for number in (1, 2):
            record(program, [event(number)])
            seal_ledger(program_id=program.pk, at=RECORDED_AT)
        record(program, [event(3)])
        views = [rows_by(program, [], cutoff=cutoff)[()]["views"] for cutoff in (0, 1, 2)]
        assert views == [0, 1, 2]
        assert rows_by(program, [])[()]["views"] == 3
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
        assert [rows_by(program, [], cutoff=cutoff)[()]["views"] for cutoff in (0, 1, 2, 3)] == [0, 1, 2, 3]

    @pytest.mark.parametrize("count", [1, 8])
    def test_early_and_late_cut_offs_name_either_side(self, count: int) -> None:
        """Whether the batches that count are named, or those that do not, the figures are the same."""
        program = make_stocked_program(recorded_stages=STAGES)
        other = make_stocked_program("other", recorded_stages=STAGES)
        for number in range(9):
            for owner in (program, other):
                record(owner, [event(number)])
                seal_ledger(program_id=owner.pk, at=RECORDED_AT)
        assert rows_by(program, [], cutoff=count)[()]["views"] == count
        assert rows_by(program, [], cutoff=count)[()]["funnel"][0]["pairs"] == 1

    def test_as_of_is_the_head(self) -> None:
        program = make_stocked_program()
        period = {"program": program, "starts_date": JUNE, "ends_date": JULY}
        assert (summarise(**period).as_of, head_of(program.pk)) == (0, None)
        record(program, [event(1)])
        assert summarise(**period).as_of == 0
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
        summary, seal = summarise(**period), Seal.objects.get(program=program)
        assert (summary.as_of, summary.sealed_at) == (1, seal.sealed_at)
        assert head_of(program.pk).chain == bytes(seal.chain)
        assert summarise(**period, cutoff=0).as_of == 0

    def test_stages_as_a_review_froze_them(self) -> None:
        program = make_stocked_program(recorded_stages=STAGES)
        record(program, [event(1), event(2, "unlocked")])
        row = rows_by(program, [], recorded_stages=["viewed"])[()]
        assert (row["views"], row["unlocks"], row["unlock_rate"]) == (1, 0, None)

    def test_another_program_never_counts(self) -> None:
        program, other = make_stocked_program(), make_stocked_program("other")
        record(other, [event(1)])
        assert rows_by(program, [])[()]["members_any"] == 0


class TestShares:
    def test_shares_are_of_the_programs_month(self) -> None:
        program, _events = make_quarter(7)
        whole = rows_by(program, ["month"])
        wheres: list[dict[str, list[str]]] = [{}, {"offer_type": ["discount"]}, {"region": ["north"]}]
        for where in wheres:
            for (month, _partner), row in rows_by(program, ["month", "partner"], where=where).items():
                total = whole[month,]["redemptions"]
                assert row["share_of_redemptions"] == pytest.approx(row["redemptions"] / total, abs=1e-9)
        assert whole["2026-04",]["share_of_redemptions"] == 1


class TestWork:
    @pytest.mark.parametrize("by", [["partner"], ["month", "offer", "region"]])
    def test_statements_do_not_grow_with_the_groups(self, by: list[str]) -> None:
        """Set-based: a few statements over the events, however many partners, offers and months there are."""
        program, _events = make_quarter(9)
        with CaptureQueriesContext(
            connection,
        ) as caught:
            rows_by(program, by)
        over_events = [query["sql"] for query in caught if "activity_event e" in query["sql"]]
        assert len(over_events) == 4

    def test_parts_that_are_left_out_are_null_and_cost_nothing(self) -> None:
        program, _events = make_quarter(9)
        with CaptureQueriesContext(connection) as caught:
            [row] = rows_by(program, [], leave_out=PARTS).values()
        assert len([query for query in caught if "activity_event e" in query["sql"]]) == 2  # of the tail
        assert row["funnel"] is row["eligible_members"] is row["settled_spend"] is row["reach_rate"] is None
        assert row["views"]

    def test_settings_of_the_connection_are_put_back(self) -> None:
        program = make_stocked_program()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT current_setting('enable_nestloop'), current_setting('work_mem')")
                before = cursor.fetchone()
                rows_by(program, [])
                cursor.execute("SELECT current_setting('enable_nestloop'), current_setting('work_mem')")
                assert cursor.fetchone() == before
        else:
            assert rows_by(program, [])[()]["views"] == 0
