"""The database is the queue: planned once, claimed by one, ended by its holder, given up after its attempts (I19)."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from plum_site.lib import jobs
from plum_site.lib.choices import JobState
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.models import AuditEvent, Heartbeat, Job, User
from tests.factories.jobs import handling, planned

SECOND = timedelta(seconds=1)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The wake-ups that would have been sent."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(jobs.SENDER, "add", lambda arguments, priority=0: messages.append(arguments))
    return messages


def refuse(job: jobs.RunningJob, **_: Any) -> None:
    raise ValueError("the partner's file is empty")


@pytest.mark.django_db
def test_planning_twice_with_one_key_plans_once_and_keeps_the_first(at: datetime) -> None:
    first = planned(at, arguments={"month": "2026-06"})
    again = planned(at + SECOND, arguments={"month": "2026-07"})

    assert again.pk == first.pk
    assert Job.objects.get().arguments == {"month": "2026-06"}


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_leaves_after_the_commit_and_never_after_a_rollback(at: datetime, sent: list[dict[str, Any]]) -> None:
    def plan_and_fail() -> None:
        with transaction.atomic():
            planned(at)
            jobs.wake("test.seal", program_id=7)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        plan_and_fail()
    assert (sent, Job.objects.count()) == ([], 0)

    with transaction.atomic():
        job = planned(at)
        jobs.wake("test.seal", program_id=7)
        assert sent == []

    assert sent == [{"job": job.pk}, {"name": "test.seal", "ids": {"program_id": 7}}]


@pytest.mark.django_db(transaction=True)
def test_nobody_is_woken_for_a_job_that_exists_or_is_due_later(at: datetime, sent: list[dict[str, Any]]) -> None:
    planned(at, due_at=at + SECOND)
    planned(at)

    assert sent == []


@pytest.mark.django_db
@pytest.mark.both_engines
def test_a_job_is_run_with_its_arguments_and_keeps_progress_and_result(at: datetime) -> None:
    def count(job: jobs.RunningJob, *, month: str) -> dict[str, Any]:
        job.progress(3, 4, "partner three")
        assert Job.objects.get().state == JobState.RUNNING
        return {"month": month, "at": job.at.isoformat()}

    job = planned(at, arguments={"month": "2026-06"})

    with handling("test.work", count):
        assert jobs.run_job(job.pk, at) == "done"

    job.refresh_from_db()
    assert (job.state, job.attempts, job.fence, job.lease_until, job.error) == (JobState.DONE, 1, 1, None, "")
    assert (job.progress_done, job.progress_total, job.progress_note) == (3, 4, "partner three")
    assert job.result == {"month": "2026-06", "at": at.isoformat()}
    assert job.started_at == job.finished_at == at


@pytest.mark.django_db
def test_what_is_done_running_or_not_yet_due_is_not_run(at: datetime) -> None:
    calls: list[int] = []
    job = planned(at, due_at=at + SECOND)

    with handling("test.work", lambda job: calls.append(jobs.run_job(job.id, at + 2 * SECOND) == "not_due")):
        assert jobs.run_job(job.pk, at) == "not_due"
        assert jobs.run_job(job.pk, at + SECOND) == "done"
        assert jobs.run_job(job.pk, at + 3 * SECOND) == "not_due"
    assert jobs.run_job(job.pk + 1, at) == "not_due"
    assert calls == [True]


@pytest.mark.django_db
@pytest.mark.parametrize("fault", [ValueError("empty file"), SystemExit(3), DomainError("cycle_closed", "The cycle is closed.")])
def test_a_failed_job_is_due_again_after_a_pause_that_doubles(at: datetime, fault: BaseException) -> None:
    def fail(job: jobs.RunningJob) -> None:
        raise fault

    job = planned(at)
    pauses = []
    with handling("test.work", fail):
        for _ in range(3):
            job.refresh_from_db()
            began = job.due_at
            assert jobs.run_job(job.pk, began) == "failed"
            job.refresh_from_db()
            pauses.append((job.due_at - began).total_seconds())

    assert pauses == [5, 10, 20]
    assert (job.state, job.lease_until, job.finished_at) == (JobState.DUE, None, None)
    assert type(fault).__name__ in job.error


@pytest.mark.django_db
@pytest.mark.both_engines
def test_a_poisonous_job_is_given_up_after_its_attempts_with_a_reason(at: datetime, caplog: pytest.LogCaptureFixture) -> None:
    job = planned(at, max_attempts=3)
    moment = at
    with handling("test.work", refuse):
        outcomes = []
        for _ in range(5):
            outcomes.append(jobs.run_job(job.pk, moment))
            moment += timedelta(minutes=11)

    job.refresh_from_db()
    assert outcomes == ["failed", "failed", "dead", "not_due", "not_due"]
    assert (job.state, job.attempts, job.lease_until) == (JobState.DEAD, 3, None)
    assert job.finished_at is not None
    assert "the partner's file is empty" in job.error
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert job.key in record.getMessage()
    assert "the partner's file is empty" in record.getMessage()


@pytest.mark.django_db
def test_a_job_that_this_worker_does_not_know_is_tried_again(at: datetime) -> None:
    job = planned(at, name="test.from_newer_code")

    assert jobs.run_job(job.pk, at) == "failed"

    job.refresh_from_db()
    assert "older than the code that planned the job" in job.error


@pytest.mark.django_db
def test_only_the_holder_of_the_fence_ends_a_job(at: datetime) -> None:
    """The lease runs out while the first worker is still at it; a second one takes over and ends the job."""
    later = at + jobs.LEASE + SECOND

    def outlive_the_lease(job: jobs.RunningJob) -> dict[str, Any]:
        if job.fence == 1:
            jobs.sweep(later)
            assert jobs.run_job(job.id, later + jobs.FIRST_DELAY) == "done"
            return {"by": "the first"}
        return {"by": "the second"}

    job = planned(at)
    with handling("test.work", outlive_the_lease):
        assert jobs.run_job(job.pk, at) == "lost"

    job.refresh_from_db()
    assert (job.result, job.fence, job.state) == ({"by": "the second"}, 2, JobState.DONE)


@pytest.mark.django_db
def test_a_handler_that_lost_its_lease_is_told_at_its_next_progress(at: datetime) -> None:
    seen: list[str] = []

    def work(job: jobs.RunningJob) -> None:
        Job.objects.filter(pk=job.id).update(fence=job.fence + 1)
        job.renew()
        try:
            job.progress(1, 2)
        except jobs.LeaseLost:
            seen.append("lost")
            raise

    job = planned(at)
    with handling("test.work", work):
        assert jobs.run_job(job.pk, at) == "lost"
    assert seen == ["lost"]
    job.refresh_from_db()
    assert (job.state, job.error) == (JobState.RUNNING, "")


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_a_long_job_keeps_its_lease_and_shows_its_progress_to_others(at: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "SHOW_SECONDS", 0.05)
    shown = threading.Event()
    seen: dict[str, Any] = {}

    def work(job: jobs.RunningJob) -> None:
        job.progress(1, 2, "half")
        for _ in range(200):
            row = Job.objects.get(pk=job.id)
            if row.progress_done == 1 and row.lease_until and row.lease_until > at + jobs.LEASE:
                seen["note"] = row.progress_note
                return
            shown.wait(0.05)

    job = planned(at)
    with handling("test.work", work):
        assert jobs.run_job(job.pk, at) == "done"

    assert seen == {"note": "half"}
    assert Heartbeat.objects.filter(name="worker").exists()


@pytest.mark.django_db
@pytest.mark.both_engines
def test_the_job_of_a_worker_that_died_comes_back_and_is_given_up_in_the_end(at: datetime) -> None:
    job = planned(at, max_attempts=2)
    moment = at
    for attempt in (1, 2):
        assert jobs._claim(Job.objects.get(), moment)
        jobs.sweep(moment + jobs.LEASE - SECOND)
        job.refresh_from_db()
        assert job.state == JobState.RUNNING, "its lease has not run out yet"
        moment += jobs.LEASE + SECOND
        jobs.sweep(moment)
        job.refresh_from_db()
        assert job.attempts == attempt
        assert job.state == (JobState.DUE if attempt == 1 else JobState.DEAD)
        moment = job.due_at

    assert "stopped without a word" in job.error


@pytest.mark.django_db
def test_a_lease_from_before_the_clock_was_set_back_does_not_hold_for_weeks(at: datetime) -> None:
    job = planned(at)
    assert jobs._claim(job, at + timedelta(days=40)) is True

    jobs.sweep(at)

    job.refresh_from_db()
    assert job.state == JobState.DUE


@pytest.mark.django_db
def test_the_sweep_sends_what_is_due_and_again_only_after_a_while(at: datetime, sent: list[dict[str, Any]]) -> None:
    first, second = planned(at), planned(at - SECOND, key="test.work:2")
    planned(at, key="test.work:3", due_at=at + timedelta(hours=1))

    assert jobs.sweep(at) == 2
    assert sent == [{"job": second.pk}, {"job": first.pk}], "the oldest first"
    assert jobs.sweep(at + jobs.RESEND - SECOND) == 0
    assert jobs.sweep(at + jobs.RESEND) == 2


@pytest.mark.django_db
@pytest.mark.both_engines
def test_of_two_beats_one_sweeps(at: datetime) -> None:
    assert [jobs.begin_sweep(at), jobs.begin_sweep(at + SECOND)] == [True, False]
    assert jobs.begin_sweep(at + jobs.SWEEP_GAP) is True


@pytest.mark.django_db
def test_a_clock_that_was_set_back_does_not_stop_the_sweeps(at: datetime) -> None:
    jobs.begin_sweep(at + timedelta(days=40))

    assert jobs.begin_sweep(at) is True


@pytest.mark.django_db
def test_a_dead_job_is_revived_with_all_its_attempts_and_an_audit_row(at: datetime) -> None:
    ada = User.objects.create(username="ada")
    job = planned(at, max_attempts=1)
    with handling("test.work", refuse):
        jobs.run_job(job.pk, at)
    assert jobs.list_dead() == [job.pk]

    jobs.revive(job_id=job.pk, actor=ada, at=at)

    job.refresh_from_db()
    assert (job.state, job.attempts, job.due_at, job.finished_at) == (JobState.DUE, 0, at, None)
    assert AuditEvent.objects.get().actor == f"user:{ada.pk}"


@pytest.mark.django_db
def test_what_is_not_dead_is_not_revived(at: datetime) -> None:
    job = planned(at)

    with pytest.raises(DomainError, match="only one that was given up"):
        jobs.revive(job_id=job.pk, actor="system", at=at)
    with pytest.raises(NotFound):
        jobs.revive(job_id=job.pk + 1, actor="system", at=at)
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db
def test_old_done_jobs_go_and_dead_ones_stay(at: datetime) -> None:
    with handling("test.work", lambda job: None):
        jobs.run_job(planned(at).pk, at)
        jobs.run_job(planned(at, key="test.work:2").pk, at + SECOND)
    with handling("test.work", refuse):
        dead = planned(at, key="test.work:3", max_attempts=1)
        jobs.run_job(dead.pk, at)

    assert jobs.prune_jobs(at=at + jobs.KEEP_DONE + SECOND) == 1
    assert set(Job.objects.values_list("key", flat=True)) == {"test.work:2", "test.work:3"}
