"""`manage.py verify` finds what was spoiled, names it, and says so by its exit status."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction

from plum_site import schedule
from plum_site.lib import audit, jobs
from plum_site.lib.choices import JobState
from plum_site.lib.models import AuditEvent, Job, User
from plum_site.verify import load_checks, summarise_all
from tests.factories.jobs import planned, run_due
from tests.factories.ledger import event, make_stocked_program, record


def verify(area: str = "all") -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("verify", area, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), err.getvalue()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_everything_holds_in_a_program_that_was_used() -> None:
    program = make_stocked_program()
    record(program, [event(1), event(2, "redeemed", spend_amount="10.00", spend_currency="EUR")])
    schedule.dispatch_due()
    assert set(run_due()) == {"done"}

    status, out, _ = verify()

    assert status == 0, out
    assert "Everything holds" in out


@pytest.mark.django_db
def test_an_unknown_area_names_the_areas() -> None:
    status, out, err = verify("everything")

    assert (status, out) == (2, "")
    assert all(area in err for area in (*load_checks(), "all"))
    assert {"audit", "jobs", "ledger", "rollups", "tenancy"} <= set(load_checks())


@pytest.mark.django_db
def test_json_is_one_line_a_check() -> None:
    out = io.StringIO()
    call_command("verify", "jobs", format="json", stdout=out, stderr=io.StringIO())

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["area"] for line in lines] == ["jobs"] * 4
    assert all(line["ok"] and line["violations"] == [] for line in lines)


@pytest.mark.django_db
@pytest.mark.both_engines
def test_jobs_that_nobody_takes_hold_or_ended_badly_are_named() -> None:
    at = jobs.database_now()
    planned(at - timedelta(seconds=89), key="test.young:1")
    assert verify("jobs")[0] == 0

    planned(at - timedelta(seconds=95), key="test.late:1")
    held = planned(at, key="test.held:1")
    dead = planned(at, key="test.dead:1")
    Job.objects.filter(pk=held.pk).update(state=JobState.RUNNING, lease_until=at - timedelta(minutes=5))
    Job.objects.filter(pk=dead.pk).update(state=JobState.DEAD, finished_at=at, error="Traceback\nValueError: empty file")

    status, _, err = verify("jobs")

    assert status == 1
    for text in ("test.late:1", "test.held:1", "test.dead:1: ValueError: empty file", "3 violations"):
        assert text in err


@pytest.mark.django_db
@pytest.mark.both_engines
def test_an_audit_row_by_nobody_or_about_nothing_is_named() -> None:
    ada = User.objects.create(username="ada")
    with transaction.atomic():
        audit.record(program_id=None, actor=ada, action="plum.test", row=ada, at=jobs.database_now())
    assert verify("audit")[0] == 0

    AuditEvent.objects.create(at=jobs.database_now(), actor="user:999", action="plum.test", object_ref="plum.User:1")
    AuditEvent.objects.create(at=jobs.database_now(), actor="system", action="plum.test", object_ref="plum.Ghost:1")

    status, _, err = verify("audit")
    assert status == 1
    assert "'user:999', who is not there" in err
    assert "'plum.Ghost:1', which names no kind of object" in err


@pytest.mark.django_db
@pytest.mark.both_engines
def test_an_audit_log_that_can_be_edited_is_named() -> None:
    name = "plum_auditevent_no_edit" if connection.vendor == "postgresql" else "plum_auditevent_no_UPDATE"
    where = " ON plum_auditevent" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}{where}")

    status, _, err = verify("audit")

    assert status == 1
    assert f"trigger {name} is missing" in err


@pytest.mark.django_db
def test_the_nightly_summary_counts_and_quotes() -> None:
    seen: list[str] = []
    planned(jobs.database_now() - timedelta(minutes=5), key="test.late:1")

    summary = summarise_all(progress=lambda done, total, note: seen.append(note))

    assert seen == load_checks()
    assert summary["violations"] == 1
    assert "test.late:1" in summary["first"][0]
