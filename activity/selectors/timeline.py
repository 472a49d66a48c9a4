"""What one member did, in time order, in the field names of the event contract."""

from typing import Any

from activity.choices import Kind, Status
from activity.models import Event, IngestBatch, Member
from activity.models.ledger import POSITIONS
from partners.models import Program
from plum_site.lib.money import format_minor


def list_timeline(*, program: Program, member: Member) -> list[dict[str, Any]]:
    """
    Every event of one member.

    Shape: one dict an event, in time order, then in the order of recording; keys as design section 4 names file columns,
    beside partner, offer and recorded_at. Instants are aware UTC; amounts decimal strings; absent values None.
    """
    rows = Event.objects.filter(program=program, member=member).select_related("offer__partner", "source")
    events = list(rows.order_by("occurred_at", "pk"))
    batches = {event.pk // POSITIONS for event in events}
    recorded = dict(IngestBatch.objects.filter(pk__in=batches).values_list("pk", "recorded_at"))
    return [describe_event(event, recorded.get(event.pk // POSITIONS)) for event in events]


def describe_event(event: Event, recorded_at: Any) -> dict[str, Any]:
    """
    One event in the field names of the event contract.

    Shape: one dict.
    """
    return {
        "event_id": event.event_key,
        "source": event.source.code,
        "occurred_at": event.occurred_at,
        "recorded_at": recorded_at,
        "received_at": event.received_at,
        "kind": Kind(event.kind).label,
        "status": Status(event.status).label,
        "reason_code": event.reason_code,
        "partner": event.offer.partner.external_id,
        "offer": event.offer.external_id,
        "spend_amount": show_amount(event.spend_minor, event.spend_currency),
        "spend_currency": event.spend_currency,
        "reward_cost_amount": show_amount(event.reward_cost_minor, event.reward_cost_currency),
        "reward_cost_currency": event.reward_cost_currency,
        "transaction_ref": event.transaction_ref,
        "reverses": event.reverses,
        "medium": event.medium,
        "position": event.position,
    }


def show_amount(minor: int | None, currency: str | None) -> str | None:
    """
    Minor units as a decimal string, None for none.

    Shape: text or None.
    """
    return None if minor is None or currency is None else format_minor(minor, currency)
