"""Figures by segment, by cohort and of one member, against the same counted by hand; small groups stay hidden."""

from collections import defaultdict
from datetime import date
from typing import Any

import pytest

from activity.metrics import METRICS, funnel_stages, measure
from activity.models import Member
from activity.services import MemberRow, Person, apply_people, find_member, seal_ledger
from offers.models import Segment
from offers.services import save_segment
from partners.models import Program
from plum_site.lib.errors import InvalidInput
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record
from tests.factories.offers import make_segment
from tests.factories.programs import CREATED_AT
from tests.factories.quarters import JULY, STAGES, label, make_quarter, rows_by
from tests.support.counting import count_pairs, month_of, tally_groups

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
LEFT_OUT = ["eligible", "settled", "funnel"]
RULES: dict[str, list[tuple[str, str, list[str]]]] = {
    "everyone": [],
    "cards": [("business_unit", "is", ["cards"])],
    "northerners": [("region", "is", ["north"]), ("business_unit", "is_not", ["loans"])],
    "abroad": [("country", "is_not", ["DE", ""])],
    "german-cards": [("country", "is", ["DE"]), ("business_unit", "is", ["cards", ""])],
    "nobody": [("region", "is", ["moon"])],
}


def make_segments(program: Program, rules: dict[str, Any]) -> None:
    for code, conditions in rules.items():
        rule = [{"attribute": name, "operator": operator, "values": values} for name, operator, values in conditions]
        save_segment(program_id=program.pk, code=code, name=code, rule=rule, actor="system", at=CREATED_AT)


def make_spring(seed: int, **settings: Any) -> tuple[Program, list[dict[str, str]]]:
    """A quarter, and its events without those that are July in Berlin already."""
    program, events = make_quarter(seed, **settings)
    return program, [e for e in events if month_of(e, "Europe/Berlin") < "2026-07"]


def fits(row: dict[str, str], code: str) -> bool:
    """Whether the member of an event was in a segment then, by the plain tables."""
    values = {
        name: label(row, f"member.{name}" if name == "country" else name) for name in ("region", "business_unit", "country")
    }
    return all((values[name] in kept) == (operator == "is") for name, operator, kept in RULES[code])


def check(program: Program, by: list[str], tallies: dict[Any, Any], **where: list[str]) -> None:
    rows = rows_by(program, by, where=where, leave_out=LEFT_OUT)
    assert set(rows) == set(tallies)
    for key, tally in tallies.items():
        expected = measure(tally, program.recorded_stages)
        counted = [name for name in METRICS if not name.startswith("share_of")]
        assert {name: rows[key][name] for name in counted} == {name: expected[name] for name in counted}, key


class TestSegments:
    @pytest.mark.parametrize("rules", [RULES, {code: RULES[code] for code in ("everyone", "cards", "northerners", "nobody")}])
    def test_an_event_counts_in_every_segment_that_its_member_was_in(self, rules: dict[str, Any]) -> None:
        """Also where rules ask about attributes that are no reporting attributes: then versions say who was what, when."""
        program, events = make_spring(31)
        make_segments(program, rules)
        for code in rules:
            kept = [e for e in events if fits(e, code)]
            check(program, ["partner"], tally_groups(kept, lambda e: (label(e, "partner"),)), segment=[code])
        grouped: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
        for row in events:
            for code in rules:
                if fits(row, code):
                    grouped[code, label(row, "region")].append(row)
        check(program, ["segment", "region"], {key: tally_groups(rows, lambda _: ())[()] for key, rows in grouped.items()})

    def test_several_are_any_of_them(self) -> None:
        program, events = make_spring(32)
        make_segments(program, RULES)
        kept = [e for e in events if fits(e, "cards") or fits(e, "abroad")]
        check(program, ["offer_type"], tally_groups(kept, lambda e: (label(e, "offer_type"),)), segment=["abroad", "cards"])

    def test_shares_by_segment_are_of_the_program(self) -> None:
        program, _events = make_quarter(33)
        make_segments(program, RULES)
        total = rows_by(program, [])[()]["redemptions"]
        rows = rows_by(program, ["segment"], leave_out=LEFT_OUT)
        assert rows["everyone",]["share_of_redemptions"] == 1
        assert rows["cards",]["share_of_redemptions"] == pytest.approx(rows["cards",]["redemptions"] / total, abs=1e-9)

    def test_a_funnel_asks_about_the_first_step_in_every_segment(self) -> None:
        program, events = make_spring(34)
        make_segments(program, RULES)
        stages = funnel_stages("view_first", program.recorded_stages)
        first = count_pairs(events, stages, lambda e: ("|".join(code for code in RULES if fits(e, code)),))
        rows = rows_by(program, ["segment"], leave_out=["eligible", "settled"])
        for code in RULES:
            counted = [found[0][1] for (codes,), found in first.items() if code in codes.split("|")]
            assert (rows[code,]["funnel"][0]["pairs"] if (code,) in rows else 0) == sum(counted)

    def test_eligible_members_are_those_in_the_segment_at_the_end(self) -> None:
        program, _events = make_quarter(35)
        make_segments(program, RULES)
        rows = rows_by(program, ["segment"])
        assert rows["cards",]["eligible_members"] == 4
        assert rows["everyone",]["eligible_members"] == 12
        assert rows_by(program, [], where={"segment": ["cards"]})[()]["eligible_members"] == 4

    def test_an_unknown_code_names_those_that_there_are(self) -> None:
        program = make_stocked_program()
        with pytest.raises(InvalidInput, match="has no segments yet"):
            rows_by(program, [], where={"segment": ["cards"]})
        make_segment(program)
        with pytest.raises(InvalidInput, match=r"no segment 'card' in acme\. There are: cards"):
            rows_by(program, ["segment"], where={"segment": ["card"]})

    def test_segments_of_another_program_do_not_count(self) -> None:
        program, other = make_stocked_program(recorded_stages=STAGES, minimum_group=1), make_stocked_program("other")
        make_segment(other)
        record(program, [event(1)])
        assert rows_by(program, ["segment"]) == {}
        assert Segment.objects.count() == 1


class TestCohorts:
    @pytest.fixture
    def quarter(self) -> tuple[Program, list[dict[str, str]], dict[str, str]]:
        program, events = make_spring(36)
        joined = {}
        for number in range(12):
            month = ("2025-11", "2026-02", "")[number % 3]
            joined[f"M{number}"] = month
            member = find_member(program=program, external_id=f"M{number}")
            Member.objects.filter(pk=member.pk).update(joined_date=date.fromisoformat(f"{month}-09") if month else None)
        return program, events, joined

    def test_by_the_month_of_joining(self, quarter) -> None:
        program, events, joined = quarter
        check(program, ["join_month"], tally_groups(events, lambda e: (joined[e["member"]],)))
        kept = [e for e in events if joined[e["member"]] in ("2026-02", "")]
        tallies = tally_groups(kept, lambda e: (month_of(e, "Europe/Berlin"),))
        check(program, ["month"], tallies, join_month=["2026-02", ""])

    def test_by_the_month_of_the_first_activation_ever(self, quarter) -> None:
        """Also of an activation before or after the period that is asked about."""
        program, events, _joined = quarter
        first: dict[str, str] = {}
        for row in events:
            if row["kind"] == "activated" and row["status"] == "confirmed":
                month = month_of(row, "Europe/Berlin")
                first[row["member"]] = min(month, first.get(row["member"], month))
        check(program, ["first_activation_month"], tally_groups(events, lambda e: (first.get(e["member"], ""),)))
        may = [e for e in events if month_of(e, "Europe/Berlin") == "2026-05" and first.get(e["member"]) == "2026-04"]
        rows = rows_by(
            program,
            [],
            where={"first_activation_month": ["2026-04"]},
            starts_date=date(2026, 5, 1),
            ends_date=date(2026, 6, 1),
            leave_out=LEFT_OUT,
        )
        assert rows[()]["members_any"] == len({e["member"] for e in may})

    def test_an_activation_after_the_cut_off_makes_no_cohort(self) -> None:
        program = make_stocked_program(recorded_stages=STAGES, minimum_group=1)
        record(program, [event(1)])
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
        record(program, [event(2, "activated")])
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
        assert list(rows_by(program, ["first_activation_month"], cutoff=1)) == [("",)]
        assert list(rows_by(program, ["first_activation_month"])) == [("2026-06",)]

    def test_eligible_members_by_cohort(self, quarter) -> None:
        program, _events, joined = quarter
        rows = rows_by(program, ["join_month"])
        assert {key[0]: row["eligible_members"] for key, row in rows.items()} == {
            month: list(joined.values()).count(month) for month in ("2025-11", "2026-02", "")
        }
        activated = rows_by(program, ["first_activation_month"])
        assert sum(row["eligible_members"] for row in activated.values()) == 12

    def test_a_month_that_is_none(self) -> None:
        program = make_stocked_program()
        for name in ("join_month", "first_activation_month"):
            with pytest.raises(InvalidInput, match="'June' is no month"):
                rows_by(program, [], where={name: ["June"]})


class TestOneMember:
    def test_figures_of_one_member_are_never_hidden(self) -> None:
        program, events = make_spring(37, minimum_group=5)
        member = find_member(program=program, external_id="M0")
        own = [e for e in events if e["member"] == "M0"]
        tallies = tally_groups(own, lambda e: (label(e, "region"), label(e, "partner")))
        check(program, ["region", "partner"], tallies, member=[member.key.hex()])
        rows = rows_by(program, ["partner"], where={"member": [member.key.hex()]})
        assert {row["eligible_members"] for row in rows.values()} == {1}

    def test_is_named_by_key_and_of_the_program(self) -> None:
        program, other = make_stocked_program(), make_stocked_program("other")
        foreign = find_member(program=other, external_id="M1").key.hex()
        for text in ("M1", "zz" * 16, "00" * 16, foreign):
            with pytest.raises(InvalidInput) as caught:
                rows_by(program, [], where={"member": [text]})
            assert caught.value.code == "unknown_member"
        with pytest.raises(InvalidInput, match="not broken down by single members"):
            rows_by(program, ["member"])


class TestSuppression:
    def stock(self, groups: dict[str, int]) -> Program:
        """So many members of each region, all of unit cards, view O1 in June."""
        program = make_stocked_program(recorded_stages=STAGES)
        names = [(f"{region}{number}", region) for region, count in groups.items() for number in range(count)]
        people = [MemberRow(Person(name), {"business_unit": "cards", "region": region}) for name, region in names]
        apply_people(program=program, source="file", rows=people, actor="system", at=CREATED_AT)
        record(program, [event(name, member=name) for name, _region in names])
        return program

    def shown(self, program: Program, by: list[str], **where: list[str]) -> dict[tuple[str, ...], bool]:
        rows = rows_by(program, by, where=where, ends_date=JULY)
        for row in rows.values():
            assert (row["members_any"] is None) is row["suppressed"]
        return {key: not row["suppressed"] for key, row in rows.items()}

    def test_a_small_segment_is_hidden(self) -> None:
        program = self.stock({"north": 3, "south": 9})
        make_segments(program, {"north": [("region", "is", ["north"])]})
        assert self.shown(program, ["segment"]) == {("north",): False}
        assert self.shown(program, [], segment=["north"]) == {(): False}

    def test_a_segment_that_leaves_out_only_a_few_is_hidden(self) -> None:
        program = self.stock({"north": 3, "south": 9})
        make_segments(program, {"south": [("region", "is_not", ["north"])]})
        assert self.shown(program, ["segment"]) == {("south",): False}
        assert self.shown(program, ["partner"], segment=["south"]) == {("P1",): False}

    def test_of_two_segments_that_differ_by_a_few_neither_gives_these_away(self) -> None:
        program = self.stock({"north": 3, "south": 9, "west": 20})
        rules = {"south": ("region", "is", ["south"]), "both": ("region", "is", ["north", "south"])}
        make_segments(program, {code: [rule] for code, rule in rules.items()})
        assert self.shown(program, ["segment"]) == {("both",): True, ("south",): False}
        assert self.shown(program, [], segment=["both"]) == {(): True}

    def test_large_segments_are_shown(self) -> None:
        program = self.stock({"north": 6, "south": 9})
        make_segments(program, {"north": [("region", "is", ["north"])], "cards": [("business_unit", "is", ["cards"])]})
        assert self.shown(program, ["segment"]) == {("cards",): True, ("north",): True}
        assert self.shown(program, ["segment", "region"], region=["south"]) == {("cards", "south"): True}

    @pytest.mark.parametrize(("early", "late", "expected"), [(3, 9, False), (6, 9, True)])
    def test_cohorts_are_groups_of_members(self, early: int, late: int, expected: bool) -> None:
        program = self.stock({"north": early, "south": late})
        for name, count, day in (("north", early, date(2026, 1, 5)), ("south", late, date(2026, 2, 5))):
            keys = [find_member(program=program, external_id=f"{name}{number}").pk for number in range(count)]
            Member.objects.filter(pk__in=keys).update(joined_date=day)
        assert self.shown(program, ["join_month"]) == {("2026-01",): expected, ("2026-02",): expected}
        assert self.shown(program, [], join_month=["2026-02"]) == {(): expected}
        assert self.shown(program, ["region"], join_month=["2026-02"])["south",] is expected
