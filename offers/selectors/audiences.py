"""Whom offers are open to."""

from collections.abc import Iterable
from datetime import date

from django.db.models import QuerySet

from offers.models import Audience
from offers.rules import is_open_to


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


def list_audiences(program_id: int, on: date) -> dict[int, Audience]:
    """
    Whom each offer is open to on one day; offers open to everyone may be missing.

    Shape: offer row id to the Audience in force, with its segment.
    """
    rows = Audience.objects.filter(offer__program_id=program_id).select_related("segment").order_by("offer_id", "id")
    begun = (row for row in rows if row.starts_date is None or row.starts_date <= on)
    return {row.offer_id: row for row in sorted(begun, key=lambda row: row.starts_date or date.min)}


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
