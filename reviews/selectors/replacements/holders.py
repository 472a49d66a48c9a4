"""Who holds an offer that goes: members who unlocked it and did not activate it, and those who activated it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Count, F, Max, Q, QuerySet, When

from activity.choices import Kind, Status
from activity.models import Event
from activity.selectors.present import find_present_members
from offers.rules import matches
from reviews.choices import HolderState
from reviews.models import Replacement, ReplacementHolder

AT_ONCE = 5000  # members looked up at once


@dataclass(frozen=True, slots=True)
class Holding:
    """One member and one old offer that they have unlocked and not used since. unlocked_at: last."""

    member_id: int
    offer_id: int
    unlocked_at: datetime


def list_holdings(replacement: Replacement, offer_ids: Collection[int], until: datetime, at: datetime) -> Iterator[Holding]:
    """
    Who holds some offers that were unlocked up to an instant and neither activated nor redeemed since; active members alone, and
    those of the replacement's segment where it is for one.

    Shape: Holdings, by member and offer, read as they are taken.
    Source: docs/rules/replacement.md
    """
    rows = (
        _last_times(replacement, offer_ids)
        .filter(unlocked_at__isnull=False, unlocked_at__lte=until)
        .filter(Q(used_at__isnull=True) | Q(used_at__lt=F("unlocked_at")))
        .order_by("member_id", "offer_id")
    )
    pending: list[Holding] = []
    for member_id, offer_id, unlocked_at in rows.values_list("member_id", "offer_id", "unlocked_at").iterator():
        pending.append(Holding(member_id, offer_id, unlocked_at))
        if len(pending) >= AT_ONCE:
            yield from _keep_concerned(replacement, pending, at)
            pending = []
    yield from _keep_concerned(replacement, pending, at)


def count_holders(replacement: Replacement, offer_ids: Collection[int]) -> dict[str, int]:
    """
    How many members hold some offers: unlocked ones that are not used, and activated ones that are not redeemed.

    Shape: {"unlocked": members, "activated": members}, whoever they are and wherever they belong.
    Source: docs/rules/replacement.md
    """
    rows = _last_times(replacement, offer_ids)
    unlocked = rows.filter(unlocked_at__isnull=False).filter(Q(used_at__isnull=True) | Q(used_at__lt=F("unlocked_at")))
    activated = rows.filter(activated_at__isnull=False)
    activated = activated.filter(Q(redeemed_at__isnull=True) | Q(redeemed_at__lt=F("activated_at")))
    return {"unlocked": _count_members(unlocked), "activated": _count_members(activated)}


def list_notices(replacement_id: int) -> QuerySet[ReplacementHolder]:
    """
    Who held an old offer at the cutover of a replacement, and whether they were told the last day.

    Shape: ReplacementHolders with member and offer, in the order in which they were found.
    """
    return ReplacementHolder.objects.filter(replacement_id=replacement_id).select_related("member", "offer").order_by("id")


def count_notices(replacement_id: int) -> dict[str, int]:
    """
    How many unlocks of old offers were held at the cutover, by how far their holders were told.

    Shape: {HolderState: unlocks}, every state, in this order; 0 where there is none.
    """
    rows = ReplacementHolder.objects.filter(replacement_id=replacement_id).order_by().values_list("state")
    found = dict(rows.annotate(number=Count("id")))
    return {state: found.get(state, 0) for state in HolderState.values}


def _last_times(replacement: Replacement, offer_ids: Collection[int]) -> QuerySet:
    """When each member last unlocked, activated, redeemed and used each offer; confirmed events alone."""
    events = Event.objects.filter(
        program=replacement.program_id,
        offer__in=list(offer_ids),
        kind__in=(Kind.UNLOCKED, Kind.ACTIVATED, Kind.REDEEMED),
        status=Status.CONFIRMED,
        member__isnull=False,
    )

    def last(*kinds: Kind) -> Max:
        return Max(Case(When(kind__in=kinds, then=F("occurred_at"))))

    return events.values("member_id", "offer_id").annotate(
        unlocked_at=last(Kind.UNLOCKED),
        activated_at=last(Kind.ACTIVATED),
        redeemed_at=last(Kind.REDEEMED),
        used_at=last(Kind.ACTIVATED, Kind.REDEEMED),
    )


def _count_members(rows: QuerySet) -> int:
    return len({member_id for (member_id,) in rows.order_by().values_list("member_id").iterator()})


def _keep_concerned(replacement: Replacement, found: list[Holding], at: datetime) -> Iterator[Holding]:
    present = find_present_members(replacement.program, {holding.member_id for holding in found}, at)
    rule = replacement.segment.rule if replacement.segment else ()
    for holding in found:
        member = present.get(holding.member_id)
        if member is not None and matches(rule, member.attributes):
            yield holding
