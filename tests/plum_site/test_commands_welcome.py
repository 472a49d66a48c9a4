"""What `./plum up` shows: reviews, people and the way in, from one command."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from plum_site import schedule
from plum_site.demo.people import save_users
from plum_site.lib.clock import now
from plum_site.lib.models import User
from plum_site.lib.signin import take_link_token
from tests.factories.jobs import run_due
from tests.factories.ledger import make_stocked_program
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]


NOW = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_july() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def welcome(*words: str) -> str:
    out = io.StringIO()
    call_command("welcome", *words, stdout=out)
    return out.getvalue()


def welcome_json(*words: str) -> dict[str, Any]:
    return json.loads(welcome(*words, "--format", "json"))


def test_of_nothing_it_shows_nothing() -> None:
    assert welcome_json("--sign-in", "admin") == {
        "programs": [], "waiting": [], "reviews": [], "text": "", "users": [], "sign_in_link": None,
    }  # fmt: skip
    assert welcome() == "No month of any program has been reviewed yet.\n"


def test_it_waits_for_months_that_are_over_and_not_for_the_running_one() -> None:
    make_stocked_program(at=datetime(2026, 6, 5, tzinfo=UTC))
    make_program("young", at=NOW)

    shown = welcome_json()
    assert shown["waiting"] == ["acme 2026-06"]
    assert {row["program"]: row["months_done"] for row in shown["programs"]} == {"acme": 0, "young": 0}
    assert shown["reviews"] == []

    schedule.dispatch_due(NOW)
    assert set(run_due(NOW, name="reviews.consolidate_month")) == {"done"}
    shown = welcome_json()
    assert shown["waiting"] == []
    assert [(review["program"], review["month"]) for review in shown["reviews"]] == [("acme", "2026-06"), ("young", "2026-07")]
    assert "acme 2026-06, revision 1" in shown["text"]
    assert shown["text"].strip() in welcome()


def test_the_people_of_the_samples_and_a_link_that_lets_one_in() -> None:
    program = make_program()
    save_users(program_id=program.pk, at=now())

    shown = welcome_json("--sign-in", "admin", "--base-url", "http://127.0.0.1:8001/")

    assert {"username": "admin", "role": "program_admin", "program": "acme"} in shown["users"]
    assert shown["sign_in_link"].startswith("http://127.0.0.1:8001/console/")
    assert take_link_token(shown["sign_in_link"].rstrip("/").rpartition("/")[2], now()).username == "admin"
    assert "analyst" in welcome()


def test_nobody_is_let_in_who_may_not() -> None:
    User.objects.create(username="gone", is_active=False)

    assert welcome_json("--sign-in", "gone")["sign_in_link"] is None
    assert welcome_json()["sign_in_link"] is None


def test_it_only_reads() -> None:
    make_stocked_program()

    with CaptureQueriesContext(connection) as asked:
        welcome("--sign-in", "admin")

    assert asked.captured_queries
    assert {query["sql"].split()[0] for query in asked.captured_queries} <= {"SELECT", "BEGIN", "SAVEPOINT", "RELEASE", "COMMIT"}
