"""Sources: an expected rhythm, an instant up to which they are complete, and silence that is noticed."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from activity.choices import Origin, Rhythm
from activity.models import EventSource
from activity.rules.rhythms import EXPECTATIONS, find_silence
from activity.selectors.outcomes import list_outcomes
from activity.selectors.sources import find_source_state, list_silent_sources, list_source_states
from activity.services.mixed import record_mixed
from activity.services.statements import set_rhythm, state_complete_through
from partners.models import Program
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import AuditEvent
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record, write_folder
from tests.factories.messages import message
from tests.factories.offers import make_offer

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

HAPPENED_AT = datetime(2026, 6, 15, 10, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def program() -> Program:
    return make_stocked_program()


def source(program: Program, code: str = "till") -> EventSource:
    return EventSource.objects.get(program=program, code=code)


def test_every_rhythm_has_an_expectation() -> None:
    assert set(EXPECTATIONS) == set(Rhythm.values) - {"none"}


@pytest.mark.parametrize("rhythm", EXPECTATIONS)
def test_silence_begins_after_rhythm_and_grace(rhythm: str) -> None:
    expected = EXPECTATIONS[rhythm]
    limit = HAPPENED_AT + expected.every + expected.grace

    assert find_silence(rhythm, HAPPENED_AT, limit) is None
    assert find_silence(rhythm, HAPPENED_AT, limit + timedelta(seconds=1)) == HAPPENED_AT + expected.every
    assert find_silence("none", HAPPENED_AT, limit + 1000 * DAY) is None


def test_a_source_is_complete_through_its_last_accepted_event(program: Program) -> None:
    record(program, [event(1), event(2, occurred_at="2026-06-10T10:00:00Z")], source="till")
    record(program, [event(3, occurred_at="2026-06-01T10:00:00Z")], source="till")
    record(program, [event(4, occurred_at="2026-06-20T10:00:00Z", offer="none")], source="till")

    [state] = list_source_states(program.pk, RECORDED_AT)

    assert (state.last_event_at, state.complete_through, state.is_stated) == (HAPPENED_AT, HAPPENED_AT, False)
    assert state.silent_since is None, "nothing is expected of it yet"


def test_messages_count_as_words_of_their_source(program: Program) -> None:
    record_mixed(program=program, items=[message(1)], origin=Origin.API, at=RECORDED_AT)

    [state] = list_source_states(program.pk, RECORDED_AT)

    assert (state.code, state.last_event_at) == ("messenger", HAPPENED_AT)


def test_what_the_sender_states_wins_until_it_takes_it_back(program: Program) -> None:
    record(program, [event(1)], source="till")
    stated = HAPPENED_AT + 3 * DAY

    state_complete_through(program=program, code="till", complete_through=stated, actor="token:7", at=RECORDED_AT)
    state_complete_through(program=program, code="till", complete_through=stated, actor="token:7", at=RECORDED_AT)

    state = find_source_state(program.pk, "till", RECORDED_AT)
    assert (state.complete_through, state.is_stated, state.last_event_at) == (stated, True, HAPPENED_AT)
    [logged] = AuditEvent.objects.filter(action="activity.state_complete_through")
    assert (logged.actor, logged.after) == ("token:7", {"complete_through": "2026-06-18T10:00:00+00:00"})
    state_complete_through(program=program, code="till", complete_through=None, actor="token:7", at=RECORDED_AT)
    assert find_source_state(program.pk, "till", RECORDED_AT).complete_through == HAPPENED_AT


def test_a_source_may_say_that_nothing_happened_before_its_first_event(program: Program) -> None:
    state_complete_through(program=program, code="new", complete_through=HAPPENED_AT, actor="token:7", at=RECORDED_AT)

    assert find_source_state(program.pk, "new", RECORDED_AT).complete_through == HAPPENED_AT


@pytest.mark.parametrize(
    ("code", "instant", "error"),
    [
        ("till", RECORDED_AT + timedelta(minutes=11), "time_in_future"),
        ("till", datetime(1989, 1, 1, tzinfo=UTC), "before_1990"),
        ("", RECORDED_AT, "invalid_source"),
        ("a\nb", RECORDED_AT, "invalid_source"),
        ("x" * 201, RECORDED_AT, "invalid_source"),
    ],
)
def test_nonsense_is_refused_and_nothing_is_made(program: Program, code: str, instant: datetime, error: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        state_complete_through(program=program, code=code, complete_through=instant, actor="system", at=RECORDED_AT)

    assert refusal.value.code == error
    assert "Nothing was changed" in refusal.value.detail
    assert not EventSource.objects.filter(program=program).exists()


def test_a_rhythm_is_set_and_logged_once(program: Program) -> None:
    record(program, [event(1)], source="till")

    set_rhythm(source_id=source(program).pk, rhythm="daily", actor="user:1", at=RECORDED_AT)
    set_rhythm(source_id=source(program).pk, rhythm="daily", actor="user:1", at=RECORDED_AT)

    assert source(program).rhythm == "daily"
    [logged] = AuditEvent.objects.filter(action="activity.set_rhythm")
    assert (logged.before, logged.after) == ({"rhythm": "none"}, {"rhythm": "daily"})
    with pytest.raises(InvalidInput, match="none of none, hourly"):
        set_rhythm(source_id=source(program).pk, rhythm="yearly", actor="user:1", at=RECORDED_AT)


def test_silent_sources_are_those_that_should_have_sent(program: Program) -> None:
    for code in ("till", "web", "file"):
        record(program, [event(code)], source=code)
    set_rhythm(source_id=source(program, "till").pk, rhythm="daily", actor="system", at=RECORDED_AT)
    set_rhythm(source_id=source(program, "web").pk, rhythm="monthly", actor="system", at=RECORDED_AT)

    silent = list_silent_sources(program, HAPPENED_AT + 2 * DAY)

    assert [(one.code, one.silent_since) for one in silent] == [("till", HAPPENED_AT + DAY)]
    assert [one.code for one in list_silent_sources(program, HAPPENED_AT + 39 * DAY)] == ["till", "web"]
    state_complete_through(program=program, code="till", complete_through=RECORDED_AT, actor="system", at=RECORDED_AT)
    assert list_silent_sources(program, RECORDED_AT + DAY) == []


def test_a_source_that_never_sent_anything_is_silent_from_its_making(program: Program) -> None:
    record(program, [event(1, offer="none")], source="till")
    set_rhythm(source_id=source(program).pk, rhythm="daily", actor="system", at=RECORDED_AT)

    [state] = list_silent_sources(program, RECORDED_AT + 2 * DAY)

    assert (state.complete_through, state.silent_since) == (None, RECORDED_AT + DAY)


def test_outcomes_are_summed_by_day_source_token_and_door(program: Program) -> None:
    record(program, [event(1), event(2), event(2), event(3, offer="none")], source="till", token_id=7, origin=Origin.API)
    record(program, [event(2, "unlocked"), event(4)], source="till", token_id=7, origin=Origin.API)
    record(program, [event(5, occurred_at="2025-06-15T10:00:00Z")], source="till")
    record_mixed(program=program, items=[message(1, source="till")], origin=Origin.API, token_id=7, at=RECORDED_AT + DAY)

    today = RECORDED_AT.date()
    rows = list_outcomes(program.pk, today, today + 2 * DAY)

    seen = [
        (row.day - today, row.token_id, row.received, row.accepted, row.duplicate, row.conflict, row.rejected) for row in rows
    ]
    assert seen == [(DAY, 7, 1, 1, 0, 0, 0), (0 * DAY, None, 1, 1, 0, 0, 0), (0 * DAY, 7, 6, 3, 1, 1, 1)]
    assert len(list_outcomes(program.pk, today, today + 2 * DAY, token_id=7)) == 2
    assert list_outcomes(program.pk, today, today + 2 * DAY, source="other") == []
    assert list_outcomes(program.pk, today + 2 * DAY, today + 3 * DAY) == []


def test_warnings_are_counted(program: Program) -> None:
    make_offer(program, "O8", ends_date=date(2026, 3, 31))
    record(program, [event(1), event(2, offer="O8"), event(3, offer="O8"), event(3, offer="O8")], source="till")

    today = RECORDED_AT.date()
    [row] = list_outcomes(program.pk, today, today + DAY)

    assert (row.accepted, row.duplicate, row.warnings) == (3, 1, 2)


def load(folder: Path, *options: str) -> None:
    call_command(
        "load_program", str(folder), "--program", "acme", "--format", "json", *options, stdout=StringIO(), stderr=StringIO()
    )


def test_a_load_states_how_far_its_source_is_complete(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", [event(1)])

    load(folder, "--source", "till", "--complete-through", "2026-07-01T02:00:00+02:00")

    state = find_source_state(Program.objects.get(code="acme").pk, "till", RECORDED_AT)
    assert (state.complete_through, state.is_stated) == (datetime(2026, 7, 1, tzinfo=UTC), True)


@pytest.mark.parametrize(
    ("instant", "said"),
    [("2026-07-01", "is not an instant with its zone"), ("2999-01-01T00:00:00Z", "10 minutes in the future")],
)
def test_a_load_with_an_impossible_statement_loads_nothing(tmp_path: Path, instant: str, said: str) -> None:
    folder = write_folder(tmp_path / "in", [event(1)])

    with pytest.raises((CommandError, SystemExit, DomainError), match=said):
        load(folder, "--complete-through", instant)

    assert not Program.objects.exists()
