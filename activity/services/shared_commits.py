"""
Small requests that come in at the same time share one commit.

Each waits in the queue of its program. The first to come leads: it takes what waits, records all of it in one transaction and
answers everybody; who came meanwhile is led by the next. Nobody waits for company: a request that is alone is recorded at
once. What is answered was committed, as without this.
"""

import threading
from collections import deque
from datetime import datetime

from django.db import InterfaceError, OperationalError

from activity.services.candidates import Submission
from activity.services.ingest import record_submissions
from activity.services.receipts import Receipt
from partners.models import Program
from partners.selectors import get_program_by_id
from plum_site.lib.crashpoints import crashpoint

SMALL = 100  # events of a request that may share its commit
MOST_TOGETHER = 2000  # events in one shared commit


class _Waiting:
    """One request: what it sends, and what becomes of it. turn: set when it is answered, or has to lead."""

    def __init__(self, submission: Submission, at: datetime) -> None:
        self.submission, self.at = submission, at
        self.turn = threading.Event()
        self.receipt: Receipt | None = None
        self.error: Exception | None = None

    @property
    def is_settled(self) -> bool:
        return self.receipt is not None or self.error is not None

    def answer(self) -> Receipt:
        if self.receipt is None:
            raise self.error or RuntimeError("The transaction that this request was part of came to no end.")
        return self.receipt


_lock = threading.Lock()
_queues: dict[int, deque[_Waiting]] = {}  # a program has one while somebody leads it
_programs: dict[int, Program] = {}  # used by whoever leads; record_submissions reads again what may have changed


def record_with_others(*, program_id: int, submission: Submission, at: datetime) -> Receipt:
    """
    As `record_events`, in one transaction with what other threads of this process send to the same program meanwhile.

    submission: not strict, at most SMALL events.
    Raises: NotFound, and as record_events: its own errors, not those of others.
    Writes: as record_events.
    """
    mine = _Waiting(submission, at)
    with _lock:
        queue = _queues.get(program_id)
        if queue is None:
            queue = _queues[program_id] = deque()
            mine.turn.set()
        queue.append(mine)
    mine.turn.wait()
    if not mine.is_settled:
        _lead(program_id, queue)
    return mine.answer()


def _lead(program_id: int, queue: deque[_Waiting]) -> None:
    """Record what waits, oneself first; then give the lead away, whatever happened."""
    with _lock:
        group = [queue.popleft()]
        count = len(group[0].submission.events)
        while queue and count + len(queue[0].submission.events) <= MOST_TOGETHER:
            count += len(queue[0].submission.events)
            group.append(queue.popleft())
    try:
        _record(program_id, group)
        crashpoint("ingest.before_answers_are_shared")
    finally:
        with _lock:
            if queue:
                queue[0].turn.set()
            else:
                del _queues[program_id]
        for waiting in group[1:]:
            waiting.error = waiting.error or (None if waiting.receipt else RuntimeError("Whoever led this request was ended."))
            waiting.turn.set()


def _record(program_id: int, group: list[_Waiting]) -> None:
    try:
        program = _programs.get(program_id) or _programs.setdefault(program_id, get_program_by_id(program_id))
        submissions = [waiting.submission for waiting in group]
        receipts = record_submissions(program=program, submissions=submissions, at=max(waiting.at for waiting in group))
        for waiting, receipt in zip(group, receipts, strict=True):
            waiting.receipt = receipt
    except (OperationalError, InterfaceError) as error:  # the database is away or overloaded: for everybody alike
        for waiting in group:
            waiting.error = error
    except Exception as error:
        if len(group) == 1:
            group[0].error = error
            return
        for waiting in group:  # the fault of one is not the others'
            _record(program_id, [waiting])
