"""An events file recorded by several processes has the result of one; what goes wrong in one of them ends the others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activity.models import Event, IngestBatch
from activity.services import chunk_recording, event_files, verify_ledger, verify_rollups
from activity.services.chunk_recording import LoadEnded
from activity.services.loading import LoadReport, NewProgram, load_folder
from partners.models import Program
from plum_site.lib.errors import DomainError
from tests.factories.ledger import RECORDED_AT, event, write_folder

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
AT_ONCE = 20  # rows of a chunk here
KINDS = ["viewed", "unlocked", "activated", "redeemed"]


@pytest.fixture(autouse=True)
def small_chunks_and_own_state_folder(settings, tmp_path, monkeypatch):
    settings.VAR = tmp_path / "var"
    monkeypatch.setattr(event_files, "POSITIONS", AT_ONCE)


def make_events() -> list[dict[str, Any]]:
    """200 events of three months: repeats and conflicts within a chunk and across two, strangers, and unknown offers."""
    events = []
    for number in range(200):
        kind = KINDS[number % 4]
        fields = {"occurred_at": f"2026-0{4 + number % 3}-15T10:00:00Z", "member": f"M{number % 37}"}
        if kind == "redeemed":
            fields |= {"spend_amount": f"{number}.50", "spend_currency": "EUR"}
        events.append(event(number, kind, **fields))
    for place in (25, 39, 41, 60, 119, 121):
        events[place] = {**events[place], "event_id": events[place - 5]["event_id"]}  # another event under the same id
    for place in (70, 80, 100, 199):
        events[place] = dict(events[place - 1])
    events[150] = {**events[150], "offer": "O99"}
    return events


def load(folder: Path, code: str, processes: int, at: datetime = RECORDED_AT) -> LoadReport:
    """Load the folder into a program of its own."""
    wanted = NewProgram(code=code, time_zone="Europe/Berlin", currency="EUR")
    return load_folder(folder=folder, new_program=wanted, actor="system", at=at, processes=processes)


def read_ledger(code: str) -> tuple[list[Any], list[Any]]:
    """Everything that is the same however a file was recorded: events by batch, and the counts of each batch."""
    program = Program.objects.get(code=code)
    batches = list(IngestBatch.objects.filter(program=program).order_by("id"))
    number = {batch.pk: place for place, batch in enumerate(batches)}
    columns = ("id", "event_key", "kind", "occurred_at", "offer__external_id", "spend_minor")
    events = [
        (number[pk // 8192], pk % 8192, *rest)
        for pk, *rest in Event.objects.filter(program=program).order_by("id").values_list(*columns)
    ]
    counts = [(b.received_count, b.accepted_count, b.duplicate_count, b.conflict_count, b.rejected_count) for b in batches]
    return events, counts


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_store_what_one_does(tmp_path: Path, processes: int) -> None:
    folder = write_folder(tmp_path / "in", make_events())
    alone, together = load(folder, "alone", 1), load(folder, "together", processes)
    for name in ("received", "accepted", "duplicate", "conflict", "rejected", "rejected_rows", "warnings", "members"):
        assert getattr(together, name) == getattr(alone, name), name
    assert together.accepted < together.received == 200
    assert together.duplicate, together.conflict
    assert read_ledger("together") == read_ledger("alone")
    assert Path(together.rejects_file or "").read_text() == Path(alone.rejects_file or "").read_text()
    program = Program.objects.get(code="together")
    assert sorted(program.recorded_stages) == sorted(KINDS)
    assert violations(program) == []
    again = load(folder, "together", processes, RECORDED_AT + timedelta(hours=1))
    assert (again.accepted, again.conflict, again.rejected) == (0, together.conflict, 1)


def interrupt(monkeypatch: pytest.MonkeyPatch, what: Callable[[], None]) -> None:
    """Have something happen where the chunk with event e90 is about to be committed."""
    record = chunk_recording.record_events

    def interrupted(**given: Any) -> Any:
        if any(one.event_id == "e90" for one in given["events"]):
            given["turn"].wait_to_claim()
            what()
        return record(**given)

    monkeypatch.setattr(chunk_recording, "record_events", interrupted)


def test_a_failure_in_one_process_is_raised_and_nothing_that_follows_is_stored(tmp_path: Path, monkeypatch) -> None:
    def fail() -> None:
        raise DomainError("broken", "It broke. Nothing was stored.")

    folder = write_folder(tmp_path / "in", make_events())
    with monkeypatch.context() as patch:
        interrupt(patch, fail)
        with pytest.raises(DomainError, match="It broke"):
            load(folder, "acme", 2)
    stored = IngestBatch.objects.count()
    assert stored == 4, "the chunks before the one with e90, and no other"
    assert load(folder, "acme", 2, RECORDED_AT + timedelta(hours=1)).received == 200
    assert violations(Program.objects.get()) == []


def test_a_process_that_is_killed_ends_the_load_with_a_sentence(tmp_path: Path, monkeypatch) -> None:
    folder = write_folder(tmp_path / "in", make_events())
    with monkeypatch.context() as patch:
        interrupt(patch, lambda: os.kill(os.getpid(), signal.SIGKILL))
        with pytest.raises(LoadEnded, match="load the folder again to go on") as raised:
            load(folder, "acme", 2)
    assert (raised.value.code, raised.value.exit_code) == ("process_ended", 3)
    assert IngestBatch.objects.count() == 4
    kept = Event.objects.count()
    assert load(folder, "acme", 3, RECORDED_AT + timedelta(hours=1)).accepted + kept == len(
        {one["event_id"] for one in make_events()} - {"e150"}
    )
    assert violations(Program.objects.get()) == []


def test_no_process_stays_behind(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", make_events())
    before = set(children())
    load(folder, "acme", 2)
    assert set(children()) <= before


BEGINNER = """
import multiprocessing, os, time
import django
django.setup()
from activity.services import chunk_recording

def work():
    chunk_recording._begin(None, None, None)
    os.write(1, b"at work\\n")
    time.sleep(60)

for _ in range(2):
    multiprocessing.get_context("fork").Process(target=work).start()
time.sleep(60)
"""


def test_processes_end_with_the_one_that_began_the_load_even_if_it_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", BEGINNER], stdout=subprocess.PIPE) as beginner:
        assert beginner.stdout
        assert [beginner.stdout.readline() for _ in range(2)] == [b"at work\n"] * 2
        beginner.kill()
        began = time.monotonic()
        assert beginner.stdout.read() == b"", "ends when the last process that could write to it has ended"
    assert time.monotonic() - began < 30


def violations(program: Program) -> list[str]:
    """What `verify` finds wrong with the events of a program."""
    return [
        text for verify in (verify_ledger, verify_rollups) for verdict in verify(program=program) for text in verdict.violations
    ]


def children() -> list[str]:
    """The processes that this one has made and that are there."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
