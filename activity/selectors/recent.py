"""Recent figures for screens that show many partners or offers at once: rollups, and the unsealed tail beside them."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet, Sum

from activity.choices import Kind, Measure, Status
from activity.metrics import Tally
from activity.models import DayOfferRollup, DayPartnerRollup, Event, IngestBatch
from activity.models.ledger import POSITIONS
from activity.selectors.ledger import runs
from plum_site.lib.snapshot import snapshot

GRAINS: dict[str, tuple[type[Any], str, str]] = {  # grain: rollup, its key, the key from an event
    "partner": (DayPartnerRollup, "partner_id", "offer__partner_id"),
    "offer": (DayOfferRollup, "offer_id", "offer_id"),
}
RECENT_DAYS = 30


@snapshot()  # a batch that is sealed between the two reads would count twice, or not at all
def tally_recent(
    program_id: int, grain: str, starts_date: date, ends_date: date, ids: Collection[int] | None = None
) -> dict[int, Tally]:
    """
    What was counted over the program days `[starts_date, ends_date)`, sealed and unsealed; people are not counted.

    grain: "partner" or "offer". ids: row ids to look at; None for all.

    Shape: row id to Tally; a row without an event is missing.
    """
    rollup, key, event_key = GRAINS[grain]
    days = Q(program_id=program_id, local_date__gte=starts_date, local_date__lt=ends_date)
    cells = rollup.objects.filter(days)
    tail = find_tail(program_id, days)
    if ids is not None:
        cells = cells.filter(**{f"{key}__in": ids})
    tallies: dict[int, Tally] = {}
    counted = cells.values_list(key, "kind", "status", "measure", "currency").annotate(
        n=Sum("event_count"), s=Sum("amount_minor")
    )
    for row_id, kind, status, measure, currency, number, minor in counted.order_by():
        add_cell(tallies.setdefault(row_id, Tally()), kind, status, measure, currency, number, minor)
    if tail is not None:
        own = tail if ids is None else tail.filter(**{f"{event_key}__in": ids})
        add_tail(tallies, own, event_key)
    return tallies


@snapshot()
def count_recent_days(
    program_id: int, grain: str, kind: int, starts_date: date, ends_date: date, ids: Collection[int]
) -> dict[int, dict[date, int]]:
    """
    How many confirmed events of one kind some partners or offers had, day by day over `[starts_date, ends_date)`.

    Shape: row id to day to events, sealed and unsealed; a day without an event is missing.
    """
    rollup, key, event_key = GRAINS[grain]
    days = Q(program_id=program_id, local_date__gte=starts_date, local_date__lt=ends_date, kind=kind, status=Status.CONFIRMED)
    cells = rollup.objects.filter(days, **{f"{key}__in": ids, "measure": Measure.EVENTS})
    counted: dict[int, dict[date, int]] = {}
    for row_id, day, number in cells.values_list(key, "local_date").annotate(n=Sum("event_count")).order_by():
        counted.setdefault(row_id, {})[day] = number
    tail = find_tail(program_id, days)
    if tail is not None:
        own = tail.filter(**{f"{event_key}__in": ids})
        for row_id, day, number in own.values_list(F(event_key), "local_date").annotate(n=Count("id")).order_by():
            found = counted.setdefault(row_id, {})
            found[day] = found.get(day, 0) + number
    return counted


def tally_program(program_id: int, starts_date: date, ends_date: date) -> Tally:
    """
    What was counted in the whole program over the program days `[starts_date, ends_date)`.

    Shape: one Tally.
    """
    total = Tally()
    for tally in tally_recent(program_id, "partner", starts_date, ends_date).values():
        total.add(tally)
    return total


@snapshot()
def tally_days(program_id: int, starts_date: date, ends_date: date) -> dict[date, Tally]:
    """
    What was counted in the whole program day by day over `[starts_date, ends_date)`.

    Shape: day to Tally, ascending; a day without an event is missing.
    """
    days = Q(program_id=program_id, local_date__gte=starts_date, local_date__lt=ends_date)
    cells = DayPartnerRollup.objects.filter(days).values_list("local_date", "kind", "status", "measure", "currency")
    tallies: dict[Any, Tally] = {}
    for day, kind, status, measure, currency, number, minor in cells.annotate(
        n=Sum("event_count"), s=Sum("amount_minor")
    ).order_by("local_date"):
        add_cell(tallies.setdefault(day, Tally()), kind, status, measure, currency, number, minor)
    tail = find_tail(program_id, days)
    if tail is not None:
        add_tail(tallies, tail, "local_date")
    return dict(sorted(tallies.items()))


def find_tail(program_id: int, days: Q) -> QuerySet[Event] | None:
    """
    The events of these days that are committed and not sealed yet; None where every batch is sealed.

    Shape: Events or None.
    """
    batches = list(IngestBatch.objects.filter(program_id=program_id, seal__isnull=True).values_list("id", flat=True))
    if not batches:
        return None
    ranges = Q()
    for low, high in runs(batches):
        ranges |= Q(id__gte=low * POSITIONS, id__lt=(high + 1) * POSITIONS)
    return Event.objects.filter(days & ranges)


def add_cell(tally: Tally, kind: int, status: int, measure: int, currency: str, number: int, minor: int) -> None:
    """
    One rollup cell into a tally.

    Shape: nothing; the tally is changed.
    """
    if measure == Measure.EVENTS:
        tally.add_events(kind, status, number)
    elif kind == Kind.REDEEMED:
        tally.add_amount(measure, status, currency, number, minor)


def add_tail(tallies: dict[Any, Tally], tail: QuerySet[Event], key: str) -> None:
    """
    Unsealed events into the tallies of their keys.

    Shape: nothing; the tallies are changed.
    """
    for row_id, kind, status, number in tail.values_list(F(key), "kind", "status").annotate(n=Count("id")).order_by():
        tallies.setdefault(row_id, Tally()).add_events(kind, status, number)
    redeemed = tail.filter(kind=Kind.REDEEMED)
    for measure, name in ((Measure.SPEND, "spend"), (Measure.REWARD_COST, "reward_cost")):
        amounts = redeemed.filter(**{f"{name}_currency__isnull": False}).values_list(F(key), "status", f"{name}_currency")
        for row_id, status, currency, number, minor in amounts.annotate(n=Count("id"), s=Sum(f"{name}_minor")).order_by():
            tallies.setdefault(row_id, Tally()).add_amount(measure, status, currency, number, minor)


def find_last_day(program_id: int) -> date | None:
    """
    The last program day on which anything happened.

    Shape: one day, or None while the ledger is empty.
    """
    sealed = DayPartnerRollup.objects.filter(program_id=program_id).aggregate(day=Max("local_date"))["day"]
    tail = find_tail(program_id, Q(program_id=program_id))
    unsealed = tail.aggregate(day=Max("local_date"))["day"] if tail is not None else None
    return max((day for day in (sealed, unsealed) if day is not None), default=None)


def find_last_recorded(program_id: int) -> datetime | None:
    """
    When the newest batch was recorded.

    Shape: one instant, or None while nothing came in.
    """
    newest = IngestBatch.objects.filter(program_id=program_id, accepted_count__gt=0).order_by("-id").first()
    return newest.recorded_at if newest else None


def recent_days(today: date, last_day: date | None) -> tuple[date, date]:
    """
    The days that "recent" means: the last 30 up to today, or up to the last day with activity where that is long past.

    Shape: [first day, day after the last).
    """
    ends_date = today + timedelta(days=1)
    if last_day is not None and last_day < today - timedelta(days=RECENT_DAYS):
        ends_date = last_day + timedelta(days=1)
    return ends_date - timedelta(days=RECENT_DAYS), ends_date
