"""Every hostile case through the real door: the verdict that is written down, on both engines, and never a server error."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from activity.models import Event
from activity.rules.codes import ITEM_CODES
from activity.selectors import list_timeline
from activity.services.people import find_member
from partners.models import Program
from plum_site.lib.money import EXPONENTS
from tests.factories.ledger import make_stocked_program
from tests.factories.tokens import TokenClient, make_client
from tests.hostile.cases import EventCase, write
from tests.hostile.more_cases import BATCH, BODY_CASES, EVENT_CASES, LINES, SINGLE

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
FAMILIES = sorted({case.family for case in EVENT_CASES})
BODY_FAMILIES = sorted({case.family for case in BODY_CASES})
BEFORE, AFTER = write({"id": '"before"'}), write({"id": '"after"'})


@pytest.fixture
def program() -> Program:
    return make_stocked_program()


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "events:write")


def test_there_are_enough_of_them() -> None:
    assert len(EVENT_CASES) >= 300
    names = [(case.family, case.name) for case in [*EVENT_CASES, *BODY_CASES]]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert {case.code for case in EVENT_CASES} >= {"", "malformed", "required", "invalid", "unknown_field", "event_too_large"}


def post(client: TokenClient, body: bytes, content_type: str, **headers: str) -> Any:
    stated = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
    return client.post("/api/v1/events?results=all", body, content_type=content_type, headers=headers, **stated)


@pytest.mark.parametrize("family", FAMILIES)
def test_events_alone(client: TokenClient, program: Program, family: str) -> None:
    wrong = []
    for case in (one for one in EVENT_CASES if one.family == family):
        with transaction.atomic():
            answer = post(client, case.text, SINGLE)
            fault = "" if answer.status_code == (207 if case.code else 200) else f"{answer.status_code} {answer.json()}"
            fault = fault or find_fault(case, answer.json()["results"][0])
            if not fault and not case.code:
                fault = find_difference(program, json.loads(case.text))
            transaction.set_rollback(True)
        if fault:
            wrong.append(f"{case.name}: {fault}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("form", [BATCH, LINES])
@pytest.mark.parametrize("family", FAMILIES)
def test_events_among_others(client: TokenClient, program: Program, family: str, form: str) -> None:
    """Each between two good ones: those that are refused all at once, those that are taken one by one, as they share an id."""
    cases = [one for one in EVENT_CASES if one.family == family and not (one.breaks_batch if form == BATCH else one.breaks_line)]
    wrong = []
    for group in ([one for one in cases if one.code], *([one] for one in cases if not one.code)):
        if not group:
            continue
        texts = [part for one in group for part in (BEFORE, one.text)] + [AFTER]
        body = b"[" + b",".join(texts) + b"]" if form == BATCH else b"\n".join(texts)
        with transaction.atomic():
            answer = post(client, body, form).json()
            taken = int(not group[0].code)
            assert (answer["received"], answer["accepted"], answer["duplicate"]) == (len(texts), 2 + taken, len(group) - 1), (
                family
            )
            found = [find_fault(one, answer["results"][2 * number + 1]) for number, one in enumerate(group)]
            if taken and not found[0]:
                found = [find_difference(program, json.loads(group[0].text))]
            transaction.set_rollback(True)
        wrong += [f"{one.name}: {fault}" for one, fault in zip(group, found, strict=True) if fault]
    assert not wrong, "\n".join(wrong)


def test_what_is_no_json_breaks_a_batch_and_nothing_of_it_is_kept(client: TokenClient) -> None:
    broken = [one for one in EVENT_CASES if one.breaks_batch]
    assert len(broken) > 50
    wrong = []
    for case in broken:
        answer = post(client, b"[" + BEFORE + b"," + case.text + b"," + AFTER + b"]", BATCH)
        if (answer.status_code, answer.json()["code"]) != (400, "malformed"):
            wrong.append(f"{case.family}: {case.name}: {answer.status_code} {answer.content[:300]!r}")
    assert not wrong, "\n".join(wrong)
    assert not Event.objects.exists()


def find_fault(case: EventCase, result: dict[str, Any]) -> str:
    """What is not as it is written down; "" for nothing."""
    said = (result["status"], result.get("code", ""))
    return "" if said == ("rejected" if case.code else "accepted", case.code) else str(result)


def find_difference(program: Program, sent: dict[str, Any]) -> str:
    """What reads back otherwise than it was sent; "" for nothing."""
    data = sent["data"]
    member = find_member(program=program, external_id=data["member"]["external_id"])
    assert member is not None
    kept = next(row for row in list_timeline(program=program, member=member) if row["event_id"] == sent["id"])
    wanted = {
        "source": sent["source"],
        "occurred_at": datetime.fromisoformat(sent["time"]).astimezone(UTC),
        "kind": sent["type"].split(".")[1],
        "status": data.get("status") or "confirmed",
        "offer": data["offer"],
        "position": data.get("position"),
        **{name: data.get(name) or None for name in ("reason_code", "transaction_ref", "reverses", "medium")},
    }
    for name in ("spend", "reward_cost"):
        said = data.get(name)
        wanted[f"{name}_currency"] = said["currency"] if said else None
        exponent = EXPONENTS[said["currency"]] if said else 0
        wanted[f"{name}_amount"] = str(Decimal(said["amount"]).quantize(Decimal(1).scaleb(-exponent))) if said else None
    different = {name: (value, kept[name]) for name, value in wanted.items() if kept[name] != value}
    return str(different) if different else ""


@pytest.mark.parametrize("family", BODY_FAMILIES)
def test_bodies(client: TokenClient, family: str) -> None:
    wrong = []
    for case in (one for one in BODY_CASES if one.family == family):
        with transaction.atomic():
            answer = post(client, case.body, case.content_type, **case.headers)
            stored = Event.objects.exists()
            transaction.set_rollback(True)
        text = answer.content.decode()
        is_problem = answer["Content-Type"] == "application/problem+json"
        is_right = answer.status_code == case.status and f'"{case.code}"' in (text if case.code else '""')
        if not is_right or is_problem != (case.status >= 400) or (stored and case.status >= 400):
            wrong.append(f"{case.name}: {answer.status_code} {text[:300]}")
    assert not wrong, "\n".join(wrong)


def test_what_is_refused_leaves_nothing(client: TokenClient) -> None:
    """All refused events of the corpus at once, as lines: counted, and not one of them kept."""
    refused: Iterator[EventCase] = (one for one in EVENT_CASES if one.code and not one.breaks_line)
    texts = [one.text for one in refused]
    answer = post(client, b"\n".join(texts), LINES)
    body = answer.json()
    assert (answer.status_code, body["accepted"], body["received"]) == (207, 0, len(texts))
    assert not Event.objects.exists()


def test_every_code_that_it_names_is_listed() -> None:
    assert {case.code for case in EVENT_CASES if case.code} <= set(ITEM_CODES)
