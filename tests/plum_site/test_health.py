"""Health says what is not well and what to do about it, and works whatever is down."""

import io
import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, close_old_connections, connection

from plum_site import health
from plum_site.bench.site import database_url
from plum_site.health import find_health
from plum_site.lib import jobs
from plum_site.lib.choices import JobState
from plum_site.lib.models import Job, Outbox
from plum_site.lib.outbox import put
from tests.factories.jobs import planned
from tests.factories.ledger import event, make_stocked_program, record


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker and beat have just shown life, and the broker answers."""
    for name in ("worker", "beat"):
        jobs.show_life(name, jobs.database_now())
    monkeypatch.setattr(health, "broker_fault", lambda: "")


def faults() -> set[str]:
    return {check.name for check in find_health().checks if not check.ok}


@pytest.mark.django_db
@pytest.mark.both_engines
def test_all_is_well(running: None) -> None:
    found = find_health()

    assert faults() == set()
    assert (found.ok, found.ready) == (True, True)
    assert {name for name, value in found.figures.items() if value is True} == {
        "database",
        "migrated",
        "broker",
        "worker",
        "beat",
    }
    assert found.figures["jobs"] == {"due": 0, "running": 0, "dead": 0, "late": 0}
    assert found.figures["disk_free_bytes"] > 0


@pytest.mark.django_db
def test_nothing_has_ever_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "broker_fault", lambda: "nobody listens")
    found = find_health()

    assert faults() == {"broker", "worker", "beat"}
    assert found.figures["worker_age_seconds"] is None
    assert found.ready, "requests can be served without broker and workers"
    assert all(check.remedy for check in found.checks if not check.ok)


@pytest.mark.django_db
def test_parts_that_fell_silent_are_named(running: None) -> None:
    jobs.show_life("beat", jobs.database_now() - health.SILENT - timedelta(seconds=5))

    assert faults() == {"beat"}


@pytest.mark.django_db
def test_waiting_and_dead_jobs_are_counted(running: None) -> None:
    at = jobs.database_now()
    planned(at - timedelta(seconds=95), key="test.late:1")
    planned(at, key="test.new:1")
    planned(at, key="test.later:1", due_at=at + timedelta(hours=1))
    assert faults() == {"jobs"}
    assert find_health().figures["jobs"] == {"due": 2, "running": 0, "dead": 0, "late": 1}

    Job.objects.all().update(state=JobState.DEAD, finished_at=at)
    assert faults() == {"jobs"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_a_batch_that_nobody_seals_is_seen(running: None) -> None:
    program = make_stocked_program()
    record(program, [event(1)], at=jobs.database_now() - timedelta(seconds=70))

    found = find_health()

    assert faults() == {"ledger"}
    assert 70 <= found.figures["unsealed_age_seconds"] < 100


@pytest.mark.django_db
def test_what_the_nightly_verification_found_is_kept_in_sight(running: None) -> None:
    at = jobs.database_now()
    result: dict[str, Any] = {"checks": 3, "checked": 9, "violations": 1, "first": ["acme: events: event 8193 was edited"]}
    job = planned(at, name="plum.verify", key="plum.verify:1")
    Job.objects.filter(pk=job.pk).update(state=JobState.DONE, finished_at=at, result=result)

    [check] = [check for check in find_health().checks if not check.ok]

    assert check.name == "verification"
    assert "event 8193 was edited" in check.detail


@pytest.mark.django_db
def test_a_database_that_is_gone_is_said_and_not_raised(running: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(health, "_list_unapplied", refuse)

    found = find_health()

    assert (found.ok, found.ready, found.figures["database"]) == (False, False, False)
    assert found.checks[0].detail == "connection refused"


@pytest.mark.django_db
def test_readiness_asks_nobody_but_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise AssertionError("the broker was asked")

    monkeypatch.setattr(health, "broker_fault", refuse)

    found = health.find_readiness()

    assert found.ready
    assert [check.name for check in found.checks] == ["database", "migrations", "disk"]


@pytest.mark.django_db
def test_migrations_that_wait_make_it_unready(running: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_list_unapplied", lambda: ["plum.0099_newer"])

    found = find_health()

    assert (found.ready, found.figures["migrated"]) == (False, False)
    assert faults() == {"migrations"}


@pytest.mark.django_db
def test_the_command_prints_the_same_and_exits_by_it(running: None) -> None:
    out = io.StringIO()
    call_command("health", format="json", stdout=out)
    assert json.loads(out.getvalue())["ok"] is True

    planned(jobs.database_now() - timedelta(minutes=5))
    out = io.StringIO()
    with pytest.raises(CommandError, match="Not well: jobs") as ended:
        call_command("health", stdout=out)
    assert ended.value.returncode == 1
    assert "NOT WELL" in out.getvalue()


@pytest.mark.django_db
def test_messages_that_are_late_or_were_given_up_are_named() -> None:
    now, day = jobs.database_now(), timedelta(days=1)
    for number, (state, due_at) in enumerate(
        [("waiting", now + day), ("waiting", now - day), ("dead", now - day), ("dead", now - 30 * day)]
    ):
        put(channel="mail", recipient="a@example.org", dedup_key=str(number), payload={"a": 1}, program_id=None, at=now)
        Outbox.objects.filter(dedup_key=str(number)).update(state=state, due_at=due_at, attempts=1, error=f"answer {number}")
    put(channel="webhook", recipient="https://x", dedup_key="hook", payload={"a": 1}, program_id=None, at=now)
    Outbox.objects.filter(dedup_key="hook").update(state="dead", due_at=now, attempts=1, error="HTTP 500")

    found = find_health()

    assert found.figures["messages"] == {"waiting": 2, "late": 1, "given_up": 1}
    [check] = [check for check in found.checks if check.name == "mail"]
    assert not check.ok
    assert "2 wait, 1 late, 1 given up in 7 days; the last answer: answer 0" in check.detail


@pytest.mark.django_db
@pytest.mark.both_engines
def test_connections_are_counted_against_what_the_server_takes(running: None, settings: Any) -> None:
    settings.WEB_PROCESSES, settings.WEB_THREADS, settings.WORKER_PROCESSES, settings.MACHINES = 3, 8, 2, 2
    found = find_health()
    [check] = [check for check in found.checks if check.name == "connections"]
    if connection.vendor == "sqlite":
        assert (check.ok, found.figures["connections"]) == (True, None)
        return

    figures = found.figures["connections"]
    assert figures["at_most"] == 2 * (3 * 8 + 5) + 1 + 8
    assert figures["open_now"] >= 1
    assert check.ok == (figures["at_most"] + figures["elsewhere"] <= figures["limit"])
    assert f"{figures['open_now']} open, at most 67; the server takes {figures['limit']}" in check.detail

    settings.MACHINES = 100
    [check] = [check for check in find_health().checks if not check.ok]
    assert check.name == "connections"
    assert "PLUM_WEB_PROCESSES" in check.remedy


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_has_cut_is_replaced_before_it_is_used() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    with psycopg.connect(database_url(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    close_old_connections()  # as Django does when a request begins

    assert find_health().figures["database"] is True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone() != (pid,)
