"""Data gaps from the ledger to the closing of a month."""

from datetime import UTC, date, datetime, timedelta

import pytest

from activity.models import EventSource
from activity.selectors.silences import count_source_days, list_silences
from activity.services import seal_ledger
from activity.services.statements import set_rhythm, state_complete_through
from partners.models import Program
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import AuditEvent, User
from reviews.models import DataGap, Flag, ReviewCycle, Scorecard
from reviews.selectors import get_data_gap, list_gaps, list_lasting_gaps, list_unaccepted
from reviews.services import (
    UnableToCloseCycle,
    accept_gaps_of,
    change_gap_state,
    check_sources,
    close_cycle,
    consolidate_cycle,
    decide_by_standing,
    replay,
)
from tests.factories.ledger import record
from tests.factories.people import make_person
from tests.factories.reviews import JUNE, make_reviewable_program
from tests.factories.silences import AT, ENDS_AT, MISSING, STARTS_AT, make_program_with_gap, stream

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


@pytest.fixture
def program(db: None) -> Program:
    return make_program_with_gap()


def consolidated(program: Program, month: date = JUNE, at: datetime = AT) -> ReviewCycle:
    return consolidate_cycle(program_id=program.pk, month_start_date=month, actor="system", at=at, by_hand=True)


def decided(program: Program) -> ReviewCycle:
    cycle = consolidated(program)
    decide_by_standing(cycle_id=cycle.pk, actor=make_person("decider"), at=AT)
    return cycle


def accepted(gap: DataGap, comment: str, person: User | None = None) -> DataGap:
    return change_gap_state(gap_id=gap.pk, name="accept", comment=comment, actor=person or make_person("accepter"), at=AT)


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
    with pytest.raises(InvalidInput, match="says why"):
        accepted(gap, "  ", person)
    accepted(gap, "The till was being replaced.", person)
    with pytest.raises(DomainError, match="Possible now: withdraw"):
        accepted(gap, "Again.", person)
    entry = AuditEvent.objects.get(action="reviews.accept_data_gap")
    assert (entry.actor, entry.comment) == (f"user:{person.pk}", "The till was being replaced.")
    assert close_cycle(cycle_id=cycle.pk, actor=person, at=AT).state == "closed"


def test_an_acceptance_is_taken_back_while_no_month_is_closed_with_it(program: Program) -> None:
    cycle, person = decided(program), make_person("ada")
    gap = DataGap.objects.get()
    with pytest.raises(DomainError, match="Possible now: accept"):
        change_gap_state(gap_id=gap.pk, name="withdraw", comment="Never was.", actor=person, at=AT)
    accepted(gap, "The till was being replaced.", person)

    with pytest.raises(InvalidInput, match="says why"):
        change_gap_state(gap_id=gap.pk, name="withdraw", actor=person, at=AT)
    change_gap_state(gap_id=gap.pk, name="withdraw", comment="It was another till.", actor=person, at=AT)

    gap.refresh_from_db()
    assert (gap.accepted_by, gap.accepted_at, gap.reason) == ("", None, "")
    entry = AuditEvent.objects.get(action="reviews.withdraw_data_gap")
    assert (entry.actor, entry.comment) == (f"user:{person.pk}", "It was another till.")
    assert (entry.before["reason"], entry.after["reason"]) == ("The till was being replaced.", "")
    with pytest.raises(UnableToCloseCycle, match="not accepted"):
        close_cycle(cycle_id=cycle.pk, actor=person, at=AT)
    with pytest.raises(NotFound):
        change_gap_state(gap_id=gap.pk + 1, name="accept", comment="Known.", actor=person, at=AT)


def test_what_a_closed_month_relies_on_is_not_taken_back(program: Program) -> None:
    cycle, person = decided(program), make_person("ada")
    gap = DataGap.objects.get()
    accepted(gap, "Known.")
    assert get_data_gap(program.pk, gap.pk).state == "accepted"
    may = consolidated(program, date(2026, 5, 1))
    decide_by_standing(cycle_id=may.pk, actor=person, at=AT)
    close_cycle(cycle_id=may.pk, actor=person, at=AT)
    assert get_data_gap(program.pk, gap.pk).state == "accepted", "a month beside it relies on nothing"

    close_cycle(cycle_id=cycle.pk, actor=person, at=AT)

    with pytest.raises(DomainError, match="ask for its restatement") as refused:
        change_gap_state(gap_id=gap.pk, name="withdraw", comment="Wrong.", actor=person, at=AT)
    assert refused.value.code == "month_closed"
    gap = get_data_gap(program.pk, gap.pk)
    assert (gap.state, gap.reason) == ("relied_on", "Known.")


def test_the_gaps_of_one_source_are_accepted_by_its_name(program: Program) -> None:
    record(program, stream("O-P1", missing=MISSING, kind="unlocked"), source="kiosk", at=AT)
    cycle = decided(program)
    assert [gap.source.code for gap in list_unaccepted(cycle)] == ["kiosk", "till"]

    done = accept_gaps_of(cycle=cycle, source="till", reason="Moved.", actor=make_person("ada"), at=AT)

    assert [(gap.source.code, gap.reason) for gap in done] == [("till", "Moved.")]
    assert [gap.source.code for gap in list_unaccepted(cycle)] == ["kiosk"]
    assert accept_gaps_of(cycle=cycle, source="till", reason="Moved.", actor=make_person("bob"), at=AT) == []


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
    accepted(gap, "Known.")
    DataGap.objects.update(starts_at=datetime(2026, 6, 9, 22, tzinfo=UTC))  # as if only the second day had been known
    check_sources(program_id=program.pk, at=AT)
    gap.refresh_from_db()
    assert (gap.starts_at, gap.accepted_at, gap.reason) == (STARTS_AT, None, "")


def test_an_accepted_gap_stays_when_what_was_missing_arrives(program: Program) -> None:
    consolidated(program)
    gap = DataGap.objects.get()
    accepted(gap, "Known.")
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
