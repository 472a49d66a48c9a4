"""What the lists and pages of partners and offers say of their reviews: many rows at once, a fixed number of statements."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import F, Q, QuerySet

from offers.models import Offer
from reviews.choices import RuleTarget
from reviews.models import FlagCase, Scorecard
from reviews.rules import ACTIVE
from reviews.selectors.cycles import find_latest_cycle
from reviews.selectors.flags import list_open_flags


def find_newest_cards(program_id: int, partner_ids: Iterable[int]) -> dict[int, Scorecard]:
    """
    The scorecards of some partners in the newest reviewed month.

    Shape: partner's row id to Scorecard with its cycle; a partner that was not reviewed then is missing.
    """
    cycle = find_latest_cycle(program_id)
    if cycle is None:
        return {}
    cards = Scorecard.objects.filter(cycle=cycle, partner_id__in=list(partner_ids))
    found = {}
    for card in cards.only("id", "partner_id", "standing", "score", "rank", "diagnosis"):
        card.cycle = cycle
        found[card.partner_id] = card
    return found


def list_open_flags_of(offer: Offer) -> QuerySet[FlagCase]:
    """
    The flags of one offer that are not ended yet.

    Shape: FlagCases, as list_open_flags gives them.
    """
    return list_open_flags(offer.program_id).filter(
        partner_id=offer.partner_id, target=RuleTarget.OFFER, target_key=offer.external_id
    )


def count_flags_of_partners(program_id: int, partner_ids: Iterable[int]) -> Counter[int]:
    """
    How many flags of some partners are not ended, those of their offers and segments included.

    Shape: partner's row id to a number; 0 where there is none.
    """
    cases = FlagCase.objects.filter(program_id=program_id, state__in=ACTIVE, partner_id__in=list(partner_ids))
    return Counter(cases.values_list("partner_id", flat=True))


def count_flags_of_offers(program_id: int, offers: Sequence[Offer]) -> Counter[int]:
    """
    How many flags of some offers are not ended.

    Shape: offer's row id to a number; 0 where there is none.
    """
    ids = {(offer.partner_id, offer.external_id): offer.pk for offer in offers}
    cases = FlagCase.objects.filter(
        program_id=program_id,
        state__in=ACTIVE,
        target=RuleTarget.OFFER,
        target_key__in=[offer.external_id for offer in offers],
    )
    keys = cases.values_list("partner_id", "target_key")
    return Counter(ids[key] for key in keys if key in ids)


def keep_flagged_partners(program_id: int) -> QuerySet[Any]:
    """
    Which partners have a flag that is not ended.

    Shape: partner's row ids.
    """
    return FlagCase.objects.filter(program_id=program_id, state__in=ACTIVE).order_by().values("partner_id")


def keep_flagged_offers(program_id: int) -> QuerySet[Offer]:
    """
    Which offers have a flag of their own that is not ended.

    Shape: Offers.
    """
    cases = Q(partner__flag_cases__state__in=ACTIVE, partner__flag_cases__target=RuleTarget.OFFER)
    same = Q(partner__flag_cases__target_key=F("external_id"))
    return Offer.objects.filter(cases & same, program_id=program_id)


def find_share(diagnosis: Mapping[str, Any] | None, offer: str) -> float | None:
    """
    How much of a partner's fall one of its offers carries, by the diagnosis.

    offer: external id.

    Shape: a share of 1, or None where the diagnosis does not name it.
    """
    for carrier in (diagnosis or {}).get("carriers", ()):
        if carrier.get("target") == RuleTarget.OFFER and carrier.get("key") == offer:
            return float(carrier["share"])
    return None
