"""
From events over HTTP to a corrective action and its verdict: flag, diagnosis, proposal, approval, the catalog in another
order, the next month measured, the next review opening with it. Nothing is put in by hand but what happened.
"""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

import plum_site.tasks  # noqa: F401 - registers what workers run
from partners.models import Program
from plum_site import schedule
from plum_site.lib import jobs
from plum_site.lib.choices import Role
from reviews.choices import ActionKind
from reviews.models import CorrectiveAction, ReviewCycle
from reviews.rules.actions import PlaybookLine
from reviews.services.actions import save_playbook
from tests.factories.action_clients import client_of, get, step
from tests.factories.flags import make_watched_program
from tests.factories.jobs import run_due
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, month_of_events
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines, pytest.mark.slow]

PARTNERS = [f"P{number}" for number in range(1, 9)]
FELL = {"views": 300, "unlocks": 90, "activations": 8, "redemptions": 2}
BETTER = {"views": 300, "unlocks": 180, "activations": 120, "redemptions": 80}
IN_JUNE = datetime(2026, 6, 25, 9, 0, tzinfo=UTC)
IN_AUGUST = datetime(2026, 8, 4, 9, 0, tzinfo=UTC)
MONTHS = ("2025-12", "2026-01", "2026-02", "2026-03", "2026-04", "2026-05")


def as_cloud_event(fields: dict[str, Any]) -> dict[str, Any]:
    """One event of a file as its sender would tell it over HTTP."""
    return {
        "specversion": "1.0",
        "id": fields["event_id"],
        "source": "urn:acme:shop",
        "type": f"offer.{fields['kind']}.v1",
        "time": fields["occurred_at"],
        "data": {"member": {"external_id": fields["member"]}, "offer": fields["offer"], "status": fields["status"]},
    }


def happen(shop: TokenClient, month: str, counts: dict[str, dict[str, int]]) -> None:
    """What members did in one month, as the shop sends it."""
    events = [as_cloud_event(event) for partner, numbers in counts.items() for event in month_of_events(month, partner, numbers)]
    for start in range(0, len(events), 1000):
        body = json.dumps(events[start : start + 1000])
        answer = shop.post("/api/v1/events", body, content_type="application/cloudevents-batch+json").json()
        assert answer["rejected"] == 0


def work(program: Program, at: datetime) -> None:
    """What beat and a worker would do now."""
    schedule.plan_due(at)
    for name in ("activity.seal_ledger", "reviews.follow_ledger"):
        jobs.run_wakeable(name, {"program_id": program.pk})
    run_due(at)


def order(program: Program) -> list[str]:
    return [row["offer"] for row in get(make_client(program, "catalog:read"), "catalog")["data"]]


def test_a_fall_is_seen_corrected_and_measured() -> None:
    program = make_watched_program(*PARTNERS, at=datetime(2025, 12, 1, tzinfo=UTC), time_zone="UTC")
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    lines = [PlaybookLine("", ActionKind.RERANK, params={"how": "top"})]
    with time_machine.travel(IN_JUNE, tick=False):
        save_playbook(program_id=program.pk, lines=lines, actor=anna, at=IN_JUNE)
        shop, desk = make_client(program, "events:write", at=IN_JUNE), client_of(program, anna)
        for month in MONTHS:
            happen(shop, month, dict.fromkeys(PARTNERS, GOOD))

        # 1. P8 falls in June: the flag is there as soon as its events are sealed
        happen(shop, "2026-06", {**dict.fromkeys(PARTNERS, GOOD), "P8": FELL})
        work(program, IN_JUNE)
        [flag] = get(make_client(program, "reviews:read"), "flags?state=open")["data"]
        assert (flag["partner"], flag["rule"], flag["month"]) == ("P8", "activation_floor", "2026-06")

        # 2. The playbook has proposed, and nothing has changed
        [row] = get(desk, "actions?state=proposed")["data"]
        proposed = get(desk, f"actions/{row['id']}")
        assert (proposed["partner"], proposed["kind"], proposed["flag"]) == ("P8", "rerank", flag["id"])
        assert proposed["reason"]
        assert order(program)[-1] == "O-P8"

        # 3. Approved by a person, carried out by a worker: the catalog has another order
        assert step(desk, row["id"], "approve", "Let people see it.").status_code == 200
        assert order(program)[-1] == "O-P8", "without the worker nothing happens"
        work(program, IN_JUNE)
        assert order(program)[0] == "O-P8"
        executed = get(desk, f"actions/{row['id']}")
        assert (executed["state"], executed["design"]["method"]) == ("measuring", "matched")

    # 4. The month after is better for P8, and as usual for the others
    with time_machine.travel(IN_AUGUST, tick=False):
        happen(make_client(program, "events:write", at=IN_AUGUST), "2026-07", {**dict.fromkeys(PARTNERS, GOOD), "P8": BETTER})
        work(program, IN_AUGUST)
        measured = get(client_of(program, anna), f"actions/{row['id']}")
        assert (measured["state"], measured["verdict"]) == ("measured", "worked")
        assert measured["effect"]["low"] > 0

        # 5. The review of July opens with it
        cycle = ReviewCycle.objects.get(program=program, month_start_date=date(2026, 7, 1))
        console = Client()
        console.force_login(anna)
        page = console.get(reverse("admin:reviews_reviewcycle_change", args=[cycle.pk])).content.decode()
        assert f"/reviews/correctiveaction/{row['id']}/" in page
        assert "Worked" in page
    assert CorrectiveAction.objects.filter(program=program).count() == 1
    assert timedelta(days=28) < IN_AUGUST - IN_JUNE
