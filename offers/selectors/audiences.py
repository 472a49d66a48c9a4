"""Whom offers are open to."""

from collections.abc import Iterable
from datetime import date
from typing import TypedDict

from offers.models import Audience
from offers.querysets import AudienceQuerySet
from offers.rules import is_open_to

COUNTRY = "country"


class DatedAudience(TypedDict):
    """Whom an offer is open to from a program day on (ISO), by row ids, as plain values: fit for JSON, and for comparing."""

    segment: int | None
    countries: list[str]
    excluded_segments: list[int]
    starts_date: str | None


def audience_in_force(audiences: Iterable[Audience], on: date) -> Audience | None:
    """
    Which of an offer's audiences, by id, holds on one day.

    Shape: the newest that has begun, or None: everyone.
    """
    begun = (row for row in audiences if row.starts_date is None or row.starts_date <= on)
    return max(begun, key=lambda row: (row.starts_date or date.min, row.pk), default=None)


def list_offer_audiences(offer_id: int) -> AudienceQuerySet:
    """
    Whom an offer is open to, from which day on.

    Shape: Audiences with segment and left_out, newest row first.
    """
    return Audience.objects.filter(offer_id=offer_id).with_segments().order_by("-id")


def list_program_audiences(program_id: int) -> AudienceQuerySet:
    """
    Whom every offer of a program is open to, from which day on.

    Shape: Audiences with segment and left_out, by offer row id, then id.
    """
    return Audience.objects.filter(offer__program_id=program_id).with_segments().order_by("offer_id", "id")


def list_audiences(program_id: int, on: date) -> dict[int, Audience]:
    """
    Whom each offer is open to on one day; offers open to everyone may be missing.

    Shape: offer row id to the Audience in force, with its segment and left_out.
    """
    begun = (row for row in list_program_audiences(program_id) if row.starts_date is None or row.starts_date <= on)
    return {row.offer_id: row for row in sorted(begun, key=lambda row: row.starts_date or date.min)}


def read_audiences(offer_id: int, since: date) -> list[DatedAudience]:
    """
    Whom an offer is open to from a day on: what holds on that day, then what is said for later days.

    Shape: DatedAudiences by day, the first of the day itself; equal lists mean the same.
    """
    rows = list(list_offer_audiences(offer_id))
    later = sorted((row.starts_date, row) for row in rows if row.starts_date is not None and row.starts_date > since)
    return [say_audience(audience_in_force(rows, since), since), *(say_audience(row, day) for day, row in later)]


def say_audience(audience: Audience | None, starts_date: date | None) -> DatedAudience:
    """
    What an audience (None: everyone) says, from a day on.

    Shape: one DatedAudience, its lists in order.
    """
    return {
        "segment": audience.segment_id if audience else None,
        "countries": sorted(audience.countries) if audience else [],
        "excluded_segments": sorted(one.pk for one in audience.left_out) if audience else [],
        "starts_date": starts_date.isoformat() if starts_date else None,
    }


def attributes_asked(audiences: Iterable[Audience]) -> set[str]:
    """
    The member attributes that make a difference to whom these audiences take in.

    Shape: names.
    """
    audiences = list(audiences)
    segments = [segment for row in audiences for segment in (row.segment, *row.left_out) if segment is not None]
    named = {condition["attribute"] for segment in segments for condition in segment.rule}
    return named | ({COUNTRY} if any(row.countries for row in audiences) else set())


def takes_in(audience: Audience | None, attributes: dict[str, str]) -> bool:
    """
    Whether an audience (None: everyone) takes in a member with these attributes.

    Shape: bool.
    """
    if audience is None:
        return True
    rule = audience.segment.rule if audience.segment else None
    return is_open_to(rule, audience.countries, attributes, [segment.rule for segment in audience.left_out])


def is_for_segment(audience: Audience | None, segment_id: int) -> bool:
    """
    Whether a segment as a whole is in an audience (None: everyone): it is not for another one, and does not leave out this.

    Shape: bool.
    """
    if audience is None:
        return True
    return audience.segment_id in (None, segment_id) and all(one.pk != segment_id for one in audience.left_out)
