"""Which offers, in which order, for whom, on which day: worked out once for each state of the catalog, then read from memory."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from threading import Lock
from typing import Any
from uuid import UUID

from offers.choices import PresentState
from offers.models import Audience, Listing, Offer
from offers.rules import Order, Trial, lay_out, matches
from offers.selectors.audiences import COUNTRY, attributes_asked, is_for_segment, list_audiences, takes_in
from offers.selectors.listings import list_newest_listings
from offers.selectors.offers import list_offers
from offers.selectors.rankings import find_order, list_rankings_in_force, order_of
from offers.selectors.terms import list_terms_in_force
from offers.selectors.trials import is_tried, list_running_trials
from partners.models import Program
from plum_site.lib.errors import NotFound

MOST_DAYS = 16  # catalogs that a process keeps, over all programs
MOST_ANSWERS = 500  # of one catalog: orders for different attributes


@dataclass(frozen=True, slots=True)
class LiveOffer:
    """An offer that is live on the day of the catalog. described: what members read of it, as plain values."""

    id: int
    external_id: str
    audience: Audience | None
    described: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RankedOffer:
    """One offer at its place in the catalog, 1 first."""

    position: int
    offer: LiveOffer


@dataclass(frozen=True)
class SegmentRanking:
    """What one segment's ranking says, and who is in the segment."""

    segment_id: int
    rule: list[dict[str, Any]]
    order: Order


@dataclass(frozen=True)
class DayCatalog:
    """
    Everything that decides what members see on one program day, as it was decided when it was read.

    live: by external id. segments: those with a ranking of their own, the one that holds first. asked: the attributes that
    make a difference. trials: those that run, of other offers with a share of members; whole_orders: while one does, every
    ranking with all offers, by segment row id (None: everyone's).
    """

    live: tuple[LiveOffer, ...]
    everyone: Order
    segments: tuple[SegmentRanking, ...]
    asked: tuple[str, ...]
    trials: tuple[Trial, ...] = ()
    whole_orders: Mapping[int | None, Order] = field(default_factory=dict)
    kept: dict[Any, list[RankedOffer]] = field(default_factory=dict)

    def whole(self) -> list[RankedOffer]:
        """Every live offer, whomever it is open to, in everyone's order."""
        return self._keep("whole", lambda: self._rank(self.live, self.everyone, self.everyone.hidden | self.kept_from(())))

    def for_segment(self, segment_id: int) -> list[RankedOffer]:
        """What is open to one segment or to everyone and does not leave it out, in the segment's order if it has one."""
        own = next((one.order for one in self.segments if one.segment_id == segment_id), None)
        order = own or self.everyone
        offers = [offer for offer in self.live if is_for_segment(offer.audience, segment_id)]
        hidden = self.everyone.hidden | order.hidden | self.kept_from(())
        return self._keep(segment_id, lambda: self._rank(offers, order, hidden))

    def for_attributes(self, attributes: Mapping[str, str], tries: tuple[int, ...] = ()) -> list[RankedOffer]:
        """
        What is open to a member with these attributes. tries: the trials that the member takes part in, as tried_by says.

        The order and the pins are those of the first segment's ranking that the member is in, else everyone's; hidden is what
        everyone's ranking hides and what the ranking of any segment hides that the member is in.
        """
        return self._keep((self.key_of(attributes), tries), lambda: self._rank_for(dict(attributes), tries))

    def tried_by(self, member_key: bytes, attributes: Mapping[str, str]) -> tuple[int, ...]:
        """The trials, by id, that a member takes part in; nothing is worked out where none runs."""
        return tuple(trial.id for trial in self.trials if trial.takes(member_key, attributes))

    def kept_from(self, tries: tuple[int, ...]) -> frozenset[int]:
        """The offers that are not shown to whoever takes part in these trials and in no other."""
        parts = (trial.olds if trial.id in tries else trial.fresh for trial in self.trials)
        return frozenset[int]().union(*parts)

    def key_of(self, attributes: Mapping[str, str]) -> tuple[str, ...]:
        """What of a member's attributes makes a difference to the catalog."""
        return tuple(attributes.get(name, "") for name in self.asked)

    def _rank_for(self, attributes: dict[str, str], tries: tuple[int, ...]) -> list[RankedOffer]:
        everyone, own = self.everyone, [one for one in self.segments if matches(one.rule, attributes)]
        orders = [one.order for one in own]
        if tries:
            everyone, orders = self._as_tried(None, tries), [self._as_tried(one.segment_id, tries) for one in own]
        hidden = everyone.hidden.union(self.kept_from(tries), *(order.hidden for order in orders))
        offers = [offer for offer in self.live if takes_in(offer.audience, attributes)]
        return self._rank(offers, orders[0] if orders else everyone, hidden)

    def _as_tried(self, segment_id: int | None, tries: tuple[int, ...]) -> Order:
        """A ranking with the new offers of some trials in the places of the old ones."""
        order = self.whole_orders[segment_id]
        for trial in self.trials:
            order = trial.put_in_place(order) if trial.id in tries else order
        return order

    def _rank(self, offers: Iterable[LiveOffer], order: Order, hidden: frozenset[int]) -> list[RankedOffer]:
        by_id = {offer.id: offer for offer in offers if offer.id not in hidden}
        named = [pk for pk in order.offers if pk in by_id]
        rest = by_id.keys() - set(named)
        pinned = {pk: place for pk, place in order.pinned.items() if pk in by_id}
        line = lay_out(Order((*named, *(offer.id for offer in self.live if offer.id in rest)), pinned))
        return [RankedOffer(position, by_id[pk]) for position, pk in enumerate(line.offers, 1)]

    def _keep(self, key: Any, work_out: Callable[[], list[RankedOffer]]) -> list[RankedOffer]:
        found = self.kept.get(key)
        if found is None:
            if len(self.kept) >= MOST_ANSWERS:
                self.kept.clear()
            found = self.kept[key] = work_out()
        return found


_catalogs: OrderedDict[tuple[int, date], tuple[UUID, int, DayCatalog]] = OrderedDict()
_making = Lock()


def day_catalog(program: Program, on: date) -> DayCatalog:
    """
    The catalog of one program day as it is decided now, for a program that was read just now.

    Kept in the process until the program's catalog revision moves on: no query at all while it stands. Do not change it.

    Shape: one DayCatalog.
    """
    key, mark = (program.pk, on), (program.uuid, program.catalog_revision)
    kept = _catalogs.get(key)
    if kept is not None and kept[:2] == mark:
        return kept[2]
    with _making:  # one thread makes it, the others wait for it
        kept = _catalogs.get(key)
        if kept is None or kept[:2] != mark:
            kept = _catalogs[key] = (*mark, read_day_catalog(program.pk, on))
        _catalogs.move_to_end(key)
        while len(_catalogs) > MOST_DAYS:
            _catalogs.popitem(last=False)
    return kept[2]


def read_day_catalog(program_id: int, on: date) -> DayCatalog:
    """
    As day_catalog, from the database.

    Shape: one DayCatalog.
    """
    audiences = list_audiences(program_id, on)
    listings = {listing.offer_id: listing for listing in list_newest_listings(program_id)}
    terms = list_terms_in_force(program_id, on)
    offers = list(list_offers(program_id).in_present_state(PresentState.LIVE, on).annotate(on_trial=is_tried()))
    live = tuple(
        LiveOffer(
            offer.pk,
            offer.external_id,
            audiences.get(offer.pk),
            describe_offer(offer, listings.get(offer.pk), terms.get(offer.pk, "")),
        )
        for offer in offers
    )
    rankings = list_rankings_in_force(program_id)
    everyone = next((one for one in rankings if one.segment is None), None)
    segments = tuple(SegmentRanking(one.segment.pk, one.segment.rule, order_of(one)) for one in rankings if one.segment)
    ranked_by = {condition["attribute"] for one in segments for condition in one.rule}
    asked = ranked_by | attributes_asked(audiences.values()) | {COUNTRY}
    trials = list_running_trials(program_id) if any(offer.on_trial for offer in offers) else ()
    ranks = [None, *(one.segment_id for one in segments)] if trials else []
    orders = {segment_id: find_order(program_id, segment_id, on) for segment_id in ranks}
    return DayCatalog(live, order_of(everyone), segments, tuple(sorted(asked)), trials, orders)


def describe_offer(offer: Offer, listing: Listing | None, terms: str) -> dict[str, Any]:
    """
    What members read of an offer, with its terms of the day.

    Shape: the fields of the catalog's answer but for the position; days as ISO text.
    """
    return {
        "offer": offer.external_id,
        "partner": offer.partner.external_id,
        "partner_name": offer.partner.name,
        "partner_category": offer.partner.category.code,
        "offer_type": offer.offer_type,
        "category": offer.category,
        "face_value": offer.face_value,
        "face_value_currency": offer.face_value_currency,
        "starts_on": offer.starts_date.isoformat() if offer.starts_date else None,
        "ends_on": offer.ends_date.isoformat() if offer.ends_date else None,
        "listing": None
        if listing is None
        else {
            "number": listing.number,
            "title": listing.title,
            "text": listing.text,
            "creative_url": listing.creative_url,
            "terms": terms,
        },
    }


def list_ranked(
    program_id: int, attributes: Mapping[str, str] | None, on: date, segment_id: int | None = None
) -> list[RankedOffer]:
    """
    The catalog of one day as it is decided now: published offers within their dates, of partners that supply, in order.

    attributes: of a member; None for the whole catalog. segment_id: the catalog of a segment instead, its own ranking and the
    offers open to it or to everyone that do not leave it out. Offers without a place in the ranking follow, by external id.
    What is on trial with a share of members is in none of these.

    Shape: RankedOffers, position from 1 without gaps. Do not change the list.
    """
    catalog = day_catalog(read_mark(program_id), on)
    if segment_id is not None:
        return catalog.for_segment(segment_id)
    return catalog.whole() if attributes is None else catalog.for_attributes(attributes)


def read_mark(program_id: int) -> Program:
    """
    What day_catalog asks of a program.

    Shape: one Program, a few columns of it.
    Raises: NotFound.
    """
    program = Program.objects.filter(pk=program_id).only("uuid", "catalog_revision").first()
    if program is None:
        raise NotFound("program", program_id)
    return program
