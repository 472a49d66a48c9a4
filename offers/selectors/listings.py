"""What members read about offers."""

from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery

from offers.models import Listing, ListingDraft
from plum_site.lib.errors import NotFound

FIELDS = ("title", "text", "creative_url", "terms")


@dataclass(frozen=True)
class ComparedField:
    """One field of two versions."""

    field: str
    first: str
    second: str

    @property
    def differs(self) -> bool:
        """Whether the two read otherwise."""
        return self.first != self.second


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


def get_listing(offer_id: int, number: int) -> Listing:
    """
    One published version by its number.

    Shape: one Listing.
    Raises: NotFound.
    """
    listing = list_listings(offer_id).filter(number=number).first()
    if listing is None:
        raise NotFound("version", number)
    return listing


def compare_listings(first: Listing | ListingDraft, second: Listing | ListingDraft) -> list[ComparedField]:
    """
    Two versions, or a version and a draft, field by field.

    Shape: a ComparedField for each field that members read, in the order in which they read them.
    """
    return [ComparedField(name, getattr(first, name), getattr(second, name)) for name in FIELDS]
