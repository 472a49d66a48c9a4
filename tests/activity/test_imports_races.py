"""People who click at the same moment, and workers who meet: what was brought is applied once, and nobody is made twice."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection

from activity.models import Import, Member, MemberVersion
from activity.services import MemberRow, Person, apply_people
from activity.services.import_checks import check_import
from activity.services.import_runs import apply_import
from activity.services.imports import confirm_import, start_import
from partners.models import Program
from plum_site.lib.models import AuditEvent, Job
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.people import make_person
from tests.factories.programs import make_program

pytestmark = [pytest.mark.slow, pytest.mark.both_engines, pytest.mark.django_db(transaction=True)]
AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
PEOPLE = 40


@pytest.fixture(autouse=True)
def own_storage(settings: Any, tmp_path: Path) -> None:
    settings.VAR = tmp_path / "var"
    settings.VAR.mkdir()
    settings.MEDIA_ROOT = tmp_path / "media"


def together(*actions: Callable[[], Any]) -> list[Any]:
    """Run the actions in threads that are released at the same moment; what each returned, or raised."""
    barrier = threading.Barrier(len(actions))
    results: list[Any] = [None] * len(actions)

    def run(number: int) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=30)
            results[number] = actions[number]()
        except Exception as error:  # the test looks at it
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def checked(program: Program) -> Import:
    """A people file, brought and checked."""
    text = "external_id,business_unit\n" + "".join(f"m{number},cards\n" for number in range(PEOPLE))
    files = {"members.csv": ContentFile(text.encode(), name="members.csv")}
    brought = start_import(program=program, kind="people", files=files, actor=make_person("ada"), at=AT)
    check_import(import_id=brought.pk, at=AT)
    return brought


def test_two_people_who_confirm_at_once_have_it_applied_once() -> None:
    brought = checked(make_program())
    people = [make_person("bob"), make_person("eve")]
    results = together(*(lambda one=one: confirm_import(import_id=brought.pk, actor=one, at=AT) for one in people))
    assert {result.state for result in results} == {"applying"}
    assert Job.objects.filter(name="activity.apply_import").count() == 1
    assert AuditEvent.objects.filter(action="activity.confirm_import").count() == 1


def test_two_workers_on_one_import_apply_it_once() -> None:
    brought = checked(make_program())
    confirm_import(import_id=brought.pk, actor=brought.created_by, at=AT)
    results = together(*(lambda: apply_import(import_id=brought.pk, at=AT) for _ in range(2)))
    brought.refresh_from_db()
    assert brought.state == "applied"
    assert brought.result is not None
    assert brought.result["counts"]["members.csv"]["created"] == PEOPLE
    assert (Member.objects.count(), MemberVersion.objects.count()) == (PEOPLE, PEOPLE)
    assert AuditEvent.objects.filter(action="activity.apply_people").count() == 1
    # The slower worker may find the files gone: its attempt fails, and the next one finds the work done.
    assert any(isinstance(result, dict) and result for result in results)
    assert apply_import(import_id=brought.pk, at=AT)["counts"]["members.csv"]["created"] == PEOPLE


def test_a_person_who_comes_by_file_and_by_event_at_once_is_one_member() -> None:
    program = make_stocked_program()
    names = [f"new{number}" for number in range(PEOPLE)]
    rows = [MemberRow(Person(name), {"business_unit": "cards"}) for name in names]
    events = [event(number, member=name) for number, name in enumerate(names)]
    before = Member.objects.count()
    results = together(
        lambda: apply_people(program=program, rows=rows, source="test", actor="system", at=AT),
        lambda: record(program, events),
        lambda: apply_people(program=program, rows=rows[::-1], source="test", actor="system", at=AT),
    )
    assert [result for result in results if isinstance(result, Exception)] == []
    assert Member.objects.count() == before + PEOPLE
    assert {result.created + result.changed + result.unchanged for result in (results[0], results[2])} == {PEOPLE}
