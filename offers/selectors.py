"""Reads of the catalog: which offers, in which order, for whom, on which day."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery

from offers.choices import OfferState, PresentState
from offers.models import Audience, Listing, Offer, OfferTransition, RankingRevision, Segment
from offers.querysets import OfferQuerySet
from offers.rules import Days, OfferFacts, common_days, days_of, held_periods, is_live, is_open_to, matches
from offers.rules import present_state as derive_present_state
from partners.choices import SUPPLYING
from partners.models import PartnerTransition, Program
from plum_site.lib.errors import NotFound
from plum_site.lib.periods import local_date

PUBLISHED = frozenset({OfferState.PUBLISHED})
ONE_DAY = timedelta(days=1)

_catalogs: dict[int, tuple[UUID, int, dict[str, OfferFacts]]] = {}  # the newest catalog of each program, per process


@dataclass(frozen=True)
class RankedOffer:
    """One offer at its place in the catalog, 1 first, with the listing that members read."""

    position: int
    offer: Offer
    listing: Listing | None


def get_offer(program_id: int, external_id: str) -> Offer:
    """
    An offer by the id that it has outside.

    Shape: one Offer, with its partner and that one's category.
    Raises: NotFound.
    """
    offer = list_offers(program_id).filter(external_id=external_id).first()
    if offer is None:
        raise NotFound("offer", external_id)
    return offer


def list_offers(program_id: int) -> OfferQuerySet:
    """
    The offers of a program, in every state.

    Shape: Offers with partner and its category, by external id.
    """
    return Offer.objects.filter(program_id=program_id).select_related("partner__category").order_by("external_id", "id")


def list_described_offers(program_id: int) -> OfferQuerySet:
    """
    As list_offers, with what members read of each and whom it is open to, a few statements for all of them.

    Shape: Offers; `newest_listings` holds at most one Listing, `audiences` every Audience with its segment.
    """
    newest = Listing.objects.filter(offer=OuterRef("offer")).order_by("-number").values("number")[:1]
    listings = Listing.objects.filter(number=Subquery(newest)).order_by("offer_id")
    audiences = Audience.objects.select_related("segment").order_by("id")
    return list_offers(program_id).prefetch_related(
        Prefetch("listings", listings, to_attr="newest_listings"), Prefetch("audiences", audiences)
    )


def get_described_offer(program_id: int, external_id: str) -> Offer:
    """
    One of list_described_offers, by the id that it has outside.

    Shape: one Offer.
    Raises: NotFound.
    """
    offer = list_described_offers(program_id).filter(external_id=external_id).first()
    if offer is None:
        raise NotFound("offer", external_id)
    return offer


def audience_in_force(audiences: Iterable[Audience], on: date) -> Audience | None:
    """
    Which of an offer's audiences, by id, holds on one day.

    Shape: the newest that has begun, or None: everyone.
    """
    begun = (row for row in audiences if row.starts_date is None or row.starts_date <= on)
    return max(begun, key=lambda row: (row.starts_date or date.min, row.pk), default=None)


def list_offer_audiences(offer_id: int) -> QuerySet[Audience]:
    """
    Whom an offer is open to, from which day on.

    Shape: Audiences with segment, newest row first.
    """
    return Audience.objects.filter(offer_id=offer_id).select_related("segment").order_by("-id")


def list_listings(offer_id: int) -> QuerySet[Listing]:
    """
    Every version of what members read about an offer.

    Shape: Listings, newest first.
    """
    return Listing.objects.filter(offer_id=offer_id).order_by("-number")


def list_newest_listings(program_id: int) -> QuerySet[Listing]:
    """
    What members read now, offer by offer.

    Shape: Listings, one per offer, by offer.
    """
    newest = Listing.objects.filter(offer=OuterRef("offer")).order_by("-number").values("number")[:1]
    return Listing.objects.filter(offer__program_id=program_id, number=Subquery(newest)).order_by("offer_id")


def list_transitions(offer_id: int) -> QuerySet[OfferTransition]:
    """
    How an offer came to its state.

    Shape: OfferTransitions, newest first.
    """
    return OfferTransition.objects.filter(offer_id=offer_id).order_by("-at", "-id")


def list_segments(program_id: int) -> QuerySet[Segment]:
    """
    The segments of a program.

    Shape: Segments, by name, then id.
    """
    return Segment.objects.filter(program_id=program_id).order_by("name", "id")


def get_segment(program_id: int, code: str) -> Segment:
    """
    A segment by its code.

    Shape: one Segment.
    Raises: NotFound.
    """
    segment = find_segment(program_id, code)
    if segment is None:
        raise NotFound("segment", code)
    return segment


def find_segment(program_id: int, code: str) -> Segment | None:
    """
    A segment by its code, or None.

    Shape: one Segment or None.
    """
    return Segment.objects.filter(program_id=program_id, code=code).first()


def list_audiences(program_id: int, on: date) -> dict[int, Audience]:
    """
    Whom each offer is open to on one day; offers open to everyone may be missing.

    Shape: offer row id to the Audience in force, with its segment.
    """
    rows = Audience.objects.filter(offer__program_id=program_id).select_related("segment").order_by("offer_id", "id")
    begun = (row for row in rows if row.starts_date is None or row.starts_date <= on)
    return {row.offer_id: row for row in sorted(begun, key=lambda row: row.starts_date or date.min)}


def list_revisions(program_id: int, segment_id: int | None = None) -> QuerySet[RankingRevision]:
    """
    The revisions of one ranking: that of everyone, or of a segment.

    Shape: RankingRevisions, newest first; the first one is in force.
    """
    whose = Q(segment__isnull=True) if segment_id is None else Q(segment=segment_id)
    return RankingRevision.objects.filter(whose, program_id=program_id).order_by("-number")


def present_state(offer: Offer, on: date) -> PresentState:
    """
    The lifecycle of an offer as people see it on one program day; published offers of a partner that is paused or
    retired count as paused.

    Shape: one PresentState. Reads the partner: select it with the offer.
    """
    supplied = offer.partner.state in SUPPLYING
    return derive_present_state(offer.state, offer.starts_date, offer.ends_date, on, supplied=supplied)


def live_periods(offer: Offer) -> tuple[Days, ...]:
    """
    When an offer was, is and (as decided now) will be live: its dates, while published and while its partner supplies.

    Shape: half-open ranges of program days, in order; None is open. A day on which it was live at any instant counts.
    """
    facts = load_catalog(offer.program_id).get(offer.external_id)
    return facts.live if facts else ()


def load_catalog(program_id: int) -> dict[str, OfferFacts]:
    """
    Every offer of a program by external id, with the days on which it is live.

    Kept in the process until the program's catalog revision moves on: the usual cost is one small query. Do not change it.

    Shape: external id to OfferFacts.
    Raises: NotFound.
    """
    program = Program.objects.filter(pk=program_id).only("uuid", "catalog_revision", "time_zone").first()
    if program is None:
        raise NotFound("program", program_id)
    return catalog_of(program)


def catalog_of(program: Program) -> dict[str, OfferFacts]:
    """
    As load_catalog, for a program that was read just now: no query at all while its catalog revision stands.

    Shape: external id to OfferFacts.
    """
    mark = (program.uuid, program.catalog_revision)
    kept = _catalogs.get(program.pk)
    if kept is None or kept[:2] != mark:
        kept = _catalogs[program.pk] = (*mark, read_catalog(program.pk, program.time_zone))
    return kept[2]


def read_catalog(program_id: int, time_zone: str) -> dict[str, OfferFacts]:
    """
    As load_catalog, from the database.

    Shape: external id to OfferFacts, by external id.
    """
    offer_log = OfferTransition.objects.filter(offer__program_id=program_id).order_by("at", "id")
    partner_log = PartnerTransition.objects.filter(partner__program_id=program_id).order_by("at", "id")
    published = list_held_days(offer_log.values_list("offer_id", "at", "to_state"), PUBLISHED, time_zone)
    supplying = list_held_days(partner_log.values_list("partner_id", "at", "to_state"), SUPPLYING, time_zone)
    offers = Offer.objects.filter(program_id=program_id).order_by("external_id", "id")
    catalog = {}
    for pk, external_id, partner_id, offer_type, first, last in offers.values_list(
        "id", "external_id", "partner_id", "offer_type", "starts_date", "ends_date"
    ):
        dates = [(first, last + ONE_DAY if last else None)]
        live = common_days(common_days(dates, published.get(pk, [])), supplying.get(partner_id, []))
        catalog[external_id] = OfferFacts(pk, external_id, partner_id, offer_type, live)
    return catalog


def list_held_days(log: Iterable[tuple[int, datetime, str]], states: frozenset[str], time_zone: str) -> dict[int, list[Days]]:
    """
    The days on which each object of a transition log (id, instant, new state; in time order) was in one of `states`.

    Shape: id to half-open ranges of program days.
    """
    logs = defaultdict(list)
    for pk, at, state in log:
        logs[pk].append((at, state))
    return {pk: days_of(held_periods(rows, states), time_zone) for pk, rows in logs.items()}


def list_live_offers(program_id: int, starts_at: datetime, ends_at: datetime) -> dict[int, OfferFacts]:
    """
    The offers that were live at any instant of `[starts_at, ends_at)`, whole program days taken.

    Shape: offer row id to OfferFacts, by external id.
    """
    time_zone = Program.objects.values_list("time_zone", flat=True).get(pk=program_id)
    first, last = local_date(starts_at, time_zone), local_date(ends_at - timedelta(microseconds=1), time_zone)
    return {facts.id: facts for facts in load_catalog(program_id).values() if is_live(facts.live, first, last)}


def list_ranked(program_id: int, attributes: dict[str, str] | None, on: date, segment_id: int | None = None) -> list[RankedOffer]:
    """
    The catalog of one day as it is decided now: published offers within their dates, of partners that supply, in order.

    attributes: of a member; None for the whole catalog. segment_id: the catalog of a segment instead, its own ranking
    and the offers open to it or to everyone. The order is the newest ranking of a segment that the member is in, else
    that of everyone; offers without a place follow, by external id.

    Shape: RankedOffers, position from 1 without gaps.
    """
    offers = list(list_offers(program_id).in_present_state(PresentState.LIVE, on))
    audiences = list_audiences(program_id, on)
    if segment_id is not None:
        offers = [offer for offer in offers if not names_other_segment(audiences.get(offer.pk), segment_id)]
    elif attributes is not None:
        offers = [offer for offer in offers if takes_in(audiences.get(offer.pk), attributes)]
    places = {pk: place for place, pk in enumerate(find_order(program_id, attributes, segment_id))}
    offers.sort(key=lambda offer: (places.get(offer.pk, len(places)), offer.external_id))
    listings = {listing.offer_id: listing for listing in list_newest_listings(program_id)}
    return [RankedOffer(number, offer, listings.get(offer.pk)) for number, offer in enumerate(offers, 1)]


def takes_in(audience: Audience | None, attributes: dict[str, str]) -> bool:
    """
    Whether an audience (None: everyone) takes in a member with these attributes.

    Shape: bool.
    """
    if audience is None:
        return True
    return is_open_to(audience.segment.rule if audience.segment else None, audience.countries, attributes)


def names_other_segment(audience: Audience | None, segment_id: int) -> bool:
    """
    Whether an audience is for another segment than this one.

    Shape: bool.
    """
    return audience is not None and audience.segment_id not in (None, segment_id)


def find_order(program_id: int, attributes: dict[str, str] | None, segment_id: int | None = None) -> list[int]:
    """
    The offer ids of the ranking that holds for a member, a segment, or (both None) everyone.

    Shape: offer row ids, best first; empty while nothing was ranked.
    """
    heads = RankingRevision.objects.filter(program_id=program_id).order_by("segment_id", "number")
    newest: dict[int | None, int] = {segment: pk for pk, segment in heads.values_list("id", "segment_id")}
    chosen = newest.get(segment_id)
    if attributes is not None and segment_id is None:
        segments = Segment.objects.filter(pk__in=[segment for segment in newest if segment is not None])
        own = [newest[segment.pk] for segment in segments if matches(segment.rule, attributes)]
        chosen = max(own, default=chosen)
    chosen = chosen or newest.get(None)
    if chosen is None:
        return []
    order: list[int] = RankingRevision.objects.values_list("offer_ids", flat=True).get(pk=chosen)
    return order
