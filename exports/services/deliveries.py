"""What endpoints are sent: queued with the change that it tells, signed and sent after the commit."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from exports.choices import EndpointState
from exports.models import WebhookDelivery, WebhookEndpoint
from exports.rules import RETRY_DELAYS, encode_body, make_message_id, pause_asked_for, shown_address, sign_headers
from exports.selectors import list_receivers
from exports.services.endpoints import disable_endpoint
from plum_site.lib import audit, egress, keys, outbox
from plum_site.lib.announcements import Announcement
from plum_site.lib.errors import NotFound
from plum_site.lib.models import Outbox, User
from plum_site.lib.outbox import Delivered, Refused, TryLater

CHANNEL = "webhook"
TEST = "webhook.test"
TEST_SENTENCE = "A test from Plum: if you can read this and its signature is right, everything works."
FAILS_AT_MOST = timedelta(days=5)
KEPT_OF_ANSWER = 3900  # characters, beside the status, of the 4,000 that an attempt keeps
GONE = 410


def hear_announcement(*, announcement: Announcement) -> int:
    """
    Queue one message for each active endpoint of the program that chose the type; how many.

    Runs in the announcing transaction. The same announcement heard twice is queued once.
    Raises: nothing.
    Writes: plum_outbox, exports_webhookdelivery.
    """
    receivers = list_receivers(announcement.program_id, announcement.type)
    if not receivers:
        return 0
    body = encode_body(announcement.type, announcement.data, announcement.at)
    which = hashlib.sha256(f"{announcement.type}\0{announcement.key}".encode()).hexdigest()[:32]
    for endpoint in receivers:
        _queue(endpoint, announcement.type, which, body, announcement.at)
    return len(receivers)


@transaction.atomic
def send_test_message(*, endpoint_id: int, actor: User | str, at: datetime) -> WebhookDelivery:
    """
    Queue a message of type webhook.test, also for a disabled endpoint; it is tried once.

    Raises: NotFound.
    Writes: plum_outbox, exports_webhookdelivery, plum_auditevent.
    """
    rows = WebhookEndpoint.objects.select_related("program").exclude(state=EndpointState.REMOVED)
    endpoint = rows.filter(pk=endpoint_id).first()
    if endpoint is None:
        raise NotFound("webhook", endpoint_id)
    data = {"program": endpoint.program.code, "message": TEST_SENTENCE}
    delivery = _queue(endpoint, TEST, f"test:{secrets.token_hex(8)}", encode_body(TEST, data, at), at)
    audit.record(
        program_id=endpoint.program_id,
        actor=actor,
        action="exports.send_test_message",
        row=endpoint,
        at=at,
        after={"message": delivery.message.message_id},
    )
    return delivery


def deliver_webhook(*, message: Outbox, at: datetime) -> Delivered:
    """
    Send one message to its endpoint, once, signed at this instant. 2xx within 15 s is success; everything else is not.

    410 disables the endpoint, as do five days in which nothing succeeded. 429, 502, 503 and 504 may ask for patience.
    Raises: TryLater, Refused, each with what was answered.
    Writes: exports_webhookendpoint, and what disable_endpoint writes; each in a transaction of its own.
    """
    is_test = message.webhook_delivery.type == TEST
    endpoint = WebhookEndpoint.objects.select_related("program").get(pk=message.webhook_delivery.endpoint_id)
    if endpoint.state == EndpointState.REMOVED:
        raise Refused("The webhook was removed. Nothing was sent.")
    if endpoint.state == EndpointState.DISABLED and not is_test:
        raise TryLater("The webhook is disabled. Nothing was sent; if it is enabled in time, this message still goes out.")
    body = message.payload["body"].encode()
    secret = keys.unseal(keys.program_key(endpoint.program.uuid, "webhooks"), bytes(endpoint.secret_sealed))
    signed = sign_headers(secret, message.message_id, body, at)
    headers = {"Content-Type": "application/json", "User-Agent": "Plum-Webhooks/1", **signed}
    try:
        answer = egress.post(endpoint.url, body=body, headers=headers)
    except (egress.EgressRefused, egress.EgressFailed) as fault:
        return _fail(endpoint, message, str(fault), at, is_test)
    said = f"HTTP {answer.status}"
    if 200 <= answer.status < 300:
        WebhookEndpoint.objects.filter(pk=endpoint.pk, first_failed_at__isnull=False).update(first_failed_at=None)
        return Delivered(said, _kept(answer))
    detail = f"{said} {_kept(answer)}".rstrip()
    if answer.status == GONE:
        _disable(endpoint, "The receiver answered 410 Gone: it wants no more messages.", at)
        raise Refused(detail)
    pause = pause_asked_for(answer.status, answer.headers.get("retry-after", ""), at)
    return _fail(endpoint, message, detail, at, is_test, pause)


def _queue(endpoint: WebhookEndpoint, type: str, which: str, body: str, at: datetime) -> WebhookDelivery:
    message = outbox.put(
        channel=CHANNEL,
        recipient=shown_address(endpoint.url),
        dedup_key=f"webhook:{endpoint.pk}:{which}",
        payload={"body": body},
        program_id=endpoint.program_id,
        at=at,
        message_id=make_message_id(at, secrets.randbits(80)),
    )
    delivery, _ = WebhookDelivery.objects.get_or_create(
        message=message, defaults={"endpoint": endpoint, "type": type, "created_at": at}
    )
    return delivery


def _kept(answer: egress.Answer) -> str:
    return answer.text.strip()[:KEPT_OF_ANSWER]


def _fail(
    endpoint: WebhookEndpoint, message: Outbox, detail: str, at: datetime, is_test: bool, pause: timedelta | None = None
) -> Any:
    """Note the failure on the endpoint, disable it where all have failed for days, and leave by TryLater or Refused."""
    first = WebhookEndpoint.objects.filter(pk=endpoint.pk, first_failed_at__isnull=True).update(first_failed_at=at)
    since = at if first else WebhookEndpoint.objects.values_list("first_failed_at", flat=True).get(pk=endpoint.pk)
    if since is not None and at - since >= FAILS_AT_MOST:
        _disable(endpoint, f"Every attempt has failed since {since:%Y-%m-%d %H:%M} UTC.", at)
    if is_test:
        raise Refused(detail)
    planned = RETRY_DELAYS[min(message.attempts, len(RETRY_DELAYS)) - 1]
    raise TryLater(detail, pause if pause is not None and pause > planned else None)


def _disable(endpoint: WebhookEndpoint, reason: str, at: datetime) -> None:
    try:
        disable_endpoint(endpoint_id=endpoint.pk, reason=reason, actor=audit.SYSTEM, at=at)
    except NotFound:  # removed by somebody meanwhile
        return
