"""What members read about an offer: every refresh is a new version."""

from datetime import datetime

from django.db import transaction

from offers.models import Listing, Offer
from offers.rules import check_url
from partners.rules import check_text
from partners.services import bump_catalog_revision
from plum_site.lib import audit
from plum_site.lib.errors import NotFound
from plum_site.lib.models import User


@transaction.atomic
def publish_listing(
    *, offer_id: int, title: str, text: str = "", creative_url: str = "", terms: str = "", actor: User | str, at: datetime
) -> Listing:
    """
    Publish the next version of an offer's listing; the same words again change nothing.

    Raises: NotFound, InvalidInput.
    Writes: offers_listing, partners_program.catalog_revision, plum_auditevent.
    """
    check_text("title", title, 300, required=True)
    check_text("text", text, 100_000)
    check_text("terms", terms, 100_000)
    check_url(creative_url)
    offer = Offer.objects.select_for_update(of=("self",)).filter(pk=offer_id).first()
    if offer is None:
        raise NotFound("offer", offer_id)
    newest = offer.listings.order_by("-number").first()
    words = {"title": title, "text": text, "creative_url": creative_url, "terms": terms}
    if newest and all(getattr(newest, name) == value for name, value in words.items()):
        return newest
    listing = Listing.objects.create(
        offer=offer,
        number=newest.number + 1 if newest else 1,
        published_at=at,
        published_by=audit.actor_name(actor),
        **words,
    )
    bump_catalog_revision(program_id=offer.program_id)
    audit.record(
        program_id=offer.program_id,
        actor=actor,
        action="offers.publish_listing",
        row=offer,
        at=at,
        before={"listing": newest.number} if newest else None,
        after={"listing": listing.number},
    )
    return listing
