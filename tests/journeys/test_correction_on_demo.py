"""
The past of the sample program holds a correction that was carried out and measured: a flag, its diagnosis, an action by two
people, the order that members of the segment get, the verdict, and the next review that opens with it.
"""

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import call_command
from django.urls import reverse

from offers.models import RankingRevision
from partners.models import Partner, Program
from plum_site.demo import corrections, profiles, seeding
from plum_site.lib.audit import SYSTEM
from plum_site.lib.models import Job, Outbox, User
from plum_site.lib.periods import local_date
from reviews.choices import ActionState, DecisionKind
from reviews.models import ActionTransition, CorrectiveAction, ReviewCycle
from reviews.rules.effects import CANNOT_TELL, WORKED
from reviews.selectors import find_cycle
from reviews.services import consolidate_cycle
from tests.factories.tokens import make_client
from tests.support.pages import sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

NOW = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
REVIEWED, CORRECTED = date(2026, 4, 1), date(2026, 5, 1)  # the month of the flag, and the one after
DONE_ON = date(2026, 5, 3)
WORKING, IDLE = profiles.CORRECTIONS
ACTION, REVIEW = "admin:reviews_correctiveaction_change", "admin:reviews_reviewcycle_change"


def seed_small(monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setattr(profiles, "MEMBER_COUNT", 150)
    monkeypatch.setattr(profiles, "MOVED_MEMBERS", 5)
    return seeding.seed_demo(code="demo", event_count=1500, seed=1, at=NOW)


def action_of(program: Program, correction: profiles.Correction) -> CorrectiveAction:
    return CorrectiveAction.objects.get(program=program, partner__name=correction.partner, segment__code=correction.segment)


def steps_of(action: CorrectiveAction) -> list[tuple[str, str]]:
    return list(ActionTransition.objects.filter(action=action).order_by("pk").values_list("name", "actor"))


def test_the_past_of_the_sample_program_holds_a_correction_that_worked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "MONTHS", 9)  # as busy as ever, without the months before any that is compared
    program = seeding.seed_demo(code="demo", event_count=62_000, seed=1, at=NOW)
    action, other = action_of(program, WORKING), action_of(program, IDLE)

    # 1. A flag, its diagnosis, and what the playbook proposed, which somebody refused
    assert action.case is not None
    assert (action.case.opened_at < action.proposed_at, find_cycle(program.pk, REVIEWED)) == (True, action.cycle)
    card = action.cycle.scorecards.get(partner=action.partner)
    assert card.diagnosis["cause"] == "relevance"
    assert (card.decision.kind, card.decision.is_by_rule) == (DecisionKind.ACT, False)
    refused = CorrectiveAction.objects.get(case=action.case, kind="refresh_listing")
    assert (refused.state, refused.reason) == (ActionState.REJECTED, card.diagnosis["sentence"])

    # 2. Proposed by one person, approved by another, carried out by its job on that day
    assert (action.proposer.username, action.approver.username, action.owner.username) == ("ops", "admin", "ops")
    assert [name for name, _ in steps_of(action)] == ["propose", "approve", "schedule", "begin", "finish", "watch", "measure"]
    assert local_date(action.executed_at, program.time_zone) == DONE_ON
    stamps = list(action.transitions.order_by("pk").values_list("at", flat=True))
    assert stamps == sorted(stamps)
    assert Job.objects.get(name="reviews.execute_action", arguments__action_id=action.pk).result == {"state": "measuring"}
    assert RankingRevision.objects.filter(segment=action.segment, made_at=action.executed_at).count() == 1

    # 3. Measured once its window was over, by a design from before it began
    over = datetime(2026, 6, 1, tzinfo=ZoneInfo(program.time_zone))
    assert over < action.measured_at < over + timedelta(days=2)
    assert (action.state, action.verdict, action.design["method"]) == (ActionState.MEASURED, WORKED, "matched")
    assert (action.design["metric"], action.design["treated"]) == ("unlock_rate", ["retail"])
    assert float(action.effect["low"]) > 0
    assert (other.state, other.verdict, other.case) == (ActionState.MEASURED, CANNOT_TELL, None)

    # 4. Everything holds before a worker has made the reviews, nobody was written to, and afterwards proposals wait
    assert not Outbox.objects.exists()
    check("actions", "cycles", "jobs", "audit", "rollups")
    for month in (CORRECTED, date(2026, 6, 1)):
        consolidate_cycle(program_id=program.pk, month_start_date=month, actor=SYSTEM, at=NOW)
    assert CorrectiveAction.objects.filter(program=program, state=ActionState.PROPOSED).count() >= 3
    assert not CorrectiveAction.objects.filter(program=program, state=ActionState.PROPOSED, partner=action.partner).exists()

    # 5. What people see: the action, the review after it, what worked, and the order of the catalog
    with time_machine.travel(NOW, tick=False):
        browser = sign_in(User.objects.get(username="admin"))
        page = text_of(browser.get(reverse(ACTION, args=[action.pk])))
        assert "Worked" in page
        assert "Proposed by Otis Operations" in page
        assert "Revert…" not in page, "its 30 days are over"
        assert action.effect["sentence"] in page
        for one in (action, other):
            opened = browser.get(reverse(REVIEW, args=[find_cycle(program.pk, CORRECTED).pk]))
            assert reverse(ACTION, args=[one.pk]) in opened.content.decode()
        assert "Worked" in text_of(opened)
        worked = text_of(browser.get(reverse("admin:reviews_correctiveaction_verdicts")))
        assert WORKING.partner in worked
        assert "plum-none" not in worked, "markup that is shown as text"
        client = make_client(program, "catalog:read", at=NOW)
        orders = [
            [row["offer"] for row in client.get(f"/api/v1/catalog{query}").json()["data"]]
            for query in ("?segment=retail-unit", "")
        ]
    named = action.params["offers"]
    assert orders[0][: len(named)] == named
    assert orders[1][: len(named)] != named


def check(*areas: str) -> None:
    """`verify`, which ends with 0 only where everything holds."""
    with time_machine.travel(NOW + timedelta(days=3), tick=False):
        for area in areas:
            call_command("verify", area, stdout=StringIO(), stderr=StringIO())


def test_a_sample_program_too_small_to_tell_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    program = seed_small(monkeypatch)

    for correction in profiles.CORRECTIONS:
        action = action_of(program, correction)
        assert (action.state, action.verdict, action.case, action.cycle) == (ActionState.MEASURED, CANNOT_TELL, None, None)
    check("all")


@pytest.mark.parametrize("place", ["hand_over", "approve_action", "run_waiting"])
def test_a_run_that_was_interrupted_at_a_correction_is_finished(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    real, calls = getattr(corrections, place), []

    def stop_once(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(corrections, place, stop_once)
    with pytest.raises(KeyboardInterrupt):
        seed_small(monkeypatch)
    program = seed_small(monkeypatch)

    assert len(calls) > 1
    for correction in profiles.CORRECTIONS:
        action = action_of(program, correction)
        names = [name for name, _ in steps_of(action)]
        assert sorted(set(names)) == sorted(names), "each step once"
        assert action.state == ActionState.MEASURED
    assert ReviewCycle.objects.filter(program=program).count() == 1
    assert Partner.objects.filter(program=program, owner=None).count() == 0
    check("all")
