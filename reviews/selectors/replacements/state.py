"""The catalog as far as a cutover changes it: what it finds, what it leaves, and what stands now."""

from datetime import date
from typing import Any

from offers.models import Offer
from offers.selectors import find_ranking, list_ranked, list_ranked_segments, read_audiences
from partners.models import Partner
from plum_site.lib.periods import local_date
from reviews.models import Replacement

State = dict[str, Any]


def read_state(replacement: Replacement, on: date) -> State:
    """
    The states, audiences and rankings that a cutover changes, as they are.

    Audiences are read from the day of the cutover on, so that what is compared later is the same days.

    Shape: {"partner", "successor", "offers": {external id: state}, "audiences": {external id: as read_audiences says},
    "rankings": {"" or segment row id: revision number, 0 for none}}; JSON.
    """
    offers = list_mapped_offers(replacement)
    since = local_date(replacement.cut_over_at, replacement.program.time_zone) if replacement.cut_over_at else on
    segments = {"": None} | {str(segment.pk): segment.pk for segment in list_ranked_segments(replacement.program_id)}
    if replacement.segment_id is not None:
        segments.setdefault(str(replacement.segment_id), replacement.segment_id)
    revisions = {key: find_ranking(replacement.program_id, pk) for key, pk in segments.items()}
    partners = dict(Partner.objects.filter(program=replacement.program_id).values_list("pk", "state"))
    return {
        "partner": str(partners[replacement.partner_id]),
        "successor": str(partners[replacement.successor_id]) if replacement.successor_id else None,
        "offers": {offer.external_id: str(offer.state) for offer in offers},
        "audiences": {offer.external_id: read_audiences(offer.pk, since) for offer in offers},
        "rankings": {key: revision.number if revision else 0 for key, revision in revisions.items()},
    }


def read_catalogs(replacement: Replacement, on: date) -> dict[str, list[str]]:
    """
    What is shown, in order, in every catalog that a cutover concerns: of its segment alone, or everyone's and every segment's
    with a ranking of its own.

    Shape: {"" or segment row id: [external ids]}; JSON.
    """
    program_id = replacement.program_id
    keys: list[int | None] = [None, *(segment.pk for segment in list_ranked_segments(program_id))]
    if replacement.segment_id is not None:
        keys = [replacement.segment_id]
    return {
        str(key) if key is not None else "": [one.offer.external_id for one in list_ranked(program_id, None, on, key)]
        for key in keys
    }


def list_mapped_offers(replacement: Replacement) -> list[Offer]:
    """
    The old and the new offers of a replacement.

    Shape: Offers, by external id.
    """
    rows = replacement.offers.values_list("old_id", "new_id")
    ids = {pk for pair in rows for pk in pair if pk is not None}
    return list(Offer.objects.filter(pk__in=ids).order_by("external_id"))
