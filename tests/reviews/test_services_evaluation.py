"""The running month is evaluated after events were sealed: once for a burst, never twice at once, and it survives kills."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activity.services import seal_ledger
from activity.services.loading import loading_mark
from partners.models import Program
from plum_site import schedule
from plum_site.lib import jobs
from plum_site.lib.choices import JobState
from plum_site.lib.models import AuditEvent, Job, Outbox
from reviews.models import FlagCase, ReviewCycle, Scorecard
from reviews.selectors import find_month_to_evaluate, history
from reviews.services import cycles, evaluate_running_month, plan_evaluation, scorecards
from reviews.services.evaluation import EVALUATE
from reviews.tasks import FOLLOW
from tests.factories.flags import FELL, consolidate, make_watched_program, the_case
from tests.factories.reviews import GOOD, JULY, record_month

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
NOW = datetime(2026, 7, 22, 9, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any) -> list[dict[str, Any]]:
    """The wake-ups that would have been sent."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(jobs.SENDER, "add", lambda arguments, priority=0: messages.append(arguments))
    return messages


@pytest.fixture
def program() -> Program:
    return make_watched_program("P1", "P2")


def arrive(program: Program, counts: dict[str, dict[str, int]], tag: str, at: datetime = NOW) -> None:
    """Events of the running month come and are sealed."""
    record_month(program, "2026-07", counts, tag=tag, at=at)
    seal_ledger(program_id=program.pk, at=at)


def evaluate(program: Program, at: datetime = NOW) -> ReviewCycle | None:
    return evaluate_running_month(program_id=program.pk, at=at)


def test_sealed_events_of_the_running_month_lead_to_a_flag_and_a_mail(program: Program) -> None:
    arrive(program, {"P1": FELL, "P2": GOOD}, "a")

    cycle = evaluate(program)

    assert cycle is not None
    assert (cycle.month_start_date, cycle.state) == (JULY, "open")
    assert the_case(program).state == "open"
    assert Outbox.objects.filter(dedup_key__startswith="flags:").count() == 1
    assert evaluate(program) is None, "nothing new"


def test_what_is_due_is_decided_by_the_ledger(program: Program) -> None:
    assert find_month_to_evaluate(program, NOW) is None, "no event"
    record_month(program, "2026-05", {"P1": GOOD}, tag="old", at=NOW)
    seal_ledger(program_id=program.pk, at=NOW)
    assert find_month_to_evaluate(program, NOW) is None, "events of older months wait for their day"
    record_month(program, "2026-07", {"P1": GOOD}, tag="new", at=NOW)
    assert find_month_to_evaluate(program, NOW) is None, "not sealed yet"
    seal_ledger(program_id=program.pk, at=NOW)
    assert find_month_to_evaluate(program, NOW) == JULY
    Program.objects.filter(pk=program.pk).update(ended_date=datetime(2026, 7, 1, tzinfo=UTC).date())
    program.refresh_from_db()
    assert find_month_to_evaluate(program, NOW) is None, "the program has ended"


def test_one_job_a_program_runs_again_and_again_and_never_twice_at_once(program: Program) -> None:
    def plan(at: datetime) -> bool:
        return plan_evaluation(program_id=program.pk, at=at)

    assert plan(NOW)
    assert not Job.objects.exists(), "nothing is due"
    arrive(program, {"P1": GOOD}, "a")
    assert plan(NOW)
    job = Job.objects.get(name=EVALUATE)
    assert plan(NOW), "it is planned already"
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING, started_at=NOW, lease_until=NOW + 60 * SECOND)
    assert not plan(NOW + SECOND), "it runs: ask again"
    Job.objects.filter(pk=job.pk).update(state=JobState.DUE, started_at=None, lease_until=None)
    assert jobs.run_job(job.pk, NOW) == "done"

    arrive(program, {"P2": GOOD}, "b")
    assert not plan(NOW + SECOND), "too soon"
    assert plan(NOW + 2 * SECOND)
    assert jobs.run_job(job.pk, NOW + 2 * SECOND) == "done"
    assert Job.objects.filter(name=EVALUATE).count() == 1
    assert Job.objects.get(pk=job.pk).fence == 2


def test_it_rests_for_as_long_as_it_took(program: Program) -> None:
    arrive(program, {"P1": GOOD}, "a")
    plan_evaluation(program_id=program.pk, at=NOW)
    Job.objects.update(state=JobState.DONE, started_at=NOW, finished_at=NOW + 30 * SECOND)

    assert not plan_evaluation(program_id=program.pk, at=NOW + 59 * SECOND)
    assert plan_evaluation(program_id=program.pk, at=NOW + 60 * SECOND)


def test_one_that_was_given_up_is_tried_again_after_a_while(program: Program) -> None:
    arrive(program, {"P1": GOOD}, "a")
    plan_evaluation(program_id=program.pk, at=NOW)
    Job.objects.update(state=JobState.DEAD, started_at=NOW, finished_at=NOW, attempts=5)

    assert plan_evaluation(program_id=program.pk, at=NOW + timedelta(minutes=9))
    assert Job.objects.get().state == JobState.DEAD
    assert plan_evaluation(program_id=program.pk, at=NOW + timedelta(minutes=10))
    assert (Job.objects.get().state, Job.objects.get().attempts) == (JobState.DUE, 0)


def test_while_a_folder_is_loaded_nothing_is_evaluated(program: Program) -> None:
    arrive(program, {"P1": GOOD}, "a")
    with jobs.busy(loading_mark(program.pk)):
        assert plan_evaluation(program_id=program.pk, at=jobs.database_now())
    assert not Job.objects.filter(name=EVALUATE).exists()


def test_without_a_broker_the_sweep_finds_it(program: Program) -> None:
    assert program.pk not in {due.arguments["program_id"] for due in followed()}
    arrive(program, {"P1": GOOD}, "a")
    assert program.pk in {due.arguments["program_id"] for due in followed()}


def followed() -> list[schedule.Due]:
    [row] = [row for row in schedule.ROWS if row.name == FOLLOW]
    return list(row.list_due(NOW))


def test_sealing_wakes_it(program: Program, sent: list[dict[str, Any]], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        arrive(program, {"P1": GOOD}, "a")
    assert {"name": FOLLOW, "ids": {"program_id": program.pk}} in sent


@pytest.mark.parametrize("place", ["follow_flags", "announce_flags", "tell_owners_of_flags", "decide_by_rule"])
def test_a_worker_that_dies_in_between_leaves_nothing_and_the_next_one_tells_once(
    program: Program, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(program, {"P1": FELL, "P2": GOOD}, "a")

    def die(**_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cycles, place, die)
        with pytest.raises(KeyboardInterrupt):
            evaluate(program)
    left = [Scorecard.objects.count(), FlagCase.objects.count(), Outbox.objects.filter(channel="mail").count()]
    assert left == [0, 0, 0]

    for _ in range(2):
        evaluate(program, NOW + SECOND)
    assert the_case(program).transitions.count() == 1
    assert Outbox.objects.filter(dedup_key__startswith="flags:").count() == 1


def test_two_workers_on_one_evaluation_make_one_case_and_one_mail(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one has read the same ledger, and writes after the first."""
    arrive(program, {"P1": FELL, "P2": GOOD}, "a")
    make, inner = cycles.make_cards, []

    def make_and_be_overtaken(given: Any) -> Any:
        if not inner:
            inner.append(True)
            evaluate(program)
        return make(given)

    monkeypatch.setattr(cycles, "make_cards", make_and_be_overtaken)
    evaluate(program)

    assert inner
    assert the_case(program).transitions.count() == 1
    assert Outbox.objects.filter(dedup_key__startswith="flags:").count() == 1
    assert AuditEvent.objects.filter(action="reviews.open_flag").count() == 1


def test_hundreds_of_evaluations_leave_few_rows_in_the_audit_log(program: Program) -> None:
    arrive(program, {"P1": FELL, "P2": GOOD}, "a")
    evaluate(program)
    before = AuditEvent.objects.count()

    for number in range(5):
        at = NOW + number * SECOND
        arrive(program, {"P2": {"views": 1}}, f"b{number}", at)
        evaluate(program, at)

    assert AuditEvent.objects.count() == before


def test_scorecards_that_did_not_move_are_not_written(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(program, {"P1": GOOD, "P2": GOOD}, "a")
    evaluate(program)
    before = {row["partner__external_id"]: row for row in Scorecard.objects.values("partner__external_id", *scorecards.FIGURES)}
    written: list[str] = []
    upsert = scorecards._upsert

    def note(model: Any, rows: Any, key: Any, figures: Any) -> None:
        written.extend(row.partner.external_id for row in rows if model is Scorecard)
        upsert(model, rows, key, figures)

    monkeypatch.setattr(scorecards, "_upsert", note)
    arrive(program, {"P2": {"views": 1}}, "b", NOW + SECOND)
    evaluate(program, NOW + SECOND)

    after = {row["partner__external_id"]: row for row in Scorecard.objects.values("partner__external_id", *scorecards.FIGURES)}
    assert sorted(written) == sorted(partner for partner in after if after[partner] != before[partner])


def test_the_months_before_are_read_again_only_where_something_of_them_was_sealed(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Any] = []
    whole = history.summarise

    def note(**asked: Any) -> Any:
        reads.append(asked["cutoff"])
        return whole(**asked)

    monkeypatch.setattr(history, "summarise", note)
    monkeypatch.setattr(history, "_kept", {})
    arrive(program, {"P1": GOOD}, "a")
    evaluate(program)
    arrive(program, {"P1": {"views": 1}}, "b", NOW + SECOND)
    evaluate(program, NOW + SECOND)
    assert len(reads) == 1

    record_month(program, "2026-06", {"P1": {"views": 5}}, tag="late", at=NOW + 2 * SECOND)
    arrive(program, {"P1": {"views": 1}}, "c", NOW + 2 * SECOND)
    evaluate(program, NOW + 2 * SECOND)

    assert len(reads) == 2
    assert Scorecard.objects.get(partner__external_id="P1").previous["views"] == 5


def test_a_month_that_is_over_is_always_read_whole(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(program, {"P1": GOOD}, "a")
    evaluate(program)
    monkeypatch.setattr(history, "_still_holds", lambda *_: pytest.fail("what was kept was looked at"))

    consolidate(program, JULY, datetime(2026, 8, 2, tzinfo=UTC))
