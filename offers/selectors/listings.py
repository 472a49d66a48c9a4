"""What members read about offers."""

from django.db.models import OuterRef, QuerySet, Subquery

from offers.models import Listing


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
