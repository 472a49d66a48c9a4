"""Claimants released on a barrier onto one job: every effect happens once (F05)."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from plum_site.lib import jobs
from plum_site.lib.models import Job, User
from plum_site.lib.signin import make_link_token, take_link_token
from tests.factories.jobs import handling, planned

pytestmark = pytest.mark.slow

ROUNDS = 60
CLAIMANTS = 4


def together(action: Callable[[int], Any], count: int = CLAIMANTS) -> list[Any]:
    """Run the action in so many threads, released at the same moment; what each returned or raised."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run(number: int) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=30)
            results[number] = action(number)
        except Exception as error:  # the test looks at it
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_of_many_claimants_one_gets_the_job(at: datetime) -> None:
    effects: list[int] = []
    with handling("test.work", lambda job: effects.append(job.id)):
        for number in range(ROUNDS):
            job = planned(at, key=f"test.work:{number}")
            outcomes = together(lambda _, job=job: jobs.run_job(job.pk, at))
            assert sorted(outcomes) == ["done", *["not_due"] * (CLAIMANTS - 1)]

    assert len(effects) == len(set(effects)) == ROUNDS


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_planned_by_many_at_once_is_planned_once(at: datetime) -> None:
    for number in range(ROUNDS // 4):
        rows = together(lambda _, number=number: planned(at, key=f"test.work:{number}").pk)
        assert len(set(rows)) == 1, rows

    assert Job.objects.count() == ROUNDS // 4


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_sweepers_and_claimants_at_once_leave_one_holder(at: datetime) -> None:
    """An expired job is swept by two while two others try to claim it: the fence grows by one claim at most."""
    for number in range(ROUNDS // 4):
        job = planned(at, key=f"test.work:{number}")
        assert jobs._claim(job, at)
        late = at + jobs.LEASE + jobs.LONGEST_DELAY + timedelta(seconds=number)
        with handling("test.work", lambda job: None):
            actions: list[Callable[[], Any]] = [
                lambda late=late: jobs.sweep(late),
                lambda late=late: jobs.sweep(late),
                lambda job=job, late=late: jobs.run_job(job.pk, late + jobs.FIRST_DELAY),
                lambda job=job, late=late: jobs.run_job(job.pk, late + jobs.FIRST_DELAY),
            ]
            outcomes = together(lambda index, actions=actions: actions[index]())
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes
        assert outcomes.count("done") <= 1
        assert Job.objects.get(pk=job.pk).fence <= 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_of_many_beats_one_sweeps(at: datetime) -> None:
    for number in range(ROUNDS // 4):
        moment = at + number * jobs.SWEEP_GAP
        assert sorted(together(lambda _, moment=moment: jobs.begin_sweep(moment))) == [False, False, False, True]


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_of_many_uses_of_a_sign_in_link_one_succeeds(at: datetime) -> None:
    for number in range(ROUNDS // 4):
        user = User.objects.create(username=f"user{number}")
        token = make_link_token(user, at)
        outcomes = together(lambda index, token=token: take_link_token(token, at + timedelta(seconds=index + 1)).pk)
        assert [outcome for outcome in outcomes if not isinstance(outcome, Exception)] == [user.pk]
