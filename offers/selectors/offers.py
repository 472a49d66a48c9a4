"""Offers one by one, with what belongs to them."""

from datetime import date

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from offers.choices import OfferState, PresentState
from offers.models import Audience, Listing, Offer, OfferTransition
from offers.querysets import OfferQuerySet
from offers.rules import present_state as derive_present_state
from partners.choices import SUPPLYING
from plum_site.lib.errors import NotFound


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

    Shape: Offers; `newest_listings` holds at most one Listing, `audiences` every Audience with its segment and left_out.
    """
    newest = Listing.objects.filter(offer=OuterRef("offer")).order_by("-number").values("number")[:1]
    listings = Listing.objects.filter(number=Subquery(newest)).order_by("offer_id")
    audiences = Audience.objects.with_segments().order_by("id")
    return list_offers(program_id).prefetch_related(
        Prefetch("listings", listings, to_attr="newest_listings"), Prefetch("audiences", audiences), "dated_terms"
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


def list_transitions(offer_id: int) -> QuerySet[OfferTransition]:
    """
    How an offer came to its state.

    Shape: OfferTransitions, newest first.
    """
    return OfferTransition.objects.filter(offer_id=offer_id).order_by("-at", "-id")


def present_state(offer: Offer, on: date) -> PresentState:
    """
    The lifecycle of an offer as people see it on one program day; published offers of a partner that is paused or
    retired count as paused.

    Shape: one PresentState. Reads the partner: select it with the offer.
    """
    supplied = offer.partner.state in SUPPLYING
    return derive_present_state(offer.state, offer.starts_date, offer.ends_date, on, supplied=supplied)


def list_turned_offers(program_id: int, column: str, after: date, until: date) -> list[Offer]:
    """
    The offers in the catalog whose `column`, starts_date or ends_date, is a day in `(after, until]`: published ones of
    partners that supply.

    Shape: Offers with partner and its owner, by that day, then external id; `newest_listings` as in list_described_offers.
    """
    days = {f"{column}__gt": after, f"{column}__lte": until}
    offers = list_described_offers(program_id).filter(state=OfferState.PUBLISHED, partner__state__in=SUPPLYING, **days)
    return list(offers.select_related("partner__owner", "partner__category").order_by(column, "external_id", "id"))
