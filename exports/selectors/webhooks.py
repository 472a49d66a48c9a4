"""Webhook endpoints and what became of their messages."""

from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from exports.choices import EndpointState
from exports.models import WebhookDelivery, WebhookEndpoint
from plum_site.lib.announcements import TYPES, AnnouncementType
from plum_site.lib.errors import NotFound
from plum_site.lib.models import OutboxAttempt


def choosable_types() -> list[AnnouncementType]:
    """
    What an endpoint may choose: the types that this version announces.

    Shape: AnnouncementType, in the order of the table.
    """
    return [kind for kind in TYPES.values() if kind.is_made]


def list_endpoints(program_id: int) -> QuerySet[WebhookEndpoint]:
    """
    The endpoints of a program that were not removed.

    Shape: WebhookEndpoint, by name and id.
    """
    rows = WebhookEndpoint.objects.filter(program_id=program_id).exclude(state=EndpointState.REMOVED)
    return rows.order_by("name", "id")


def get_endpoint(program_id: int, uuid: str) -> WebhookEndpoint:
    """
    One endpoint of a program by its id for the outside; NotFound where there is none.

    Shape: WebhookEndpoint.
    """
    try:
        known = UUID(uuid)
    except ValueError:
        raise NotFound("webhook", uuid) from None
    endpoint = list_endpoints(program_id).filter(uuid=known).first()
    if endpoint is None:
        raise NotFound("webhook", uuid)
    return endpoint


def list_receivers(program_id: int, type: str) -> list[WebhookEndpoint]:
    """
    The active endpoints of a program that chose a type.

    Shape: WebhookEndpoint, by id.
    """
    active = WebhookEndpoint.objects.filter(program_id=program_id, state=EndpointState.ACTIVE).order_by("id")
    return [endpoint for endpoint in active if type in endpoint.types]


def list_deliveries(deliveries: QuerySet[WebhookDelivery] | None = None) -> QuerySet[WebhookDelivery]:
    """
    Messages to endpoints with how their last attempt went.

    Shape: WebhookDelivery, newest first, with endpoint and message, and `last_at`, `last_status`, `last_detail`,
    `last_milliseconds` (empty before the first attempt, and 30 days after the last).
    """
    rows = WebhookDelivery.objects.all() if deliveries is None else deliveries
    latest = OutboxAttempt.objects.filter(message=OuterRef("message")).order_by("-at", "-id")
    last = {f"last_{name}": Subquery(latest.values(name)[:1]) for name in ("at", "status", "detail", "milliseconds")}
    return rows.select_related("endpoint", "message").annotate(**last).order_by("-id")
