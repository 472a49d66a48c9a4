"""What `backtest_rule` prints is the back-test, and what cannot be tried is named."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from partners.models import Program
from reviews.choices import CycleState
from reviews.models import Flag, RuleVersion
from reviews.selectors import backtest_rule, find_version_in_force, spec_of
from tests.factories.reviews import APRIL, GOOD, JUNE, MAY, make_reviewable_program, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
LOW = {"metric": "unlock_rate", "direction": "below", "reference": "fixed", "threshold": 0.15, "minimum_denominator": 100}


@pytest.fixture
def program() -> Program:
    program = make_reviewable_program("P1", "P2")
    record_month(program, "2026-04", {"P1": GOOD, "P2": GOOD})
    record_month(program, "2026-05", {"P1": GOOD, "P2": {**GOOD, "unlocks": 15}})
    record_month(program, "2026-06", {"P1": GOOD, "P2": GOOD})
    for month in (APRIL, MAY, JUNE):
        reviewed(program, month, CycleState.CLOSED)
    return program


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("backtest_rule", "--program", "acme", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def try_rule(*arguments: str) -> dict[str, Any]:
    tried: dict[str, Any] = json.loads(run("--format", "json", *arguments))
    return tried


def test_a_rule_in_force_is_tried_as_it_is(program: Program) -> None:
    printed = try_rule("--rule", "unlock_rate_fall")

    version = find_version_in_force(program.pk, "unlock_rate_fall")
    assert version is not None
    assert printed == json.loads(json.dumps(backtest_rule(program, spec_of(version)).as_json()))
    assert printed["rule"] == printed["present"]
    assert (printed["totals"]["new_flags"], printed["totals"]["dropped_flags"]) == (0, 0)
    flags = Flag.objects.filter(rule_version__rule__code="unlock_rate_fall")
    stored = list(flags.values_list("scorecard__partner__external_id", flat=True))
    assert [flag["partner"] for month in printed["months"] for flag in month["flagged"]] == stored == ["P2"]


def test_parts_of_it_are_changed(program: Program) -> None:
    printed = try_rule(
        "--rule", "unlock_rate_fall", "--set", "threshold=0.1", "--set", "cooldown=2", "--set", "severity=critical"
    )

    assert {name: printed["rule"][name] for name in ("threshold", "cooldown", "severity")} == {
        "threshold": "0.100000000",
        "cooldown": 2,
        "severity": "critical",
    }
    assert (printed["totals"]["flags"], printed["totals"]["dropped_flags"]) == (0, 1)
    assert [month["only_present"] for month in printed["months"]] == [[], ["P2"], []]


def test_a_new_rule_comes_from_a_file_and_nothing_is_written(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "rule.json"
    file.write_text(json.dumps(LOW), encoding="utf-8")
    before = RuleVersion.objects.count()

    printed = try_rule("--rule", "unlock_rate_low", "--file", str(file), "--cycles", "2")

    assert printed["present"] is None
    assert [(month["month"], month["flags"]) for month in printed["months"]] == [("2026-05", 1), ("2026-06", 0)]
    assert printed["months"][0]["flagged"][0]["recovered"] == "unaided"
    assert printed["sentence"] == ("Flag a partner when its unlock rate in the month is below 15 %, with at least 100 views.")
    assert RuleVersion.objects.count() == before


def test_the_table_says_the_rule_in_words(program: Program) -> None:
    printed = run("--rule", "unlock_rate_fall", "--set", "threshold=0.5")

    assert "Flag a partner when its unlock rate in the month is below 50 % of its level in the 6 months before" in printed
    assert "Now in force" in printed
    assert "Flags: 1 in 3 months (0.3 a month; now 0.3), partners: 1. 1 of 1 whose next month is known recovered" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rule", "none"], "no rule in force 'none'"),
        (["--rule", "none", "--set", "threshold=0.5"], "metric: Say it"),
        (["--rule", "views_fall", "--set", "metric=wievs"], "Did you mean views"),
        (["--rule", "views_fall", "--set", "treshold=1"], "treshold: A rule has no part of this name"),
        (["--rule", "views_fall", "--set", "threshold=much"], "threshold: 'much' is no number"),
        (["--rule", "views_fall", "--set", "threshold=NaN"], "is no number"),
        (["--rule", "views_fall", "--set", "persistence=1.5"], "persistence: 1.5 is no whole number"),
        (["--rule", "views_fall", "--set", "is_strict=yes"], "is_strict: Write true or false"),
        (["--rule", "views_fall", "--set", "metric=5"], "metric: 5 is no word"),
        (["--rule", "views_fall", "--set", "persistence=99"], "persistence: Write 1 to 12 months"),
        (["--rule", "views_fall", "--cycles", "0"], "1 to 36 closed months"),
        (["--rule", "views_fall", "--set", "threshold"], "is no change"),
        (["--rule", "views_fall", "--file", "/nowhere/rule.json"], "cannot be read"),
        (["--rule", "views_fall", "--file", "x", "--set", "cooldown=1"], "not allowed with"),
    ],
)
def test_what_cannot_be_tried_is_named(program: Program, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError) as refusal:
        try_rule(*arguments)

    assert said in str(refusal.value)


@pytest.mark.parametrize("text", ["[1]", "no json", '{"metric": "views"'])
def test_a_file_that_is_no_rule_is_refused(program: Program, tmp_path: Path, text: str) -> None:
    file = tmp_path / "rule.json"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(CommandError, match="Nothing was computed"):
        try_rule("--rule", "views_fall", "--file", str(file))
