"""Made-up programs, and what the rules make of them: small, because `simulate_flags` measures at size."""

from io import StringIO
from json import loads
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from reviews.choices import Cause
from reviews.management.commands import simulate_flags
from reviews.rules import default_rules, make_cards
from reviews.rules.simulation import FAULTS, Fault, Maker, figures_of, play
from reviews.rules.trials import count_false_flags, find_planted

pytestmark = pytest.mark.slow

SILENT = lambda *_: None  # noqa: E731 - nobody watches


def test_the_same_seed_makes_the_same_program() -> None:
    def totals(seed: int) -> list[Any]:
        given = [given for _, given in play(Maker(5, 100, seed, 0.2), 2, by_day=False)]
        return [[entry.months[0] for entry in one.partners] for one in given]

    assert totals(1) == totals(1)
    assert totals(1) != totals(2)


def test_a_month_by_days_has_what_a_month_has() -> None:
    last = [given for _, given in play(Maker(20, 300, 3), 1, by_day=True)][-1]

    assert last.is_over
    assert last.elapsed == 1.0
    activations = [entry.months[0]["activations"] for entry in last.partners if entry.months[0]]
    assert sum(activations) / len(activations) == pytest.approx(300, rel=0.05)


def test_days_before_the_last_are_not_over() -> None:
    days = [given for _, given in play(Maker(2, 100, 1), 1, by_day=True)]

    assert len(days) == 31
    assert [given.is_over for given in days] == [False] * 30 + [True]


def test_figures_have_their_rates() -> None:
    row = figures_of(Maker(1, 500, 1).draw_day(0, 0, 1))

    assert row["unlock_rate"] == row["unlocks"] / row["views"]
    assert row["attempts"] == row["unlocks"] + row["activations"] + row["redemptions"] + row["failures"]


def test_nobody_at_fault_is_nobody_called_and_a_bare_threshold_calls_somebody() -> None:
    found = count_false_flags(partners=40, months=4, activations=200, seed=5, spread=0.0, progress=SILENT)

    assert found.months_with_false_flag == 0
    assert found.raw_months_with_false_flag > 0
    assert found.evaluations == 31 + 29 + 31 + 30
    assert found.as_json()["share"] == 0.0


@pytest.mark.parametrize("cause", FAULTS)
def test_a_fault_is_called_by_its_cause(cause: str) -> None:
    maker = Maker(40, 500, 11, 0.1, {7: Fault(cause, 3, 0.4)})
    [cards] = [make_cards(given) for month, given in play(maker, 4, by_day=False) if month == 3]

    assert {card.partner: Cause(card.diagnosis["cause"]) for card in cards if card.flags and card.diagnosis} == {
        "P0007": Cause(cause)
    }


def test_slow_faults_are_found_later() -> None:
    asked = {"partners": 40, "programs": 1, "activations": 500, "left": 0.4, "spread": 0.1, "seed": 2, "progress": SILENT}
    at_once = find_planted(months_after=4, **asked)
    slowly = find_planted(months_after=4, is_slow=True, **asked)

    assert (at_once.planted, slowly.planted) == (5, 5)
    assert at_once.found == slowly.found == 5
    assert slowly.months_to_detection > at_once.months_to_detection
    assert at_once.as_json()["precision"] == 1.0


def test_the_command_prints_what_it_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate_flags, "PROGRAMS", 1)
    out = StringIO()
    call_command("simulate_flags", partners=60, months=2, activations=500, identical=True, format="json", stdout=out)
    printed = loads(out.getvalue())

    assert printed["nobody_at_fault"]["months_with_false_flag"] == 0
    assert printed["power"]["recall"] == 1.0
    assert set(printed["planted"]) >= {"planted", "found", "precision", "recall", "right_cause", "causes"}


def test_the_command_fails_where_falls_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate_flags, "PROGRAMS", 1)
    with pytest.raises((CommandError, SystemExit)):
        call_command("simulate_flags", partners=30, activations=8, only="power", stdout=StringIO(), stderr=StringIO())


def test_the_rules_that_are_measured_are_those_that_a_program_starts_with() -> None:
    _, given = next(play(Maker(2, 100, 1), 1, by_day=False))

    assert [rule.code for rule in given.rules] == [named.spec.code for named in default_rules("view_first")]
