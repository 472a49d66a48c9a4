"""Which offers a replacement is about: those that go, and those that come."""

from collections.abc import Sequence

from django.db.models import QuerySet

from offers.choices import OfferState
from offers.models import Offer
from offers.selectors import list_described_offers
from partners.models import Partner
from reviews.models import Replacement
from reviews.rules.replacements import Pair


def list_old_offers(program_id: int, partner: Partner, category: str) -> QuerySet[Offer]:
    """
    The offers that go: those of the partner, and of the category where one is named, that are or were in the catalog.

    Shape: Offers as list_described_offers gives them.
    """
    offers = list_described_offers(program_id).filter(partner=partner, state__in=(OfferState.PUBLISHED, OfferState.PAUSED))
    return offers.filter(category=category) if category else offers


def list_new_offers(program_id: int, successor: Partner) -> QuerySet[Offer]:
    """
    The offers that may come: those of the successor that were not retired, drafts among them.

    Shape: Offers as list_described_offers gives them.
    """
    return list_described_offers(program_id).filter(partner=successor).exclude(state=OfferState.RETIRED)


def read_pairs(replacement: Replacement) -> list[Pair]:
    """
    Which offer follows which, as it is mapped.

    Shape: Pairs, by external id.
    """
    rows = replacement.offers.select_related("old", "new").order_by("id")
    return [Pair(row.old.external_id if row.old else None, row.new.external_id if row.new else None) for row in rows]


def successors_of(pairs: Sequence[Pair]) -> dict[str, str | None]:
    """
    What follows each old offer.

    Shape: old external id to the new one's, None where nothing follows.
    """
    return {pair.old: pair.new for pair in pairs if pair.old is not None}
