"""Last year as the ledger has it: frozen, read up to the cut-off only, kept while a month runs, and the same at every replay."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import pytest

from partners.models import Program
from plum_site.lib.periods import month_text, next_month
from reviews.models import Flag, ReviewCycle
from reviews.selectors import history, read_input
from reviews.services import diff_review, replay
from tests.factories.ledger import record
from tests.factories.reviews import JULY, make_reviewable_program, month_of_events, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

PARTNERS = [f"P{number}" for number in range(6)]
USUAL, LOW = {"views": 100}, {"views": 60}
IN_AUGUST = datetime(2026, 8, 15, tzinfo=UTC)
FIRST = date(2024, 12, 1)  # the month of last year that is read at most: seven before July 2025


def is_july(month: str) -> bool:
    return month.endswith("-07")


def months_until(last: date, first: date = FIRST) -> list[str]:
    months = [first]
    while months[-1] < last:
        months.append(next_month(months[-1]))
    return [month_text(month) for month in months]


def fill(program: Program, months: list[str], changes: Mapping[tuple[str, str], dict[str, int]] | None = None) -> None:
    for month in months:
        counts = {partner: LOW if is_july(month) else USUAL for partner in PARTNERS}
        record_month(
            program, month, counts | {name: row for (at, name), row in (changes or {}).items() if at == month}, at=IN_AUGUST
        )


@pytest.fixture
def program() -> Program:
    program = make_reviewable_program(*PARTNERS)
    fill(program, months_until(JULY), {("2026-07", "P1"): {"views": 5}})
    return program


def review(program: Program, **options: Any) -> ReviewCycle:
    return reviewed(program, JULY, at=IN_AUGUST, **options)


def test_last_year_is_what_the_second_july_is_measured_by(program: Program) -> None:
    cycle = review(program)

    assert cycle.config["has_last_year"] is True
    [flag] = Flag.objects.filter(scorecard__cycle=cycle)
    assert (flag.scorecard.partner.external_id, flag.metric) == ("P1", "views")
    assert flag.evidence["reference"]["season"] == "last_year"
    assert flag.evidence["reference"]["value"] == pytest.approx(60, rel=0.08), (
        "a few events make it a little less than a season of 0.6"
    )
    crossed = {card.partner.external_id: card.evidence["crossed"] for card in cycle.scorecards.select_related("partner")}
    assert not any(rows for name, rows in crossed.items() if name != "P1")
    expected = cycle.scorecards.get(partner__external_id="P2").expected
    assert expected["views"] == pytest.approx(62, rel=0.05), "a day of June has 100 of 30, one of July 60 of 31"


def test_a_replay_gives_the_same_and_does_not_see_what_came_later(program: Program) -> None:
    cycle = review(program, state="closed")
    events = [event for name in PARTNERS for event in month_of_events("2025-07", name, {"views": 90}, tag="late")]
    record(program, events, at=IN_AUGUST)
    reviewed(program, date(2026, 6, 1), at=IN_AUGUST)  # seals

    assert replay(cycle_id=cycle.pk).is_equal
    assert diff_review(cycle_id=cycle.pk).as_of > (cycle.cutoff or 0)
    last_year = {entry.partner: entry.last_year for entry in read_input(program, cycle.config, cycle.cutoff or 0).partners}
    assert last_year["P2"] == [60, *[100] * 7]


def test_the_order_of_arrival_makes_no_difference(program: Program) -> None:
    other = make_reviewable_program(*PARTNERS, code="other")
    events = [
        event
        for month in months_until(JULY)
        for name in PARTNERS
        for event in month_of_events(
            month, name, {"views": 5} if (month, name) == ("2026-07", "P1") else LOW if is_july(month) else USUAL
        )
    ]
    Random(3).shuffle(events)
    for start in range(0, len(events), 4000):
        record(other, events[start : start + 4000], at=IN_AUGUST)
    digests = set()
    for one in (program, other):
        cycle = review(one)
        cycle.config["program"]["code"] = "the same"
        cycle.save(update_fields=["config"])
        digests.add(replay(cycle_id=cycle.pk).recomputed)

    assert len(digests) == 1


def test_a_cycle_that_was_frozen_before_is_replayed_without_a_season(program: Program) -> None:
    cycle = review(program)
    older = {name: value for name, value in cycle.config.items() if name != "has_last_year"}

    assert {tuple(entry.last_year) for entry in read_input(program, older, cycle.cutoff or 0).partners} == {()}


@pytest.mark.parametrize(("first", "reaches"), [(date(2025, 3, 1), True), (date(2025, 4, 1), False)])
def test_a_young_ledger_has_no_last_year(first: date, reaches: bool) -> None:
    young = make_reviewable_program(*PARTNERS)
    fill(young, months_until(JULY, first))

    cycle = review(young)

    assert cycle.config["has_last_year"] is reaches
    assert bool(cycle.scorecards.get(partner__external_id="P2").expected) is reaches


def test_a_running_month_reads_last_year_once(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Any] = []
    whole = history.count_by

    def note(**asked: Any) -> Any:
        reads.append(asked["starts_date"])
        return whole(**asked)

    monkeypatch.setattr(history, "count_by", note)
    monkeypatch.setattr(history, "_kept", {})
    running = datetime(2026, 7, 25, tzinfo=UTC)
    for number in range(3):
        record_month(program, "2026-07", {"P2": {"views": 1}}, tag=str(number), at=running)
        reviewed(program, JULY, at=running, state="open")

    assert reads == [FIRST]
