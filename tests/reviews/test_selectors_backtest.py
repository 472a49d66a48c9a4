"""A rule tried on closed months says what it would have flagged: the same as if every month had been reviewed with it."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from partners.models import Program
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import User
from plum_site.lib.periods import parse_month
from reviews.choices import CycleState, DecisionKind
from reviews.models import Decision, Flag, RuleVersion, Scorecard
from reviews.rules import RuleSpec, make_cards
from reviews.selectors import backtest_rule, read_input
from reviews.selectors.backtest import with_rules
from reviews.services import close_cycle, deactivate_rule, decide, decide_by_standing, install_default_rules, save_rule
from tests.factories.reviews import APRIL, GOOD, IN_JULY, JUNE, MAY, make_reviewable_program, record_month, reviewed
from tests.support.documents import read_table

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

MARCH = date(2026, 3, 1)
MONTHS = (MARCH, APRIL, MAY, JUNE)
# P1 is well all the time, P2 falls in April and stays down until it recovers in June, P3 reverses a lot all the time.
FALLEN = {**GOOD, "unlocks": 15, "activations": 10, "redemptions": 6}
REVERSING = {**GOOD, "redemptions": 60, "reversals": 30}
HISTORY = {
    "2026-03": {"P1": GOOD, "P2": GOOD, "P3": REVERSING},
    "2026-04": {"P1": GOOD, "P2": FALLEN, "P3": REVERSING},
    "2026-05": {"P1": GOOD, "P2": FALLEN, "P3": REVERSING},
    "2026-06": {"P1": GOOD, "P2": GOOD, "P3": REVERSING},
}
LOW = RuleSpec("unlock_rate_low", "unlock_rate", "below", "fixed", Decimal("0.15"), 100)
FALL = RuleSpec("unlock_rate_fall", "unlock_rate", "below", "previous", Decimal("0.9"), 50)
REVERSED = RuleSpec("reversal_rate_high", "reversal_rate", "above", "fixed", Decimal("0.2"), 20, severity="critical")


def make_history(code: str = "acme", *rules: RuleSpec) -> Program:
    """A program with four closed months, reviewed with the rules of a new program and these."""
    program = make_reviewable_program("P1", "P2", "P3", code=code)
    for month, counts in HISTORY.items():
        record_month(program, month, counts)
    install_default_rules(program_id=program.pk, actor="system", at=IN_JULY)
    for rule in rules:
        save_rule(program_id=program.pk, name=rule.code, spec=rule, actor="system", at=IN_JULY)
    for month in MONTHS:
        reviewed(program, month, CycleState.CLOSED)
    return program


@pytest.fixture
def program() -> Program:
    return make_history()


@pytest.mark.parametrize(
    "rule",
    [
        LOW,
        FALL,
        REVERSED,
        replace(LOW, persistence=2),
        replace(REVERSED, cooldown=1),
        replace(REVERSED, cooldown=2),
        replace(REVERSED, cooldown=30, cooldown_unit="days"),
        replace(LOW, code="views_fall", metric="unlocks", threshold=Decimal(60), minimum_denominator=1),
    ],
    ids=lambda rule: f"{rule.code}, {rule.persistence} in a row, {rule.cooldown} {rule.cooldown_unit} silent",
)
def test_it_equals_reviewing_every_month_with_the_rule(program: Program, rule: RuleSpec) -> None:
    other = make_history("other", rule)

    tested = backtest_rule(program, rule)

    flags = Flag.objects.filter(rule_version__rule__code=rule.code, scorecard__cycle__program=other)
    reviewed_with = {
        (f"{flag.scorecard.cycle.month_start_date:%Y-%m}", flag.scorecard.partner.external_id, float(flag.observed))
        for flag in flags.select_related("scorecard__cycle", "scorecard__partner")
    }
    assert {(month.month, flag.partner, flag.observed) for month in tested.months for flag in month.flags} == reviewed_with
    assert reviewed_with, "a back-test of nothing shows nothing"
    assert [month.month for month in tested.months] == list(HISTORY)


def test_it_equals_replaying_each_cycle_with_the_rule(program: Program) -> None:
    tested = backtest_rule(program, LOW)

    for cycle, month in zip(program.cycles.order_by("month_start_date"), tested.months, strict=True):
        cards = make_cards(read_input(program, with_rules(cycle.config, [LOW]), cycle.cutoff or 0))
        again = [(card.partner, flag.observed, flag.threshold) for card in cards for flag in card.flags if flag.rule == LOW.code]
        assert [(flag.partner, flag.observed, flag.threshold) for flag in month.flags] == again
        assert (month.cutoff, month.partners) == (cycle.cutoff, 3)


def test_who_recovered_unaided_is_told_from_who_did_not(program: Program) -> None:
    tested = backtest_rule(program, LOW)

    assert [[(flag.partner, flag.recovered) for flag in month.flags] for month in tested.months] == [
        [],
        [("P2", "still_crossed")],
        [("P2", "unaided")],
        [],
    ]
    totals = tested.totals()
    assert {name: totals[name] for name in ("months", "flags", "partners", "flags_per_month", "busiest_month", "most_flags")} == {
        "months": 4,
        "flags": 2,
        "partners": 1,
        "flags_per_month": 0.5,
        "busiest_month": "2026-05",
        "most_flags": 1,
    }
    assert (totals["recovered_unaided"], totals["still_crossed"], totals["not_known"]) == (1, 1, 0)


def test_a_recovery_after_somebody_acted_is_not_unaided() -> None:
    program = make_reviewable_program("P1", "P2", "P3")
    for month, counts in HISTORY.items():
        record_month(program, month, counts)
    person = User.objects.create(username="closer")
    for month in MONTHS:
        cycle = reviewed(program, month)
        if month == MAY:
            card = Scorecard.objects.get(cycle=cycle, partner__external_id="P2")
            decide(scorecard_id=card.pk, kind=DecisionKind.ACT, comment="Call them.", actor=person, at=IN_JULY)
        decide_by_standing(cycle_id=cycle.pk, actor=person, at=IN_JULY)
        close_cycle(cycle_id=cycle.pk, actor=person, at=IN_JULY)
    assert Decision.objects.filter(kind=DecisionKind.ACT).count() == 1

    assert backtest_rule(program, LOW).totals()["recovered_after_action"] == 1
    assert backtest_rule(program, LOW).totals()["recovered_unaided"] == 0


def test_the_last_month_says_nothing_about_recovery(program: Program) -> None:
    june = backtest_rule(program, REVERSED).months[-1]

    assert [(flag.partner, flag.recovered) for flag in june.flags] == [("P3", "not_known")]


def test_it_is_held_against_the_version_in_force(program: Program) -> None:
    stricter = backtest_rule(program, replace(REVERSED, threshold=Decimal("0.6")))

    assert stricter.present is not None
    assert stricter.present.threshold == Decimal("0.1")
    assert [month.present_flags for month in stricter.months] == [1, 1, 1, 1]
    assert [month.only_present for month in stricter.months] == [["P3"]] * 4
    assert (stricter.totals()["flags"], stricter.totals()["dropped_flags"]) == (0, 4)

    same = backtest_rule(program, REVERSED)
    assert (same.totals()["new_flags"], same.totals()["dropped_flags"], same.totals()["present_flags"]) == (0, 0, 4)

    deactivate_rule(program_id=program.pk, code=REVERSED.code, actor="system", at=IN_JULY)
    assert backtest_rule(program, REVERSED).present is None


def test_nothing_is_written(program: Program) -> None:
    before = (RuleVersion.objects.count(), Flag.objects.count())

    backtest_rule(program, LOW)

    assert (RuleVersion.objects.count(), Flag.objects.count()) == before


def test_only_closed_months_count_and_so_many_as_are_asked_for(program: Program) -> None:
    assert [month.month for month in backtest_rule(program, LOW, 2).months] == ["2026-05", "2026-06"]
    fresh = make_reviewable_program("P1", code="fresh")
    record_month(fresh, "2026-06", {"P1": GOOD})
    reviewed(fresh)

    nothing = backtest_rule(fresh, LOW)

    assert (nothing.months, nothing.totals()["flags_per_month"], nothing.totals()["busiest_month"]) == ([], 0.0, None)
    for months in (0, 37):
        with pytest.raises(InvalidInput, match="1 to 36 closed months"):
            backtest_rule(program, LOW, months)


def test_progress_is_told_month_by_month(program: Program) -> None:
    told: list[tuple[int, int, str]] = []

    backtest_rule(program, LOW, progress=lambda *step: told.append(step))

    assert told == [(0, 4, "2026-03"), (1, 4, "2026-04"), (2, 4, "2026-05"), (3, 4, "2026-06"), (4, 4, "")]


def test_what_is_kept_with_a_version_is_bounded(program: Program) -> None:
    whole = backtest_rule(program, replace(REVERSED, cooldown=0)).as_json()
    bounded = backtest_rule(program, replace(REVERSED, cooldown=0)).as_json(0)

    assert [len(month["flagged"]) for month in whole["months"]] == [1, 1, 1, 1]
    assert [(len(month["flagged"]), month["left_out"], month["flags"]) for month in bounded["months"]] == [(0, 1, 1)] * 4
    assert whole["totals"] == bounded["totals"]


def test_the_worked_table_of_the_document_holds() -> None:
    rows = read_table("docs/rules/backtest.md", "Worked table")
    at = datetime(2026, 8, 15, 9, 30, tzinfo=UTC)
    program = make_reviewable_program("P1")
    install_default_rules(program_id=program.pk, actor="system", at=at)
    in_force = replace(LOW, threshold=Decimal(rows[0]["in force"]))
    save_rule(program_id=program.pk, name="Low", spec=in_force, actor="system", at=at)
    person = User.objects.create(username="closer")
    for row in rows:
        record_month(program, row["month"], {"P1": {"views": 300, "unlocks": int(row["unlocks"])}}, at=at)
    for row in rows:
        cycle = reviewed(program, parse_month(row["month"]), at=at)
        card = Scorecard.objects.get(cycle=cycle)
        kind = DecisionKind.ACT if row["acted"] == "yes" else DecisionKind.MONITOR
        decide(scorecard_id=card.pk, kind=kind, comment="", actor=person, at=at)
        close_cycle(cycle_id=cycle.pk, actor=person, at=at)

    tested = backtest_rule(program, LOW)

    assert [
        (
            month.month,
            "yes" if month.flags else "no",
            "yes" if month.present_flags else "no",
            "".join(flag.recovered for flag in month.flags),
        )
        for month in tested.months
    ] == [(row["month"], row["flag"], row["flagged now"], row["the month after"]) for row in rows]
    totals = tested.totals()
    assert (totals["flags"], totals["months"], totals["flags_per_month"]) == (4, 7, 0.6)
    assert (totals["recovered_unaided"], totals["flags"] - totals["not_known"]) == (1, 3)
