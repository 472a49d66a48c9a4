"""
The activity history read from front to back, by readers who come back for what is new and may miss nothing.

Ids are handed out before the commit, so a reader that went by id alone could pass over a batch that commits late. The order
here is that of the seals: dense numbers, given once a batch is committed, never changed. Within a batch the order is that
of positions. A place in this order is still written as one event id, of which the seal of its batch follows; what is not
sealed yet (a second or so) is not shown yet.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from activity.models import Event, EventSource, Member, Seal
from activity.models.ledger import POSITIONS
from activity.rules.events import KINDS, STATUSES
from activity.selectors.ledger import runs
from activity.selectors.timeline import describe_event
from offers.models import Offer
from partners.models import Partner, Program
from plum_site.lib import keys
from plum_site.lib.errors import InvalidInput, NotFound

SEALS_AT_ONCE = 200
EVENTS_AT_ONCE = 20_000  # in one statement, before the filters
# And in one call: a filter that keeps next to nothing shall not make one request read everything.
MOST_EVENTS, MOST_STATEMENTS = 200_000, 50
REFERENCE_BYTES = 16
# A program day begins at most so long before or after the same day in UTC.
ZONE_REACH = timedelta(hours=15)
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2900, 1, 1)  # no event lies outside; beyond them instants cannot be reckoned


@dataclass(frozen=True)
class HistoryFilter:
    """Which events are wanted: program days `[starts_date, ends_date)`, and any of the values; empty: all."""

    starts_date: date | None = None
    ends_date: date | None = None
    kinds: Sequence[int] = ()
    statuses: Sequence[int] = ()
    partner_ids: Sequence[int] = ()
    offer_ids: Sequence[int] = ()
    source_ids: Sequence[int] = ()

    def condition(self) -> Q:
        """As the WHERE of events. The bounds of the instant let PostgreSQL leave out the partitions of other months."""
        wanted = Q()
        if self.starts_date is not None:
            first = max(self.starts_date, FIRST_DAY)
            wanted &= Q(local_date__gte=first, occurred_at__gte=midnight(first) - ZONE_REACH)
        if self.ends_date is not None:
            after = min(self.ends_date, LAST_DAY)
            wanted &= Q(local_date__lt=after, occurred_at__lt=midnight(after) + ZONE_REACH)
        named = {"kind": self.kinds, "status": self.statuses, "offer": self.offer_ids, "source": self.source_ids}
        for name, values in named.items():
            if values:
                wanted &= Q(**{f"{name}__in": list(values)})
        if self.partner_ids:
            wanted &= Q(offer__in=Offer.objects.filter(partner__in=list(self.partner_ids)).values("pk"))
        return wanted


ALL = HistoryFilter()


def make_filter(
    *,
    program: Program,
    starts_date: date | None = None,
    ends_date: date | None = None,
    kinds: Sequence[str] = (),
    statuses: Sequence[str] = (),
    partners: Sequence[str] = (),
    offers: Sequence[str] = (),
    sources: Sequence[str] = (),
) -> HistoryFilter:
    """
    A filter by the names that the outside world uses.

    Shape: one HistoryFilter.
    Raises: NotFound for a partner, offer or source that the program does not have.
    """
    return HistoryFilter(
        starts_date=starts_date,
        ends_date=ends_date,
        kinds=[KINDS[name] for name in kinds],
        statuses=[STATUSES[name] for name in statuses],
        partner_ids=_ids(Partner.objects.filter(program=program), "partner", "external_id", partners),
        offer_ids=_ids(Offer.objects.filter(program=program), "offer", "external_id", offers),
        source_ids=_ids(EventSource.objects.filter(program=program), "source", "code", sources),
    )


def _ids(rows: QuerySet[Any], noun: str, column: str, names: Sequence[str]) -> list[int]:
    if not names:
        return []
    known = dict(rows.filter(**{f"{column}__in": list(names)}).values_list(column, "pk"))
    for name in names:
        if name not in known:
            raise NotFound(noun, name)
    return list(known.values())


@dataclass(frozen=True)
class Stretch:
    """
    Events that follow each other in the history.

    next_since: the place after them, from which to read on. is_end: nothing was sealed beyond it when this was read.
    passed: how many events were looked at, those that the filter left out included.
    """

    events: list[dict[str, Any]]
    next_since: int
    is_end: bool
    passed: int


@dataclass
class _Reading:
    """What one call of read_history has so far."""

    place: int
    passed: int = 0
    statements: int = 0

    @property
    def is_long(self) -> bool:
        """Whether it has looked at as much as one call may."""
        return self.passed >= MOST_EVENTS or self.statements >= MOST_STATEMENTS

    found: list[tuple[Event, datetime]] = field(default_factory=list)


def read_history(*, program: Program, since: int, limit: int, wanted: HistoryFilter = ALL) -> Stretch:
    """
    Up to `limit` sealed events after a place in a program's history, in the order of the seals.

    since: 0 for the beginning, an event's id, or a `next_since`. A stretch may be short, and even empty, before the end.
    Shape: one Stretch; its events as describe_event gives them, with `id` before and `member`, a reference, among them.
    Raises: InvalidInput (code "unknown_place").
    """
    reading = _Reading(since)
    number = _number_of(program, since)
    while True:
        seals = _next_seals(program, number, reading.place)
        if not seals:
            return _finish(program, reading, is_end=True)
        ids = {batch_id: recorded_at for _number, batch_id, _count, recorded_at in seals}
        rows = list(_events(program, ids, reading.place, wanted)[: limit + 1 - len(reading.found)])
        reading.found += [(row, ids[row.pk // POSITIONS]) for row in rows]
        if len(reading.found) > limit:
            reading.found.pop()
            reading.place = reading.found[-1][0].pk
            return _finish(program, reading, is_end=False)
        number, last_batch = seals[-1][0], seals[-1][1]
        reading.place = last_batch * POSITIONS + POSITIONS - 1
        reading.passed += sum(count for _number, _batch, count, _at in seals)
        reading.statements += 1
        if len(reading.found) == limit or reading.is_long:
            return _finish(program, reading, is_end=not _next_seals(program, number, reading.place))


def reference_of(program: Program, member_key: bytes) -> str:
    """
    What stands for a member where events are read one by one: the same in every answer of a program, and in nothing else.

    Shape: 32 hexadecimal digits.
    """
    return hmac.digest(keys.program_key(program.uuid, "history"), member_key, "sha256")[:REFERENCE_BYTES].hex()


def midnight(day: date) -> datetime:
    """
    The beginning of a day in UTC.

    Shape: an aware datetime.
    """
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _number_of(program: Program, since: int) -> int:
    """The number of the seal that a place lies in; 1 for the beginning."""
    if since == 0:
        return 1
    number = Seal.objects.filter(program=program, batch_id=since // POSITIONS).values_list("number", flat=True).first()
    if number is None:
        raise InvalidInput(
            "unknown_place",
            f"{since} is no place in this program's history. Send the id of an event, or a next_since; 0 begins anew.",
        )
    return int(number)


def _next_seals(program: Program, number: int, place: int) -> list[tuple[int, int, int, datetime]]:
    """
    (number, batch, accepted, recorded_at) of the seals from `number` on whose events lie after `place`: so many that one
    statement can read them, and only while batch ids ascend, so that the order of ids is the order of the seals.
    """
    rows = Seal.objects.filter(program=program, number__gte=number).order_by("number")
    seals: list[tuple[int, int, int, datetime]] = []
    events = 0
    for row in rows.values_list("number", "batch_id", "batch__accepted_count", "batch__recorded_at")[: SEALS_AT_ONCE + 1]:
        if not seals and row[0] == number and place // POSITIONS == row[1] and place % POSITIONS == POSITIONS - 1:
            continue  # the place is the end of this batch
        if seals and (row[1] < seals[-1][1] or events + row[2] > EVENTS_AT_ONCE):
            break
        seals.append(row)
        events += row[2]
    return seals


def _events(program: Program, batch_ids: Iterable[int], place: int, wanted: HistoryFilter) -> QuerySet[Event]:
    """The wanted events of these batches by id; in the batch that `place` lies in, only those after it."""
    ranges = Q(pk__in=[])
    stretches = runs(batch_ids)
    for low, high in stretches:
        ranges |= Q(pk__gte=max(low * POSITIONS, place + 1 if low == place // POSITIONS else 0), pk__lt=(high + 1) * POSITIONS)
    # Said once more for all of them, so that a reading in the order of ids begins and ends in the right place.
    whole = Q(pk__gte=stretches[0][0] * POSITIONS, pk__lt=(stretches[-1][1] + 1) * POSITIONS)
    rows = Event.objects.filter(whole, ranges, wanted.condition(), program=program)
    return rows.defer("nonce", "identity_hash").order_by("pk")


def _finish(program: Program, reading: _Reading, *, is_end: bool) -> Stretch:
    """Names in place of row ids, by one query for each kind of row."""
    events = [event for event, _recorded_at in reading.found]
    offers = Offer.objects.select_related("partner").in_bulk({event.offer_id for event in events})
    sources = EventSource.objects.in_bulk({event.source_id for event in events})
    members = dict(
        Member.objects.filter(pk__in={event.member_id for event in events if event.member_id}).values_list("pk", "key")
    )
    rows = []
    for event, recorded_at in reading.found:
        event.offer, event.source = offers[event.offer_id], sources[event.source_id]
        key = members.get(event.member_id) if event.member_id is not None else None
        reference = reference_of(program, bytes(key)) if key is not None else None
        rows.append({"id": event.pk, **describe_event(event, recorded_at), "member": reference})
    return Stretch(rows, reading.place, is_end, reading.passed)
