"""Small requests share a commit: each is answered for itself, and what fails for one does not fail for the others."""

import threading
from datetime import UTC, datetime
from unittest import mock

import pytest
from django.db import OperationalError, connection

from activity.choices import Origin
from activity.models import Event, IngestBatch
from activity.rules import check_event
from activity.services import shared_commits
from activity.services.candidates import Submission
from activity.services.receipts import Receipt
from activity.services.shared_commits import record_with_others
from plum_site.lib.errors import NotFound
from tests.factories.ledger import make_stocked_program

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]
AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
CLIENTS = 8


def fields(number: int, **changes: str) -> dict[str, str]:
    """One event by its file columns."""
    cells = {"event_id": f"e{number}", "occurred_at": "2026-06-15T10:00:00Z", "kind": "viewed", "member": "M1", "offer": "O1"}
    return {**cells, **changes}


def submission(*rows: dict[str, str], token_id: int = 1) -> Submission:
    """What one request sends."""
    return Submission([check_event(row, source="shop", at=AT) for row in rows], Origin.API, token_id)


def send_together(program_id: int, submissions: list[Submission]) -> dict[int, Receipt | Exception]:
    """Send each from a thread of its own while the first holds the lead; answers by place."""
    answers: dict[int, Receipt | Exception] = {}
    everybody_waits = threading.Event()
    record = shared_commits.record_submissions

    def slow(**arguments):
        if not everybody_waits.is_set():
            everybody_waits.wait(20)
        return record(**arguments)

    def send(place: int) -> None:
        try:
            answers[place] = record_with_others(program_id=program_id, submission=submissions[place], at=AT)
        except Exception as error:
            answers[place] = error
        finally:
            connection.close()

    with mock.patch.object(shared_commits, "record_submissions", slow):
        threads = [threading.Thread(target=send, args=(place,)) for place in range(len(submissions))]
        threads[0].start()
        while program_id not in shared_commits._queues or shared_commits._queues[program_id]:
            pass
        for thread in threads[1:]:
            thread.start()
        while len(shared_commits._queues[program_id]) < len(threads) - 1:
            pass
        everybody_waits.set()
        for thread in threads:
            thread.join(30)
    assert shared_commits._queues == {}
    return answers


def test_alone_it_is_recorded_at_once():
    program = make_stocked_program()
    receipt = record_with_others(program_id=program.pk, submission=submission(fields(1), fields(1)), at=AT)
    assert (receipt.accepted, receipt.duplicate) == (1, 1)
    assert shared_commits._queues == {}


def test_those_that_wait_share_one_batch_of_their_token():
    program = make_stocked_program()
    answers = send_together(program.pk, [submission(fields(number)) for number in range(CLIENTS)])
    assert [answers[place].accepted for place in range(CLIENTS)] == [1] * CLIENTS
    assert Event.objects.count() == CLIENTS
    assert sorted(IngestBatch.objects.values_list("accepted_count", flat=True)) == [1, CLIENTS - 1]


def test_each_token_has_its_own_counts():
    program = make_stocked_program()
    rows = [submission(fields(0)), submission(fields(1), token_id=1), submission(fields(1), fields(2, offer="?"), token_id=2)]
    answers = send_together(program.pk, rows)
    assert (answers[1].accepted, answers[2].duplicate, answers[2].rejected) == (1, 1, 1)
    counts = {(b.token_id, b.received_count, b.accepted_count, b.duplicate_count) for b in IngestBatch.objects.all()}
    assert counts == {(1, 1, 1, 0), (2, 2, 0, 1)}


def test_the_fault_of_one_is_not_the_others():
    program = make_stocked_program()
    good = [submission(fields(number)) for number in range(3)]
    poisoned = submission(fields(3))
    record = shared_commits.record_submissions

    def refuse(**arguments):
        if any(sent is poisoned for sent in arguments["submissions"]):
            raise ValueError("no")
        return record(**arguments)

    with mock.patch.object(shared_commits, "record_submissions", refuse):
        answers = send_together(program.pk, [good[0], poisoned, *good[1:]])
    assert isinstance(answers[1], ValueError)
    assert [answers[place].accepted for place in (0, 2, 3)] == [1, 1, 1]


def test_a_database_that_is_away_is_away_for_all():
    program = make_stocked_program()
    away = OperationalError("away")
    with mock.patch.object(shared_commits, "record_submissions", side_effect=away) as record:
        answers = send_together(program.pk, [submission(fields(number)) for number in range(4)])
    assert all(answer is away for answer in answers.values())
    assert record.call_count == 2  # the first by itself, then everybody else at once


def test_an_unknown_program_is_not_found():
    with pytest.raises(NotFound):
        record_with_others(program_id=999, submission=submission(fields(1)), at=AT)
    assert shared_commits._queues == {}
