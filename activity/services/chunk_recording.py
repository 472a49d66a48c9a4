"""
The chunks of an events file, recorded: by this process, or by several beside each other, always with the same result.

Half of what an event costs is Python, and one process has only one of that. Where two connections can write at once, each
process reads, recognises and hashes chunks of its own; `turns` keeps the order of the file wherever it matters.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from datetime import datetime

from django.db import connection

from activity.choices import Origin
from activity.services.event_files import Chunk
from activity.services.ingest import record_events
from activity.services.read_ahead import one_ahead
from activity.services.receipts import Receipt
from activity.services.turns import ALONE, Turn, Turns
from partners.models import Program
from plum_site.lib.errors import DomainError

Recorded = tuple[Chunk, Receipt]


class LoadEnded(DomainError):
    """A load came to no end, and what it had recorded by then stays."""

    exit_code = 3


def record_chunks(*, program: Program, chunks: Iterator[Chunk], at: datetime, processes: int = 1) -> Generator[Recorded]:
    """
    Record chunk after chunk, one transaction each; gives each with its receipt, in order. To be closed when left early.

    processes: how many record beside each other; one on SQLite, which has one writer, and within an outer transaction,
    of which no other process can see anything. Receipts come without their events, which the chunk has.
    Raises: LoadEnded ("process_ended") where one of them was killed: what was committed stays.
    Writes: as record_events.
    """
    if processes > 1 and connection.vendor == "postgresql" and not connection.in_atomic_block:
        return _record_beside_each_other(program, chunks, at, processes)
    return _record_here(program, chunks, at)


def _record_here(program: Program, chunks: Iterator[Chunk], at: datetime) -> Generator[Recorded]:
    for chunk in one_ahead(_read_events(chunks)):
        yield chunk, _record(program, chunk, at, ALONE)


def _read_events(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        _ = chunk.events  # made now, not when it is recorded
        yield chunk


def _record(program: Program, chunk: Chunk, at: datetime, turn: Turn) -> Receipt:
    done = record_events(program=program, events=chunk.events, origin=Origin.FILE, at=at, wakes_sealer=False, turn=turn)
    return replace(done, events=())


def _record_beside_each_other(program: Program, chunks: Iterator[Chunk], at: datetime, processes: int) -> Generator[Recorded]:
    context = multiprocessing.get_context("fork")
    connection.close()  # a child must not come by it
    waiting: deque[tuple[Chunk, Future[Receipt]]] = deque()
    with ProcessPoolExecutor(processes, context, _begin, (program, at, Turns(context))) as pool:
        try:
            for number, chunk in enumerate(chunks):
                waiting.append((chunk, pool.submit(_record_in_turn, number, chunk)))
                if len(waiting) > processes:  # one more than are at work, so that nobody waits for the file
                    yield _take_first(waiting)
            while waiting:
                yield _take_first(waiting)
        except BrokenProcessPool:
            sentence = (
                "A process of this load was ended from outside. What it had recorded stays: load the folder again to go on."
            )
            raise LoadEnded("process_ended", sentence) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _take_first(waiting: deque[tuple[Chunk, Future[Receipt]]]) -> Recorded:
    chunk, receipt = waiting.popleft()
    return chunk, receipt.result()


class _Work:
    """What a process of the load knows from its beginning; there is one in each."""

    program: Program
    at: datetime
    turns: Turns


def _begin(program: Program, at: datetime, turns: Turns) -> None:
    _Work.program, _Work.at, _Work.turns = program, at, turns
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of them; the first process decides what becomes of it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """However the process ends that began the load: nobody records on without one who reports it."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
    os._exit(1)


def _record_in_turn(number: int, chunk: Chunk) -> Receipt:
    with _Work.turns.take(number) as turn:
        return _record(_Work.program, chunk, _Work.at, turn)
