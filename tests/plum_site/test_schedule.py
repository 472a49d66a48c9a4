"""The one table of what runs when: every row runs something, is planned once, and is shown in the documents."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from activity.services.loading import NewProgram, load_folder
from plum_site import schedule, tasks
from plum_site.celery import app
from plum_site.lib import jobs
from plum_site.lib.choices import JobState
from plum_site.lib.models import Heartbeat, Job
from plum_site.lib.periods import month_text
from reviews.models import ReviewCycle
from tests.factories.ledger import event, make_stocked_program, record, write_folder
from tests.factories.programs import make_program

NIGHT = datetime(2026, 7, 15, 2, 0, tzinfo=UTC)


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, int]]]:
    """The wake-ups that would have been sent."""
    calls: list[tuple[str, dict[str, int]]] = []
    monkeypatch.setattr(jobs, "wake", lambda name, **ids: calls.append((name, ids)))
    return calls


@pytest.mark.parametrize("row", schedule.ROWS, ids=lambda row: row.name)
def test_every_row_names_something_that_is_registered(row: schedule.Row) -> None:
    registry: dict[str, Any] = jobs.HANDLERS if row.kind == "job" else jobs.WAKEABLES

    assert row.name in registry
    assert row.name.partition(".")[0] == row.owner.replace("plum_site", "plum")
    assert row.purpose.endswith(".")


def test_everything_registered_in_the_apps_is_in_the_table() -> None:
    registered = {name for name in {**jobs.HANDLERS, **jobs.WAKEABLES} if not name.startswith("test.")}

    assert registered == {row.name for row in schedule.ROWS} | schedule.ASKED_FOR


def test_celery_has_two_tasks_and_beat_one_entry() -> None:
    assert {name for name in app.tasks if not name.startswith("celery.")} == {"plum.dispatch_due", "plum.run"}
    assert [entry["task"] for entry in app.conf.beat_schedule.values()] == ["plum.dispatch_due"]
    assert app.conf.timezone == "UTC"


def test_the_page_in_the_documents_is_this_table(checkout: Path) -> None:
    """Run `./plum manage write_reference` after changing a row."""
    assert (checkout / "docs/reference/schedule.md").read_text(encoding="utf-8") == schedule.write_schedule()


@pytest.mark.django_db
@pytest.mark.both_engines
def test_planning_again_and_again_plans_once_a_day(at: datetime, woken: list[Any]) -> None:
    make_program(at=datetime(2026, 5, 3, tzinfo=UTC))

    first = schedule.plan_due(at)
    again = [schedule.plan_due(at + timedelta(seconds=10 * number)) for number in range(1, 5)]
    tomorrow = schedule.plan_due(at + timedelta(days=1))

    assert (first, again) == (
        11,
        [0, 0, 0, 0],
    )  # May, June and July; sources; catalog; pictures; partitions; verify; three prunes
    assert tomorrow == 11
    assert woken == []


@pytest.mark.django_db
def test_months_are_due_by_the_clock_of_each_program(woken: list[Any]) -> None:
    """At 10:30 UTC on 30 June it is July on Kiritimati and still June in Honolulu."""
    at = datetime(2026, 6, 30, 10, 30, tzinfo=UTC)
    early = make_program("early", time_zone="Pacific/Kiritimati", at=datetime(2026, 6, 2, tzinfo=UTC))
    late = make_program("late", time_zone="Pacific/Honolulu", at=datetime(2026, 6, 2, tzinfo=UTC))

    schedule.plan_due(at)

    months = {(job.program_id, job.arguments["month"][:7]) for job in Job.objects.filter(name="reviews.consolidate_month")}
    assert months == {(early.pk, "2026-06"), (early.pk, "2026-07"), (late.pk, "2026-06")}
    assert Job.objects.filter(key=f"reviews.consolidate_month:{early.pk}:2026-07:2026-07-01").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_months_that_were_missed_are_made_up_for_and_then_rest(at: datetime) -> None:
    """Nobody swept for three months: each is consolidated once, and the past ones freeze."""
    program = make_stocked_program(at=datetime(2026, 4, 2, tzinfo=UTC))
    schedule.dispatch_due(at)
    due = list(Job.objects.filter(name="reviews.consolidate_month").order_by("key"))

    assert [jobs.run_job(job.pk, at) for job in due] == ["done"] * 4
    states = {month_text(cycle.month_start_date): cycle.state for cycle in ReviewCycle.objects.filter(program=program)}
    assert states == {"2026-04": "ready", "2026-05": "ready", "2026-06": "ready", "2026-07": "open"}

    schedule.dispatch_due(at + timedelta(days=1))
    later = Job.objects.filter(name="reviews.consolidate_month", state=JobState.DUE)
    assert [job.arguments["month"] for job in later] == ["2026-07-01"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_a_folder_that_is_being_loaded_is_not_reviewed_half(tmp_path: Path, woken: list[Any]) -> None:
    """However long it takes, also where the loader dies: then a little later."""
    seen: list[int] = []

    def sweep_in_between(step: str, done: int, total: int) -> None:
        schedule.plan_due(jobs.database_now())
        seen.append(Job.objects.filter(name="reviews.consolidate_month").count())

    folder = write_folder(tmp_path / "folder", [event(number) for number in range(3)])
    load_folder(folder=folder, new_program=NewProgram("acme"), actor="system", at=jobs.database_now(), progress=sweep_in_between)
    assert seen
    assert set(seen) == {0}

    schedule.plan_due(jobs.database_now())
    assert Job.objects.filter(name="reviews.consolidate_month").exists()


@pytest.mark.django_db
def test_who_died_in_the_midst_of_something_is_not_busy_for_ever() -> None:
    at = jobs.database_now()
    with jobs.busy("test.load") as still_here:
        still_here()
        assert jobs.is_busy("test.load", at)
        assert not jobs.is_busy("test.load", at + jobs.BUSY_AT_MOST + timedelta(seconds=5))
    assert not jobs.is_busy("test.load", at)
    assert not Heartbeat.objects.filter(name="test.load").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_the_sweep_wakes_the_sealer_where_a_wake_up_was_lost(at: datetime, woken: list[Any]) -> None:
    program = make_stocked_program()
    record(program, [event(1)], at=at)
    woken.clear()
    schedule.plan_due(at)
    [(name, ids)] = woken

    jobs.run_wakeable(name, ids)

    woken.clear()
    schedule.plan_due(at)
    assert woken == []
    assert program.batches.filter(seal__isnull=True).count() == 0


@pytest.mark.django_db
def test_the_night_jobs_wait_for_the_night_or_for_a_machine_that_missed_it(woken: list[Any]) -> None:
    schedule.plan_due(NIGHT - timedelta(hours=1))
    schedule.plan_due(NIGHT + timedelta(days=1, hours=3))

    due = list(Job.objects.filter(name="plum.verify").order_by("due_at").values_list("due_at", flat=True))
    assert due == [NIGHT, NIGHT + timedelta(days=1, hours=3) + schedule.AFTER_START]


@pytest.mark.django_db
def test_partitions_are_made_months_ahead(at: datetime, woken: list[Any]) -> None:
    schedule.plan_due(at)

    job = Job.objects.get(name="activity.prepare_partitions")
    assert [date.fromisoformat(month) for month in job.arguments["months"]] == [date(2026, month, 1) for month in (7, 8, 9, 10)]
    assert jobs.run_job(job.pk, at) == "done"


@pytest.mark.django_db
def test_two_sweeps_at_once_are_one(at: datetime, woken: list[Any]) -> None:
    assert schedule.dispatch_due(at) is True
    assert schedule.dispatch_due(at + timedelta(seconds=1)) is False


@pytest.mark.django_db(transaction=True)
def test_the_tasks_take_what_newer_code_adds(at: datetime) -> None:
    """During a rolling deploy an old worker gets messages of new senders."""
    tasks.dispatch_due(added_later=1)
    job = Job.objects.get(name="activity.prepare_partitions")
    tasks.run(job=job.pk, added_later=1)

    job.refresh_from_db()
    assert job.state == JobState.DONE
    assert Heartbeat.objects.filter(name="dispatch").exists()


def test_a_message_is_no_place_for_state() -> None:
    assert settings.CELERY_TASK_IGNORE_RESULT is True
    assert settings.CELERY_TASK_ACKS_LATE is False
