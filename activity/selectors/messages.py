"""Reads of messages: how a push went, by push, by offer or by month. Evidence beside the ledger, never part of a metric."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, F, Max, Min, Q
from django.db.models.functions import TruncMonth

from activity.choices import MessageKind
from activity.models import MemberMessage

GROUPS: dict[str, Any] = {
    "": None,
    "push": F("push_ref"),
    "offer": F("offers__offer__external_id"),
    "month": TruncMonth("local_date"),
}
REACHED = (MessageKind.DELIVERED, MessageKind.OPENED)


@dataclass(frozen=True)
class MessageCounts:
    """
    What became of some messages. key: the push reference, offer or month (its first day) that they share; "" for all.

    members_reached: distinct members to whom at least one was delivered, or who opened one.
    """

    key: Any
    sent: int
    delivered: int
    bounced: int
    opened: int
    members_sent: int
    members_reached: int
    members_opened: int
    first_date: date
    last_date: date


def summarise_messages(
    program_id: int,
    *,
    by: str = "",
    starts_date: date | None = None,
    ends_date: date | None = None,
    push_ref: str | None = None,
    offer_id: int | None = None,
) -> list[MessageCounts]:
    """
    How messages went over the program days `[starts_date, ends_date)`; open where None.

    by: "" (all together), "push", "offer" (a message counts for each of its offers) or "month". Numbers of members may be
    of very few people: whoever shows them looks at the program's minimum group.

    Shape: MessageCounts by key; none where there is no message.
    """
    rows = MemberMessage.objects.filter(program_id=program_id)
    if starts_date is not None:
        rows = rows.filter(local_date__gte=starts_date)
    if ends_date is not None:
        rows = rows.filter(local_date__lt=ends_date)
    if push_ref is not None:
        rows = rows.filter(push_ref=push_ref)
    if offer_id is not None:
        rows = rows.filter(pk__in=MemberMessage.objects.filter(offers__offer_id=offer_id).values("pk"))
    counts = {kind.label: Count("id", filter=Q(kind=kind)) for kind in MessageKind}
    members = {
        "members_sent": Count("member_id", distinct=True, filter=Q(kind=MessageKind.SENT)),
        "members_reached": Count("member_id", distinct=True, filter=Q(kind__in=REACHED)),
        "members_opened": Count("member_id", distinct=True, filter=Q(kind=MessageKind.OPENED)),
    }
    wanted = {**counts, **members, "first_date": Min("local_date"), "last_date": Max("local_date")}
    group = GROUPS[by]
    if group is None:
        row = rows.aggregate(**wanted)
        return [MessageCounts("", **row)] if row["first_date"] else []
    grouped: Any = rows.annotate(group=group).values("group").annotate(**wanted).order_by("group")
    return [MessageCounts(row.pop("group"), **row) for row in grouped]
