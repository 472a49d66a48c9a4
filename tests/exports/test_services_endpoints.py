"""Endpoints are added, edited, disabled, enabled and removed; each change once, and in the audit log."""

import base64
from datetime import datetime, timedelta
from typing import Any

import pytest

from exports.choices import EndpointState
from exports.models import WebhookEndpoint
from exports.selectors import choosable_types, list_endpoints, list_receivers
from exports.services import (
    UnableToChangeEndpoint,
    add_endpoint,
    disable_endpoint,
    edit_endpoint,
    enable_endpoint,
    remove_endpoint,
)
from partners.models import Program
from plum_site.lib import egress, keys
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import AuditEvent, Outbox, User
from tests.factories.people import make_person
from tests.factories.programs import make_program
from tests.factories.webhooks import PUBLIC, make_endpoint, make_endpoint_and_secret

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


@pytest.fixture
def program() -> Program:
    return make_program()


@pytest.fixture
def ada() -> User:
    return make_person()


def values(**changes: Any) -> dict[str, Any]:
    return {"name": "Warehouse", "url": PUBLIC, "types": ["review.finalized"], **changes}


def test_a_secret_is_shown_once_and_kept_sealed(program: Program) -> None:
    endpoint, secret = make_endpoint_and_secret(program)

    raw = base64.b64decode(secret.removeprefix("whsec_"))
    stored = bytes(WebhookEndpoint.objects.get().secret_sealed)
    assert len(raw) == 32
    assert raw not in stored
    assert keys.unseal(keys.program_key(program.uuid, "webhooks"), stored) == raw
    other = make_program("other")
    assert make_endpoint_and_secret(other)[1] != secret
    assert secret not in str(list(AuditEvent.objects.values()))
    assert (endpoint.state, endpoint.made_by, endpoint.first_failed_at) == (EndpointState.ACTIVE, "system", None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"types": []}, "types"),
        ({"types": ["review.finalized", "offer.published"]}, "types"),
        ({"types": ["webhook.test"]}, "types"),
        ({"url": "http://8.8.8.8/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://user:pw@8.8.8.8/"}, "url"),
        ({"url": ""}, "url"),
    ],
)
def test_what_cannot_work_is_refused_beside_its_field(
    changes: dict[str, Any], field: str, program: Program, at: datetime
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        add_endpoint(program_id=program.pk, actor="system", at=at, **values(**changes))
    assert list(refusal.value.fields) == [field]
    assert "was not saved" in refusal.value.detail
    assert not WebhookEndpoint.objects.exists()

    endpoint = make_endpoint(program)
    with pytest.raises(InvalidInput):
        edit_endpoint(endpoint_id=endpoint.pk, actor="system", at=at, **values(**changes))
    assert WebhookEndpoint.objects.get().url == PUBLIC


def test_a_name_that_leads_inside_is_refused_when_it_is_saved(
    program: Program, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "resolve", lambda host, port: ["8.8.8.8", "10.0.0.7"])

    with pytest.raises(InvalidInput, match="private or special network") as refusal:
        add_endpoint(program_id=program.pk, actor="system", at=at, **values(url="https://inner.example.org/"))

    assert "10.0.0.7" not in refusal.value.detail, "what is inside stays inside"


def test_an_address_is_told_once(program: Program, at: datetime) -> None:
    first = make_endpoint(program)
    with pytest.raises(InvalidInput, match="everything twice"):
        make_endpoint(program, name="Again")
    second = make_endpoint(program, name="Other", url=f"{PUBLIC}/2")
    with pytest.raises(InvalidInput, match="everything twice"):
        edit_endpoint(endpoint_id=second.pk, actor="system", at=at, **values())
    make_endpoint(make_program("other"))

    remove_endpoint(endpoint_id=first.pk, actor="system", at=at)
    assert edit_endpoint(endpoint_id=second.pk, actor="system", at=at, **values()).url == PUBLIC


def test_a_program_has_so_many_endpoints_and_no_more(program: Program) -> None:
    for number in range(20):
        last = make_endpoint(program, url=f"{PUBLIC}/{number}")
    with pytest.raises(UnableToChangeEndpoint, match="at most 20"):
        make_endpoint(program, url=f"{PUBLIC}/20")

    remove_endpoint(endpoint_id=last.pk, actor="system", at=last.made_at)
    make_endpoint(program, url=f"{PUBLIC}/20")
    assert list_endpoints(program.pk).count() == 20


def test_editing_keeps_the_secret_and_logs_what_differs(program: Program, ada: User, at: datetime) -> None:
    endpoint = make_endpoint(program, url=f"{PUBLIC}?key=s3cret")
    sealed = bytes(endpoint.secret_sealed)

    edit_endpoint(endpoint_id=endpoint.pk, actor=ada, at=at, **values(url=f"{PUBLIC}/new?key=s3cret"))
    edit_endpoint(endpoint_id=endpoint.pk, actor=ada, at=at + timedelta(hours=1), **values(url=f"{PUBLIC}/new?key=s3cret"))

    endpoint.refresh_from_db()
    assert bytes(endpoint.secret_sealed) == sealed
    assert (endpoint.types, endpoint.changed_at, endpoint.changed_by) == (["review.finalized"], at, f"user:{ada.pk}")
    entry = AuditEvent.objects.get(action="exports.edit_endpoint")
    assert (entry.before["url"], entry.after["url"]) == (PUBLIC, f"{PUBLIC}/new")
    assert set(entry.after) == {"url", "types"}
    assert "s3cret" not in str(list(AuditEvent.objects.values()))


def test_disabled_endpoints_hear_nothing_until_they_are_enabled(program: Program, ada: User, at: datetime) -> None:
    endpoint = make_endpoint(program)

    for _ in range(2):
        disable_endpoint(endpoint_id=endpoint.pk, actor=ada, at=at)
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.reason) == (EndpointState.DISABLED, "Disabled by hand.")
    assert list_receivers(program.pk, "review.finalized") == []
    for _ in range(2):
        enable_endpoint(endpoint_id=endpoint.pk, actor=ada, at=at)

    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.reason) == (EndpointState.ACTIVE, "")
    assert list_receivers(program.pk, "review.finalized") == [endpoint]
    actions = list(AuditEvent.objects.filter(action__endswith="able_endpoint").values_list("action", flat=True))
    assert actions == ["exports.disable_endpoint", "exports.enable_endpoint"]
    assert not Outbox.objects.exists(), "what a person does needs no notice"


def test_a_removed_endpoint_keeps_no_secret_and_cannot_come_back(program: Program, ada: User, at: datetime) -> None:
    endpoint = make_endpoint(program)
    remove_endpoint(endpoint_id=endpoint.pk, actor=ada, at=at)

    endpoint.refresh_from_db()
    assert (endpoint.state, bytes(endpoint.secret_sealed)) == (EndpointState.REMOVED, b"")
    assert list(list_endpoints(program.pk)) == []
    for act in (enable_endpoint, disable_endpoint, remove_endpoint):
        with pytest.raises(NotFound):
            act(endpoint_id=endpoint.pk, actor=ada, at=at)
    with pytest.raises(NotFound):
        edit_endpoint(endpoint_id=endpoint.pk, actor=ada, at=at, **values())


def test_only_what_is_announced_can_be_chosen() -> None:
    assert [kind.name for kind in choosable_types()] == [
        "review.finalized",
        "partner.ladder_moved",
        "partner.flagged",
        "export.ready",
        "offer.started",
        "offer.ended",
        "push.requested",
        *(f"action.{step}" for step in ("proposed", "edited", "approved", "executed", "failed", "reverted", "measured")),
        *(f"replacement.{step}" for step in ("opened", "scheduled", "cut_over", "completed", "rolled_back", "cancelled")),
        "holders.notice_requested",
        "endpoint.disabled",
    ]
