"""Data gaps from the ledger to the closing of a month."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from activity.models import EventSource
from activity.selectors.silences import count_source_days, list_silences
from activity.services import seal_ledger
from activity.services.statements import set_rhythm, state_complete_through
from partners.models import Program
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import AuditEvent
from reviews.models import DataGap, Flag, ReviewCycle, Scorecard
from reviews.selectors import list_gaps, list_lasting_gaps
from reviews.services import (
    UnableToAcceptGap,
    UnableToCloseCycle,
    accept_gap,
    check_sources,
    close_cycle,
    consolidate_cycle,
    decide_by_standing,
    replay,
)
from tests.factories.ledger import record
from tests.factories.people import make_person
from tests.factories.reviews import JUNE, make_reviewable_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

FIRST, AFTER = date(2026, 5, 1), date(2026, 7, 15)
MISSING = (date(2026, 6, 9), date(2026, 6, 10))
AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
STARTS_AT, ENDS_AT = datetime(2026, 6, 8, 22, tzinfo=UTC), datetime(2026, 6, 10, 22, tzinfo=UTC)  # days of Berlin


def stream(
    offer: str, per_day: int = 60, first: date = FIRST, end: date = AFTER, missing: tuple[date, ...] = (), kind: str = "viewed"
) -> Iterator[dict[str, Any]]:
    """So many events a day of one offer, a second apart, but for the missing days."""
    day = first
    while day < end:
        if day not in missing:
            for number in range(per_day):
                yield {
                    "event_id": f"{offer}-{kind}-{day}-{number}",
                    "occurred_at": f"{day}T10:{number // 60:02d}:{number % 60:02d}Z",
                    "kind": kind,
                    "status": "confirmed",
                    "member": f"M{number % 20}",
                    "offer": offer,
                }
        day += timedelta(days=1)


@pytest.fixture
def program(db: None) -> Program:
    """Two partners, each fed by a source of its own; the till of P1 was silent on two days of June."""
    program = make_reviewable_program()
    record(program, stream("O-P1", missing=MISSING), source="till", at=AT)
    record(program, stream("O-P2"), source="shop", at=AT)
    return program


def consolidated(program: Program, month: date = JUNE, at: datetime = AT) -> ReviewCycle:
    return consolidate_cycle(program_id=program.pk, month_start_date=month, actor="system", at=at, by_hand=True)


def decided(program: Program) -> ReviewCycle:
    cycle = consolidated(program)
    decide_by_standing(cycle_id=cycle.pk, actor=make_person("decider"), at=AT)
    return cycle


def test_two_missing_days_are_one_gap(program: Program) -> None:
    cycle = consolidated(program)
    gap = DataGap.objects.get(program=program)
    assert (gap.source.code, gap.starts_at, gap.ends_at) == ("till", STARTS_AT, ENDS_AT)
    assert cycle.config["gaps"] == [
        {
            "source": "till",
            "starts_at": STARTS_AT.isoformat(),
            "ends_at": ENDS_AT.isoformat(),
            "offers": ["O-P1"],
            "partners": ["P1"],
            "counts": ["views"],
        }
    ]
    assert not Flag.objects.filter(scorecard__cycle=cycle).exists()
    named = {card.partner.external_id: card.evidence["gaps"] for card in Scorecard.objects.filter(cycle=cycle)}
    assert [one["source"] for one in named["P1"]] == ["till"]
    assert named["P2"] == []
    assert replay(cycle_id=cycle.pk).is_equal


def test_other_months_have_none(program: Program) -> None:
    assert consolidated(program, date(2026, 5, 1)).config["gaps"] == []
    assert consolidated(program, date(2026, 7, 1)).config["gaps"] == []


def test_the_same_in_any_order_and_up_to_a_cutoff(program: Program) -> None:
    """The rollup without what was sealed since is the ledger as it was."""
    seal_ledger(program_id=program.pk, at=AT)
    before = {EventSource.objects.get(pk=pk).code: days for pk, days in count_source_days(program.pk, 10**6).items()}
    head = max(EventSource.objects.filter(code="shop").values_list("batches__seal__number", flat=True))
    known = list_gaps(program, JUNE, head, AT)
    late = list(stream("O-P1", first=MISSING[0], end=date(2026, 6, 11)))
    record(program, reversed(late), source="till", at=AT)
    seal_ledger(program_id=program.pk, at=AT)
    assert list_gaps(program, JUNE, head, AT) == known != []
    assert list_gaps(program, JUNE, head + 1, AT) == []
    after = {EventSource.objects.get(pk=pk).code: days for pk, days in count_source_days(program.pk, head).items()}
    assert {code: {day: n for day, n in days.items() if n} for code, days in after.items()} == before


def test_closing_needs_the_gap_accepted_by_name(program: Program) -> None:
    cycle, person = decided(program), make_person("ada")
    with pytest.raises(UnableToCloseCycle, match="till was silent from 2026-06-09 to 2026-06-10") as refused:
        close_cycle(cycle_id=cycle.pk, actor=person, at=AT)
    assert (refused.value.code, refused.value.exit_code) == ("gap_not_accepted", 1)
    gap = DataGap.objects.get()
    with pytest.raises(InvalidInput, match="say why"):
        accept_gap(gap_id=gap.pk, reason="  ", actor=person, at=AT)
    accept_gap(gap_id=gap.pk, reason="The till was being replaced.", actor=person, at=AT)
    with pytest.raises(UnableToAcceptGap):
        accept_gap(gap_id=gap.pk, reason="Again.", actor=person, at=AT)
    entry = AuditEvent.objects.get(action="reviews.accept_data_gap")
    assert (entry.actor, entry.comment) == (f"user:{person.pk}", "The till was being replaced.")
    assert close_cycle(cycle_id=cycle.pk, actor=person, at=AT).state == "closed"


def test_what_arrives_late_ends_the_gap_and_asks_for_another_consolidation(program: Program) -> None:
    cycle, person = decided(program), make_person("ada")
    record(program, stream("O-P1", first=MISSING[0], end=date(2026, 6, 11)), source="till", at=AT)
    seal_ledger(program_id=program.pk, at=AT)
    check_sources(program_id=program.pk, at=AT)
    assert not DataGap.objects.exists()
    assert AuditEvent.objects.filter(action="reviews.drop_data_gap").exists()
    with pytest.raises(UnableToCloseCycle, match="have arrived since") as refused:
        close_cycle(cycle_id=cycle.pk, actor=person, at=AT)
    assert refused.value.code == "gap_overtaken"
    consolidated(program)
    decide_by_standing(cycle_id=cycle.pk, actor=person, at=AT)
    assert close_cycle(cycle_id=cycle.pk, actor=person, at=AT).state == "closed"


def test_an_accepted_gap_that_grows_to_the_past_is_accepted_again(program: Program) -> None:
    consolidated(program)
    gap = DataGap.objects.get()
    accept_gap(gap_id=gap.pk, reason="Known.", actor=make_person("ada"), at=AT)
    DataGap.objects.update(starts_at=datetime(2026, 6, 9, 22, tzinfo=UTC))  # as if only the second day had been known
    check_sources(program_id=program.pk, at=AT)
    gap.refresh_from_db()
    assert (gap.starts_at, gap.accepted_at, gap.reason) == (STARTS_AT, None, "")


def test_an_accepted_gap_stays_when_what_was_missing_arrives(program: Program) -> None:
    consolidated(program)
    gap = DataGap.objects.get()
    accept_gap(gap_id=gap.pk, reason="Known.", actor=make_person("ada"), at=AT)
    record(program, stream("O-P1", first=MISSING[0], end=date(2026, 6, 11)), source="till", at=AT)
    check_sources(program_id=program.pk, at=AT)
    consolidated(program)
    assert DataGap.objects.get().accepted_at is not None


def test_a_silence_that_lasts_is_shown_until_something_comes(program: Program) -> None:
    at = datetime(2026, 7, 18, 12, tzinfo=UTC)
    seal_ledger(program_id=program.pk, at=at)
    opened = check_sources(program_id=program.pk, at=at)
    assert {(gap.source.code, gap.ends_at) for gap in opened} == {("till", ENDS_AT), ("till", None), ("shop", None)}
    assert check_sources(program_id=program.pk, at=at) == []
    assert list_lasting_gaps(program.pk).count() == 2
    record(program, stream("O-P2", first=date(2026, 7, 18), end=date(2026, 7, 19)), source="shop", at=at + timedelta(hours=9))
    seal_ledger(program_id=program.pk, at=at)
    check_sources(program_id=program.pk, at=at + timedelta(hours=9))
    assert [gap.source.code for gap in list_lasting_gaps(program.pk)] == ["till"]
    assert DataGap.objects.get(source__code="shop").ends_at == datetime(2026, 7, 17, 22, tzinfo=UTC)


def test_a_stated_quiet_day_and_a_small_source_are_no_gap(program: Program) -> None:
    record(program, stream("O-P2", 5, missing=MISSING), source="small", at=AT)
    state_complete_through(program=program, code="till", complete_through=ENDS_AT, actor="system", at=AT)
    assert consolidated(program).config["gaps"] == []
    set_rhythm(source_id=EventSource.objects.get(code="small").pk, rhythm="daily", actor="system", at=AT)
    assert [gap["source"] for gap in consolidated(program).config["gaps"]] == ["small"]


def test_a_fall_of_volume_for_want_of_data_is_no_flag() -> None:
    """A till that was silent for half of June: what is missing is not held against its partner, but against nobody else's."""
    program = make_reviewable_program()
    missing = tuple(date(2026, 6, day) for day in range(3, 26))
    record(program, stream("O-P1", missing=missing), source="till", at=AT)
    record(program, stream("O-P2", 57), source="shop", at=AT)
    record(program, stream("O-P2", 200, end=date(2026, 6, 1)), source="file", at=AT)  # ended for good with May
    cycle = consolidated(program, at=datetime(2026, 8, 15, 9, 30, tzinfo=UTC))
    cards = {card.partner.external_id: card for card in Scorecard.objects.filter(cycle=cycle)}
    assert [one["why_no_flag"] for one in cards["P1"].evidence["crossed"] if one["rule"] == "views_fall"] == ["data_gap"]
    assert not cards["P1"].flags.exists()
    assert cards["P2"].flags.exists()
    assert replay(cycle_id=cycle.pk).is_equal


def test_nothing_is_missing_before_the_first_event() -> None:
    program = make_reviewable_program()
    record(program, stream("O-P1", first=date(2026, 7, 1)), source="till", at=AT)
    assert consolidated(program).config["gaps"] == []
    assert list_silences(program, 10**6, AT) == []
