"""The roof's commands: tokens, sign-in links, tracing, retrying and how far the reviews are."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from plum_site import schedule
from plum_site.lib.choices import JobState
from plum_site.lib.clock import now
from plum_site.lib.models import ApiToken, AuditEvent, Job, User
from plum_site.lib.signin import take_link_token
from plum_site.lib.tokens import find_token
from tests.factories.jobs import planned, run_due
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.programs import make_program

pytestmark = pytest.mark.slow


def run(name: str, *arguments: str, **options: Any) -> tuple[int, str, str]:
    """Exit status, standard output, standard error or the error's text."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=err, **options)
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), err.getvalue()


@pytest.mark.django_db
def test_a_token_is_printed_once_and_opens_its_program() -> None:
    program = make_program()
    User.objects.create(username="ada")
    arguments = ["--program", "acme", "--name", "till", "--scopes", "events:write,catalog:read", "--days", "30", "--as", "ada"]

    status, out, _ = run("create_token", *arguments)

    token = find_token(out.strip(), now())
    assert status == 0
    assert token is not None
    assert (token.program_id, sorted(token.scopes)) == (program.pk, ["catalog:read", "events:write"])
    assert AuditEvent.objects.get(action="plum.create_token").actor.startswith("user:")
    assert out.strip() not in json.dumps(list(ApiToken.objects.values("name", "prefix", "scopes")))


@pytest.mark.django_db
def test_a_token_is_not_made_for_an_unknown_program_scope_or_person() -> None:
    make_program()
    for changed, sentence in (
        ({"--program": "nope"}, "nope"),
        ({"--scopes": "all"}, "Choose one or more"),
        ({"--as": "eve"}, "eve"),
    ):
        options = {"--program": "acme", "--name": "till", "--scopes": "events:write"} | changed
        status, out, err = run("create_token", *[part for option in options.items() for part in option])
        assert (status, out) == (2, "")
        assert sentence in err
    assert not ApiToken.objects.exists()


@pytest.mark.django_db
def test_a_sign_in_link_leads_to_the_console_and_signs_in_its_person() -> None:
    ada = User.objects.create(username="ada")

    status, out, _ = run("sign_in_link", "--username", "ada", "--base-url", "https://plum.example.org/")

    link = out.strip()
    assert status == 0
    assert link.startswith("https://plum.example.org/")
    assert "org//" not in link
    assert take_link_token(link.rstrip("/").rpartition("/")[2], now()) == ada
    assert run("sign_in_link", "--username", "nobody")[0] == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_an_event_is_followed_from_its_identity_to_its_review() -> None:
    program = make_stocked_program()
    record(program, [event(1), event(2, "redeemed", spend_amount="12.50", spend_currency="EUR")])

    steps = {step["name"]: step for step in json.loads(run("trace_event", "e2", format="json")[1])["steps"]}
    assert list(steps) == ["identity", "event", "batch", "seal", "rollups", "review", "audit"]
    assert steps["event"]["facts"]["spend_minor"] == 1250
    assert steps["batch"]["facts"]["position"] == 1
    assert "not sealed yet" in steps["seal"]["sentence"]
    assert "has not been reviewed" in steps["review"]["sentence"]

    at = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)
    schedule.dispatch_due(at)
    assert run_due(at, name="reviews.consolidate_month", arguments__month="2026-06-01") == ["done"]

    row = json.loads(run("trace_event", "e2", format="json")[1])
    steps = {step["name"]: step for step in row["steps"]}
    assert steps["seal"]["facts"]["number"] == 1
    assert [cell["event_count"] for cell in steps["rollups"]["facts"]["day × offer"]] == [1, 1]
    assert steps["review"]["facts"]["cards"][0]["event_counts"] is True
    assert "M1" not in json.dumps(row), "the member's outside id is no part of it"
    assert "sealed as number 1" in run("trace_event", str(row["event"]))[1]


@pytest.mark.django_db(transaction=True)
def test_an_event_id_that_two_sources_used_has_to_be_told_apart() -> None:
    program = make_stocked_program()
    record(program, [event(1)], source="shop")
    record(program, [event(1)], source="till")

    status, _, err = run("trace_event", "e1")

    assert status == 2
    assert "shop" in err
    assert "till" in err
    assert run("trace_event", "e404", "--program", "acme")[0] == 2


@pytest.mark.django_db
def test_dead_jobs_are_retried_all_or_named(at: datetime) -> None:
    dead = [planned(at, key=f"test.dead:{number}") for number in range(3)]
    Job.objects.update(state=JobState.DEAD, finished_at=at, attempts=5)

    assert json.loads(run("retry_jobs", str(dead[1].pk), format="json")[1]) == {"retried": [dead[1].pk]}
    assert Job.objects.filter(state=JobState.DEAD).count() == 2
    assert run("retry_jobs")[1] == "2 jobs are due again.\n"
    assert run("retry_jobs", str(dead[0].pk))[0] == 2


@pytest.mark.django_db(transaction=True)
def test_progress_counts_the_months_and_ends_when_all_are_done() -> None:
    today = now()
    begun = (today.replace(day=1) - timedelta(days=40)).replace(day=5)
    make_stocked_program(at=begun)
    status, out, err = run("review_progress", format="json")
    [row] = json.loads(out)["programs"]
    assert (status, row["months_done"], row["latest"]) == (1, 0, None)
    assert row["months_due"] >= 2
    assert "months are not consolidated yet" in err
    assert "No worker and no beat shows life" in err

    schedule.dispatch_due()
    assert set(run_due(name="reviews.consolidate_month")) == {"done"}

    status, out, _ = run("review_progress", "--wait", "--timeout", "5", format="json")
    [row] = json.loads(out)["programs"]
    assert status == 0
    assert row["months_done"] == row["months_due"]
    assert row["latest"] == f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"


@pytest.mark.django_db(transaction=True)
def test_waiting_for_reviews_that_were_given_up_ends_with_the_reason() -> None:
    make_stocked_program(at=now() - timedelta(days=1))
    schedule.dispatch_due()
    months = Job.objects.filter(name="reviews.consolidate_month")
    months.update(state=JobState.DEAD, finished_at=now(), error="Traceback\nValueError: the weights do not add up")

    status, _, err = run("review_progress", "--wait", "--timeout", "60")

    assert status == 1
    assert "the weights do not add up" in err
    assert "retry_jobs" in err


@pytest.mark.django_db(transaction=True)
def test_waiting_ends_at_its_time_limit() -> None:
    make_stocked_program(at=now() - timedelta(days=1))

    status, _, err = run("review_progress", "--wait", "--timeout", "0.6")

    assert status == 1
    assert "./plum up" in err
