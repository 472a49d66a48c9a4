"""Webhook endpoints: added, edited, disabled, enabled and removed by people; disabled by Plum where nobody answers."""

import os
from datetime import datetime
from typing import Any

from django.db import transaction

from exports.choices import EndpointState
from exports.models import WebhookEndpoint
from exports.rules import encode_secret, shown_address
from exports.selectors import choosable_types, list_endpoints
from exports.services.notices import tell_admins
from partners.models import Program
from plum_site.lib import audit, egress, keys
from plum_site.lib.announcements import address_of, announce
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import User

SECRET_BYTES = 32
MOST_ENDPOINTS = 20
NAME_LENGTH, REASON_LENGTH = 100, 300
BY_HAND = "Disabled by hand."


class UnableToChangeEndpoint(DomainError):
    """There are as many endpoints as a program may have."""


def add_endpoint(
    *, program_id: int, name: str, url: str, types: list[str], actor: User | str, at: datetime
) -> tuple[WebhookEndpoint, str]:
    """
    Add an address that is told what happens; the second value is its secret, which cannot be shown again.

    The address is looked up first: it must lead to the public internet, or into a network that the operator allowed.
    Raises: InvalidInput - invalid_endpoint, with fields name, url or types; UnableToChangeEndpoint - too_many.
    Writes: exports_webhookendpoint, plum_auditevent; one transaction.
    """
    values = _check(name, url, types)
    secret = os.urandom(SECRET_BYTES)
    with transaction.atomic():
        program = Program.objects.select_for_update(of=("self",)).get(pk=program_id)
        if list_endpoints(program_id).count() >= MOST_ENDPOINTS:
            raise UnableToChangeEndpoint(
                "too_many", f"A program has at most {MOST_ENDPOINTS} webhooks. None was added; remove one that is not used."
            )
        _refuse_twice(program_id, values["url"])
        endpoint = WebhookEndpoint.objects.create(
            program=program,
            secret_sealed=keys.seal(keys.program_key(program.uuid, "webhooks"), secret),
            made_at=at,
            made_by=audit.actor_name(actor),
            changed_at=at,
            changed_by=audit.actor_name(actor),
            **values,
        )
        _record("exports.add_endpoint", endpoint, actor, at, after=_logged(values))
    return endpoint, encode_secret(secret)


def edit_endpoint(*, endpoint_id: int, name: str, url: str, types: list[str], actor: User | str, at: datetime) -> WebhookEndpoint:
    """
    Change an endpoint's name, address or types. What waits for it goes to the new address; its secret stays. A new
    address is looked up first.

    Raises: NotFound; InvalidInput - as add_endpoint.
    Writes: exports_webhookendpoint, plum_auditevent; one transaction. Nothing where nothing differs.
    """
    is_same = WebhookEndpoint.objects.filter(pk=endpoint_id, url=url.strip()).exists()
    values = _check(name, url, types, is_looked_up=not is_same)
    with transaction.atomic():
        endpoint = _lock(endpoint_id)
        before = {field: getattr(endpoint, field) for field in values}
        if before == values:
            return endpoint
        if before["url"] != values["url"]:
            _refuse_twice(endpoint.program_id, values["url"], but=endpoint.pk)
        _change(endpoint, actor, at, **values)
        old, new = _logged(before), _logged(values)
        changed = [field for field in values if before[field] != values[field]]
        _record(
            "exports.edit_endpoint",
            endpoint,
            actor,
            at,
            before={field: old[field] for field in changed},
            after={field: new[field] for field in changed},
        )
    return endpoint


@transaction.atomic
def disable_endpoint(*, endpoint_id: int, reason: str = BY_HAND, actor: User | str, at: datetime) -> WebhookEndpoint:
    """
    Send nothing more to an endpoint. What happens from now on is not kept for it; what waits is tried by its schedule.

    By Plum itself (an actor that is no person) the program's other endpoints are told, and its admins by mail.

    Raises: NotFound.
    Writes: exports_webhookendpoint, plum_auditevent, and what listeners write. Nothing where it is disabled already.
    """
    endpoint = _lock(endpoint_id)
    if endpoint.state == EndpointState.DISABLED:
        return endpoint
    reason = reason.strip()[:REASON_LENGTH] or BY_HAND
    _change(endpoint, actor, at, state=EndpointState.DISABLED, reason=reason)
    after = {"state": str(endpoint.state), "reason": reason}
    _record("exports.disable_endpoint", endpoint, actor, at, before={"state": str(EndpointState.ACTIVE)}, after=after)
    if not isinstance(actor, User):
        program = Program.objects.get(pk=endpoint.program_id)
        url = address_of("admin:exports_webhookendpoint_change", endpoint.pk)
        data = {"program": program.code, "endpoint": str(endpoint.uuid), "reason": reason, "url": url}
        key = f"{endpoint.pk}:{at.isoformat()}"
        announce(type="endpoint.disabled", program_id=endpoint.program_id, key=key, data=data, at=at)
        tell_admins(endpoint=endpoint, program=program, url=url, key=key, at=at)
    return endpoint


@transaction.atomic
def enable_endpoint(*, endpoint_id: int, actor: User | str, at: datetime) -> WebhookEndpoint:
    """
    Send to a disabled endpoint again.

    Raises: NotFound.
    Writes: exports_webhookendpoint, plum_auditevent. Nothing where it is active already.
    """
    endpoint = _lock(endpoint_id)
    if endpoint.state == EndpointState.ACTIVE:
        return endpoint
    before = {"state": str(endpoint.state), "reason": endpoint.reason}
    _change(endpoint, actor, at, state=EndpointState.ACTIVE, reason="", first_failed_at=None)
    _record("exports.enable_endpoint", endpoint, actor, at, before=before, after={"state": str(endpoint.state)})
    return endpoint


@transaction.atomic
def remove_endpoint(*, endpoint_id: int, actor: User | str, at: datetime) -> None:
    """
    Take an endpoint away for good: its secret is wiped, what waits for it is given up at its next attempt.

    Raises: NotFound.
    Writes: exports_webhookendpoint, plum_auditevent.
    """
    endpoint = _lock(endpoint_id)
    before = {"state": str(endpoint.state), "name": endpoint.name, "url": shown_address(endpoint.url)}
    _change(endpoint, actor, at, state=EndpointState.REMOVED, reason="", secret_sealed=b"")
    _record("exports.remove_endpoint", endpoint, actor, at, before=before, after={"state": str(endpoint.state)})


def _check(name: str, url: str, types: list[str], is_looked_up: bool = True) -> dict[str, Any]:
    """The values as they are stored; InvalidInput names each that cannot be."""
    name, url, fields = name.strip(), url.strip(), {}
    if not name or len(name) > NAME_LENGTH:
        fields["name"] = f"Give the webhook a name of 1 to {NAME_LENGTH} characters, by which people recognise who listens."
    known = [kind.name for kind in choosable_types()]
    if not types or not set(types) <= set(known):
        fields["types"] = f"Choose one or more of {', '.join(known)}."
    try:
        if is_looked_up:
            egress.check(url)
    except egress.EgressRefused as refusal:
        fields["url"] = refusal.detail
    if fields:
        raise InvalidInput("invalid_endpoint", "The webhook was not saved. " + " ".join(fields.values()), fields)
    return {"name": name, "url": url, "types": [name for name in known if name in types]}


def _refuse_twice(program_id: int, url: str, but: int = 0) -> None:
    if list_endpoints(program_id).filter(url=url).exclude(pk=but).exists():
        sentence = "Another webhook of this program has this address: it would be told everything twice."
        raise InvalidInput("invalid_endpoint", f"The webhook was not saved. {sentence}", {"url": sentence})


def _lock(endpoint_id: int) -> WebhookEndpoint:
    rows = WebhookEndpoint.objects.select_for_update(of=("self",)).exclude(state=EndpointState.REMOVED)
    endpoint = rows.filter(pk=endpoint_id).first()
    if endpoint is None:
        raise NotFound("webhook", endpoint_id)
    return endpoint


def _change(endpoint: WebhookEndpoint, actor: User | str, at: datetime, **values: Any) -> None:
    values |= {"changed_at": at, "changed_by": audit.actor_name(actor)}
    for field, value in values.items():
        setattr(endpoint, field, value)
    endpoint.save(update_fields=list(values))


def _logged(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"url": shown_address(values["url"])}


def _record(action: str, endpoint: WebhookEndpoint, actor: User | str, at: datetime, **values: Any) -> None:
    audit.record(program_id=endpoint.program_id, actor=actor, action=action, row=endpoint, at=at, **values)
