"""
Jobs: the database is the queue.

A job is a row (`plum_job`) that says what to do and when; its unique `key` says which effect it stands for, so that
nothing is planned twice. A worker claims it by compare-and-set, which gives it a lease and a fence that is higher than
all before; a thread renews the lease while the work goes on; only the holder of the present fence may end the job.
Whoever dies leaves a lease that runs out, and the sweep (`sweep`, every 10 s) makes the job due again, until its
attempts are used up: then it is dead, with an error text and a line in the log.

Handlers may therefore run again after a crash: each calls one service that is safe to run twice.
All instants here come from the database (or from `at`), never from the worker's own clock.
"""

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Q

from plum_site.lib import audit, clock
from plum_site.lib.choices import JobState
from plum_site.lib.crashpoints import crashpoint
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.models import Heartbeat, Job, User
from plum_site.lib.wakeups import SENDER, URGENT

LEASE = timedelta(seconds=settings.JOB_LEASE_SECONDS)
RENEW_SECONDS = settings.JOB_LEASE_SECONDS / 4  # well under the lease, so that one slow renewal loses nothing
SHOW_SECONDS = 1  # how soon progress is seen by others
RESEND = LEASE / 3  # a due job that nobody claimed is sent again after so long
SWEEP_GAP = timedelta(seconds=5)  # two beats, or a queue of old messages, sweep only once
SWEEP_LIMIT = 200  # messages in one sweep: a backlog is worked off from the front
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=5), timedelta(minutes=10)
KEEP_DONE = timedelta(days=90)
BUSY_AT_MOST = timedelta(minutes=2)
ERROR_LENGTH = 4000

log = logging.getLogger("plum.jobs")


class LeaseLost(Exception):
    """The job was given to somebody else meanwhile: stop, what you did stands or falls by its own transaction."""


class RunningJob:
    """What a handler gets: which job it runs, and how to say how far it is."""

    def __init__(self, job: Job, at: datetime) -> None:
        self.id, self.program_id, self.name, self.fence, self.at = job.pk, job.program_id, job.name, job.fence, at
        self._done, self._total, self._note = 0, 0, ""
        self._is_lost = threading.Event()
        self.has_news = threading.Event()

    def progress(self, done: int, total: int, note: str = "") -> None:
        """So much of so much is done. Costs nothing, may be called often; raises LeaseLost once the job is another's."""
        self._done, self._total, self._note = done, total, note[:200]
        self.has_news.set()
        if self._is_lost.is_set():
            raise LeaseLost(f"job {self.id} was given to another worker")

    def figures(self) -> dict[str, Any]:
        """How far it is, as columns of the job."""
        return {"progress_done": self._done, "progress_total": self._total, "progress_note": self._note}

    def renew(self) -> None:
        """Write progress and a new lease, if the job is still ours."""
        at = database_now()
        self.has_news.clear()
        mine = Job.objects.filter(pk=self.id, fence=self.fence, state=JobState.RUNNING)
        if not mine.update(lease_until=at + LEASE, **self.figures()):
            self._is_lost.set()
        show_life("worker", at)


Handler = Callable[..., dict[str, Any] | None]
Wakeable = Callable[..., Any]
HANDLERS: dict[str, Handler] = {}
WAKEABLES: dict[str, Wakeable] = {}
FOLLOWERS: dict[str, list[str]] = {}  # what is woken once something else has got further


def handler(name: str) -> Callable[[Handler], Handler]:
    """Register `f(job, **arguments)` as what runs jobs called "app.verb_noun"; its dict is kept as the job's result."""

    def register(function: Handler) -> Handler:
        HANDLERS[name] = function
        return function

    return register


def wakeable(name: str, *, follows: str = "") -> Callable[[Wakeable], Wakeable]:
    """
    Register `g(**ids)` as something that may be woken at any time: it reads what is due and is safe to run twice.

    follows: the name of what it is woken after, so that an app below need not know who goes on with its work.
    """

    def register(function: Wakeable) -> Wakeable:
        WAKEABLES[name] = function
        if follows and name not in FOLLOWERS.setdefault(follows, []):
            FOLLOWERS[follows].append(name)
        return function

    return register


def database_now() -> datetime:
    """The database's clock: one for all processes. On SQLite that is this machine's."""
    if connection.vendor != "postgresql":
        return clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row: tuple[datetime] = cursor.fetchone()
    return row[0]


def plan(
    *,
    name: str,
    key: str,
    program_id: int | None,
    arguments: dict[str, Any],
    due_at: datetime,
    at: datetime,
    max_attempts: int = 5,
) -> Job:
    """
    Have something done once: one row a `key`, whoever asks and however often. A worker is woken after the commit.

    arguments: ids as JSON, given to the handler by keyword.
    Writes: plum_job, in the caller's transaction.
    """
    job, created = Job.objects.get_or_create(
        key=key,
        defaults={
            "name": name,
            "program_id": program_id,
            "arguments": arguments,
            "due_at": due_at,
            "created_at": at,
            "max_attempts": max_attempts,
        },
    )
    if created and due_at <= at:
        transaction.on_commit(lambda: SENDER.add({"job": job.pk}), robust=True)
    return job


def plan_again(*, name: str, key: str, program_id: int | None, arguments: dict[str, Any], at: datetime, gap: timedelta) -> bool:
    """
    Have something done that is done again and again: one row, which becomes due whenever it rests, so that at most one runs.

    False where it must be asked again later: it runs, its last run began less than `gap` ago, or rests for as long as it
    took. One that was given up is tried again after LONGEST_DELAY. A worker is woken after the commit.
    Writes: plum_job.
    """
    job = plan(name=name, key=key, program_id=program_id, arguments=arguments, due_at=at, at=at)
    if job.state == JobState.RUNNING:
        return False
    if job.state != JobState.DUE and job.started_at and job.finished_at:
        if job.state == JobState.DEAD and at < job.finished_at + LONGEST_DELAY:
            return True
        if at < max(job.started_at + gap, job.finished_at + (job.finished_at - job.started_at)):
            return False
        rested = Job.objects.filter(pk=job.pk, state=job.state, fence=job.fence)
        rested.update(state=JobState.DUE, due_at=at, attempts=0, finished_at=None, sent_at=None)
    transaction.on_commit(lambda: SENDER.add({"job": job.pk}, URGENT), robust=True)
    return True


def wake(name: str, **ids: int) -> None:
    """Have a wakeable run soon, after the commit. Returns at once, never raises; a lost wake-up is found by the sweep."""
    transaction.on_commit(lambda: SENDER.add({"name": name, "ids": ids}, URGENT), robust=True)


def wake_followers(name: str, **ids: int) -> None:
    """Wake what follows `name`, which has got further, after the commit. As `wake`."""
    for follower in FOLLOWERS.get(name, ()):
        wake(follower, **ids)


def run_wakeable(name: str, ids: dict[str, int]) -> None:
    """Run one wakeable now; raises what it raises (the next sweep wakes it again)."""
    WAKEABLES[name](**ids)


def show_life(name: str, at: datetime, **details: Any) -> None:
    """Note that a part of the running system lives. Writes: plum_heartbeat."""
    if not Heartbeat.objects.filter(name=name).update(at=at, details=details):
        Heartbeat.objects.get_or_create(name=name, defaults={"at": at, "details": details})


@contextmanager
def busy(name: str) -> Iterator[Callable[[], None]]:
    """
    While the block runs, `is_busy(name)`; call what it gives now and then, it costs little. A process that dies is
    taken for busy until BUSY_AT_MOST after its last call.

    Writes: plum_heartbeat.
    """
    shown = float("-inf")

    def show() -> None:
        nonlocal shown
        if monotonic() - shown >= SHOW_SECONDS:
            show_life(name, database_now())
            shown = monotonic()

    show()
    try:
        yield show
    finally:
        Heartbeat.objects.filter(name=name).delete()


def is_busy(name: str, at: datetime) -> bool:
    """Whether somebody is in the midst of what `busy` was called with."""
    return Heartbeat.objects.filter(name=name, at__gt=at - BUSY_AT_MOST).exists()


def _claim(job: Job, at: datetime) -> bool:
    """Take a due job by compare-and-set on its fence: of any number of claimants exactly one gets it."""
    taken = Job.objects.filter(pk=job.pk, fence=job.fence, state=JobState.DUE, due_at__lte=at).update(
        state=JobState.RUNNING,
        fence=job.fence + 1,
        attempts=job.attempts + 1,
        lease_until=at + LEASE,
        started_at=at,
        progress_done=0,
        progress_total=0,
        progress_note="",
    )
    if taken:
        job.fence, job.attempts = job.fence + 1, job.attempts + 1
    return bool(taken)


def _failure(job: Job, at: datetime, error: str) -> dict[str, Any]:
    """The values of a job whose attempt failed: due again after a pause that doubles, or dead."""
    if job.attempts >= job.max_attempts:
        log.error("Job %s (%s) is dead after %s attempts: %s", job.pk, job.key, job.attempts, error.strip().splitlines()[-1])
        return {"state": JobState.DEAD, "finished_at": at, "error": error}
    pause = min(FIRST_DELAY * 2 ** (job.attempts - 1), LONGEST_DELAY)
    log.warning("Job %s (%s) failed, attempt %s of %s", job.pk, job.key, job.attempts, job.max_attempts)
    return {"state": JobState.DUE, "due_at": at + pause, "error": error}


def _keep_lease(running: RunningJob, is_over: threading.Event) -> None:
    """Renew the lease until the work is over: at the latest every RENEW_SECONDS, and soon after news."""
    waited = 0.0
    try:
        while not is_over.wait(SHOW_SECONDS):
            waited += SHOW_SECONDS
            if waited >= RENEW_SECONDS or running.has_news.is_set():
                try:
                    running.renew()
                    waited = 0.0
                except DatabaseError as error:
                    log.warning("Job %s could not renew its lease, trying again: %s", running.id, error)
    finally:
        connection.close()  # this thread's own


def run_job(job_id: int, at: datetime | None = None) -> str:
    """
    Claim one job and do it: "done", "failed" (due again later), "dead", "lost" (taken over meanwhile), or
    "not_due" (somebody else has it, it has ended, or its time has not come).

    Writes: plum_job, and what the handler writes in its own transactions.
    """
    job = Job.objects.filter(pk=job_id).first()
    claimed_at = at or database_now()
    crashpoint("job.before_claim")
    if job is None or not _claim(job, claimed_at):
        return "not_due"
    crashpoint("job.after_claim")
    running, is_over = RunningJob(job, claimed_at), threading.Event()
    keeper = threading.Thread(target=_keep_lease, args=(running, is_over), name=f"lease of job {job.pk}", daemon=True)
    keeper.start()
    result, error = None, ""
    try:
        result = _find_handler(job.name)(running, **job.arguments)
        crashpoint("job.after_effect")
    except LeaseLost:
        return "lost"
    except (Exception, SystemExit):  # whatever a handler does, the job must end as something
        error = traceback.format_exc()[-ERROR_LENGTH:]
    finally:
        is_over.set()
        keeper.join()
    ended_at = at or database_now()
    done = {"state": JobState.DONE, "finished_at": ended_at, "result": result, "error": ""}
    values = _failure(job, ended_at, error) if error else done
    mine = Job.objects.filter(pk=job.pk, fence=job.fence, state=JobState.RUNNING)
    if not mine.update(lease_until=None, sent_at=None, **running.figures(), **values):
        log.warning("Job %s (%s) was taken over before its end; how this attempt ended is not kept", job.pk, job.key)
        return "lost"
    crashpoint("job.after_mark")
    return "failed" if values["state"] == JobState.DUE else str(values["state"])


def _find_handler(name: str) -> Handler:
    if name not in HANDLERS:
        raise LookupError(f"No handler is registered for {name}: is this worker older than the code that planned the job?")
    return HANDLERS[name]


def begin_sweep(at: datetime) -> bool:
    """
    Whether it is time to sweep: of several beats, or of messages that queued up, only the first each SWEEP_GAP.

    Writes: plum_heartbeat.
    """
    last, created = Heartbeat.objects.get_or_create(name="dispatch", defaults={"at": at})
    # An instant ahead of now comes from a clock that was set back; it must not stop the sweeps until then.
    is_time = Q(at__lte=at - SWEEP_GAP) | Q(at__gt=at + SWEEP_GAP)
    return created or bool(Heartbeat.objects.filter(is_time, pk=last.pk).update(at=at))


def sweep(at: datetime) -> int:
    """
    Make the jobs of dead workers due again (or dead, out of attempts) and send what is due; how many were sent.

    Writes: plum_job.
    """
    # A lease further ahead than any worker takes is one from before a clock was set back.
    expired = Q(lease_until__lt=at) | Q(lease_until__gt=at + 2 * LEASE)
    for job in Job.objects.filter(expired, state=JobState.RUNNING).order_by("pk")[:SWEEP_LIMIT]:
        values = _failure(job, at, "Its worker stopped without a word (killed, out of memory, or the machine went down).")
        still = Job.objects.filter(expired, pk=job.pk, fence=job.fence, state=JobState.RUNNING)
        still.update(lease_until=None, sent_at=None, **values)
        crashpoint("job.after_lease_ran_out")
    unsent = Q(sent_at__isnull=True) | Q(sent_at__lte=at - RESEND) | Q(sent_at__gt=at)
    due = Job.objects.filter(unsent, state=JobState.DUE, due_at__lte=at).order_by("due_at", "pk")
    ids = list(due.values_list("pk", flat=True)[:SWEEP_LIMIT])
    Job.objects.filter(pk__in=ids, state=JobState.DUE).update(sent_at=at)
    crashpoint("job.before_wake_up")
    for job_id in ids:
        SENDER.add({"job": job_id})
    return len(ids)


def revive(*, job_id: int, actor: User | str, at: datetime) -> None:
    """
    Give a dead job all its attempts again.

    Raises: NotFound, or DomainError "job_not_dead".
    Writes: plum_job, plum_auditevent; one transaction.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(pk=job_id).first()
        if job is None:
            raise NotFound("job", job_id)
        if job.state != JobState.DEAD:
            raise DomainError(
                "job_not_dead", f"Job {job_id} is {job.get_state_display().lower()}; only one that was given up is revived."
            )
        Job.objects.filter(pk=job_id).update(state=JobState.DUE, due_at=at, attempts=0, finished_at=None, sent_at=None)
        audit.record(program_id=job.program_id, actor=actor, action="plum.revive_job", row=job, at=at, before={"state": "dead"})
        transaction.on_commit(lambda: SENDER.add({"job": job_id}), robust=True)


def prune_jobs(*, at: datetime) -> int:
    """
    Remove the jobs that were done more than KEEP_DONE ago; how many.

    Writes: plum_job.
    """
    return Job.objects.filter(state=JobState.DONE, finished_at__lt=at - KEEP_DONE).delete()[0]


def list_dead() -> list[int]:
    """The jobs that were given up, oldest first."""
    return list(Job.objects.filter(state=JobState.DEAD).order_by("pk").values_list("pk", flat=True))
