"""Under which terms an offer stood on a day."""

from collections.abc import Iterable
from datetime import date

from django.db.models import F, QuerySet

from offers.models import OfferTerms


def terms_on(offer_id: int, on: date) -> OfferTerms | None:
    """
    The terms of an offer that are in force on a program day, such as that on which a member unlocked it.

    Shape: one OfferTerms, or None where nothing was ever said.
    """
    return terms_in_force(OfferTerms.objects.filter(offer_id=offer_id), on)


def terms_in_force(rows: Iterable[OfferTerms], on: date) -> OfferTerms | None:
    """
    Which of an offer's terms hold on one day: those that began last, of two for one day those that were said last.

    Shape: one OfferTerms or None.
    """
    begun = (row for row in rows if row.starts_date is None or row.starts_date <= on)
    return max(begun, key=lambda row: (row.starts_date or date.min, row.pk), default=None)


def list_terms(offer_id: int) -> QuerySet[OfferTerms]:
    """
    The terms of an offer, past, present and to come.

    Shape: OfferTerms, the latest day first.
    """
    return OfferTerms.objects.filter(offer_id=offer_id).order_by(F("starts_date").desc(nulls_last=True), "-id")


def list_terms_in_force(program_id: int, on: date) -> dict[int, str]:
    """
    The terms of every offer of a program that are in force on one program day, in one statement.

    Shape: offer row id to text; offers of which nothing was said are missing.
    """
    rows = OfferTerms.objects.filter(offer__program_id=program_id).exclude(starts_date__gt=on)
    begun = rows.values_list("offer_id", "starts_date", "id", "text")
    ordered = sorted(begun, key=lambda row: (row[0], row[1] or date.min, row[2]))
    return {offer_id: text for offer_id, _, _, text in ordered}
