"""Rules by the API: read in words, tried on the closed months, saved or only rehearsed, taken out of force and back."""

import json
from typing import Any

import pytest

from partners.models import Program
from plum_site.lib import jobs
from plum_site.lib.choices import JobState
from plum_site.lib.models import AuditEvent, Job
from reviews.choices import CycleState
from reviews.models import Rule, RuleVersion
from reviews.selectors import previews
from reviews.tasks import preview_rule
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import APRIL, GOOD, IN_JULY, JUNE, MAY, make_reviewable_program, record_month, reviewed
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
LOW = {
    "name": "Unlock rate low",
    "metric": "unlock_rate",
    "direction": "below",
    "reference": "fixed",
    "threshold": 0.15,
    "minimum_denominator": 100,
}
NEW = {"code": "unlock_rate_low", **LOW}
SENTENCE = "Flag a partner when its unlock rate in the month is below 15 %, with at least 100 views."


@pytest.fixture
def program() -> Program:
    program = make_reviewable_program("P1", "P2")
    record_month(program, "2026-04", {"P1": GOOD, "P2": GOOD})
    record_month(program, "2026-05", {"P1": GOOD, "P2": {**GOOD, "unlocks": 15}})
    record_month(program, "2026-06", {"P1": GOOD, "P2": GOOD})
    for month in (APRIL, MAY, JUNE):
        reviewed(program, month, CycleState.CLOSED)
    return program


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "reviews:read", "rules:write")


def send(client: TokenClient, method: str, path: str, body: dict[str, Any], **headers: str) -> Any:
    return client.generic(method, f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers=headers)


def test_rules_are_read_in_words_with_their_metric(client: TokenClient) -> None:
    listed = client.get("/api/v1/rules").json()["data"]

    assert [rule["code"] for rule in listed] == sorted(rule["code"] for rule in listed)
    reversals = next(rule for rule in listed if rule["code"] == "reversal_rate_high")
    assert reversals["sentence"] == (
        "Flag a partner when its reversal rate in the month is above 10 %, with at least 20 redemptions."
    )
    assert reversals["metric_definition"] == {"label": "Reversal rate", "formula": "reversals ÷ redemptions"}
    assert (reversals["threshold"], reversals["number"], reversals["is_active"]) == (0.1, 1, True)
    assert [action["name"] for action in reversals["allowed_actions"]] == ["deactivate"]
    one = client.get("/api/v1/rules/reversal_rate_high").json()
    assert [version["number"] for version in one["versions"]] == [1]
    assert {name: one[name] for name in reversals} == reversals
    assert client.get("/api/v1/rules/none").status_code == 404


def test_reading_alone_allows_nothing(program: Program) -> None:
    reader = make_client(program, "reviews:read")

    assert reader.get("/api/v1/rules").json()["data"][0]["allowed_actions"] == []
    assert send(reader, "POST", "rules", NEW).status_code == 403


def test_a_rehearsal_answers_the_back_test_and_saves_nothing(client: TokenClient) -> None:
    before = AuditEvent.objects.count()

    answer = send(client, "POST", "rules", {**NEW, "dry_run": True}, idempotency_key="a")

    assert answer.status_code == 200
    said = answer.json()
    assert (said["sentence"], said["number"]) == (SENTENCE, 1)
    assert [(month["month"], month["flags"]) for month in said["backtest"]["months"]] == [
        ("2026-04", 0),
        ("2026-05", 1),
        ("2026-06", 0),
    ]
    assert said["backtest"]["totals"]["recovered_unaided"] == 1
    assert not Rule.objects.filter(code=NEW["code"]).exists()
    assert AuditEvent.objects.count() == before
    again = send(client, "POST", "rules", {**NEW, "dry_run": True}, idempotency_key="a")
    assert (again.headers["Idempotent-Replayed"], again.json()) == ("true", said)


def test_a_rule_is_made_with_what_it_would_have_flagged(client: TokenClient, program: Program) -> None:
    person = make_member_of_staff(program, "partner_ops")

    made = send(client, "POST", "rules", {**NEW, "owner": person.username, "cycles": 2}, idempotency_key="b")

    assert (made.status_code, made["Location"]) == (201, "/api/v1/rules/unlock_rate_low")
    version = RuleVersion.objects.get(rule__code="unlock_rate_low")
    assert version.owner == person
    assert made.json()["owner"] == person.username
    assert made.json()["backtest"] == version.backtest
    assert version.backtest["totals"]["months"] == 2
    assert version.made_by.startswith("token:")
    assert send(client, "POST", "rules", {**NEW, "owner": person.username, "cycles": 2}, idempotency_key="b").status_code == 201
    assert RuleVersion.objects.filter(rule__code="unlock_rate_low").count() == 1
    twice = send(client, "POST", "rules", NEW)
    assert (twice.status_code, twice.json()["code"]) == (409, "already_exists")


def test_a_change_is_a_new_version_and_the_same_again_is_none(client: TokenClient) -> None:
    assert send(client, "PUT", "rules/unlock_rate_low", LOW).status_code == 201
    etag = client.get("/api/v1/rules/unlock_rate_low")["ETag"]

    changed = send(client, "PUT", "rules/unlock_rate_low", {**LOW, "threshold": "0.2"}, if_match=etag)
    same = send(client, "PUT", "rules/unlock_rate_low", {**LOW, "threshold": 0.2})

    assert (changed.status_code, changed.json()["number"], changed.json()["threshold"]) == (200, 2, 0.2)
    assert changed.json()["backtest"]["present"]["threshold"] == "0.150000000"
    assert (same.status_code, same.json()) == (200, changed.json())
    assert send(client, "PUT", "rules/unlock_rate_low", {**LOW, "threshold": 0.3}, if_match=etag).status_code == 412
    rehearsed = send(client, "PUT", "rules/unlock_rate_low", {**LOW, "threshold": 0.3, "dry_run": True})
    assert (rehearsed.status_code, rehearsed.json()["number"]) == (200, 3)
    assert RuleVersion.objects.filter(rule__code="unlock_rate_low").count() == 2


@pytest.mark.parametrize(
    ("changes", "pointer", "said"),
    [
        ({"metric": "unlock-rate"}, "/metric", "Did you mean unlock_rate?"),
        ({"metric": "net_spend"}, "/metric", "money"),
        ({"threshold": -1}, "/threshold", "from 0"),
        ({"threshold": "NaN"}, "/threshold", ""),
        ({"window_days": 3}, "/window_days", "7 to 92"),
        ({"persistence": 2, "persistence_unit": "days"}, "/persistence_unit", "last days"),
        ({"direction": "sideways"}, "/direction", ""),
        ({"owner": "nobody"}, "/owner", "nobody called 'nobody'"),
        ({"cycles": 37}, "/cycles", ""),
        ({"colour": "red"}, "/colour", "no field of this name"),
        ({"code": "a b"}, "/code", "letters, digits"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_changed(
    client: TokenClient, changes: dict[str, Any], pointer: str, said: str
) -> None:
    before = RuleVersion.objects.count()

    answer = send(client, "POST", "rules", {**NEW, **changes})

    assert answer.status_code == 422, answer.content
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert said in answer.json()["errors"][0]["detail"]
    assert "Nothing was changed" in answer.json()["detail"]
    assert RuleVersion.objects.count() == before


def test_a_rule_goes_out_of_force_and_comes_back(client: TokenClient) -> None:
    out = send(client, "POST", "rules/views_fall/transitions", {"name": "deactivate"})
    again = send(client, "POST", "rules/views_fall/transitions", {"name": "deactivate"})
    back = send(client, "POST", "rules/views_fall/transitions", {"name": "activate"})

    assert (out.json()["is_active"], [action["name"] for action in out.json()["allowed_actions"]]) == (False, ["activate"])
    assert (again.status_code, again.json()["code"]) == (409, "transition_refused")
    assert back.json()["is_active"]
    assert send(client, "POST", "rules/none/transitions", {"name": "activate"}).status_code == 404


def test_a_sandbox_token_changes_nothing(program: Program) -> None:
    client = make_client(program, "reviews:read", "rules:write", is_sandbox=True)

    answer = send(client, "POST", "rules", NEW)

    assert (answer.status_code, answer["Plum-Sandbox"]) == (201, "true")
    assert not Rule.objects.filter(code=NEW["code"]).exists()


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if so few scorecards were many."""
    monkeypatch.setattr(previews, "MOST_AT_ONCE", 5)


def test_what_takes_long_is_tried_in_the_background_and_then_saved(client: TokenClient, program: Program, large: None) -> None:
    refused = send(client, "POST", "rules", NEW)
    assert (refused.status_code, refused.json()["code"]) == (422, "preview_needed")
    assert not Rule.objects.filter(code=NEW["code"]).exists()
    assert send(client, "POST", "rules", {**NEW, "dry_run": True, "cycles": 2}).status_code == 200, "two months are not many"

    asked = send(client, "POST", "rules", {**NEW, "dry_run": True}, idempotency_key="a")
    again = send(client, "POST", "rules", {**NEW, "dry_run": True}, idempotency_key="a")
    assert (asked.status_code, asked.json()) == (202, again.json())
    waiting = client.get(asked["Location"]).json()
    assert (waiting["state"], waiting["code"], waiting["sentence"], waiting["backtest"]) == ("due", NEW["code"], SENTENCE, None)
    early = send(client, "POST", "rules", {**NEW, "preview": waiting["id"]})
    assert (early.status_code, early.json()["code"]) == (422, "preview_not_done")

    job = jobs.RunningJob(Job.objects.get(pk=waiting["id"]), IN_JULY)
    result = preview_rule(job, **Job.objects.get(pk=waiting["id"]).arguments)
    Job.objects.filter(pk=waiting["id"]).update(state=JobState.DONE, finished_at=IN_JULY, result=result)

    done = client.get(asked["Location"]).json()
    assert done["state"] == "done"
    assert [month["flags"] for month in done["backtest"]["months"]] == [0, 1, 0]
    other = send(client, "POST", "rules", {**NEW, "threshold": 0.2, "preview": done["id"]})
    assert (other.status_code, other.json()["code"]) == (422, "other_preview")
    made = send(client, "POST", "rules", {**NEW, "preview": done["id"]})
    assert made.status_code == 201
    assert made.json()["backtest"] == done["backtest"] == RuleVersion.objects.get(rule__code=NEW["code"]).backtest
    stale = send(client, "PUT", f"rules/{NEW['code']}", {**LOW, "threshold": 0.3, "preview": done["id"]})
    assert stale.json()["code"] == "other_preview"
    assert send(client, "PUT", f"rules/{NEW['code']}", LOW).status_code == 200, "nothing changes, so there is nothing to try"


def test_a_preview_is_seen_in_its_own_program_alone(client: TokenClient, large: None) -> None:
    asked = send(client, "POST", "rules", {**NEW, "dry_run": True})
    stranger = make_client(make_reviewable_program("P1", code="other"), "reviews:read", "rules:write")

    assert stranger.get(asked["Location"]).status_code == 404
    assert send(stranger, "POST", "rules", {**NEW, "preview": asked.json()["id"]}).status_code == 404
