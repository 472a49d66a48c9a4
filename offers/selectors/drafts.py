"""The versions of listings that people work on."""

from django.db.models import QuerySet

from offers.choices import OPEN_DRAFT
from offers.models import ListingDraft, ListingDraftTransition


def find_draft(offer_id: int) -> ListingDraft | None:
    """
    The next version of an offer's listing, if somebody works on one.

    Shape: one ListingDraft with its offer, or None.
    """
    return list_drafts().filter(offer_id=offer_id, state__in=OPEN_DRAFT).first()


def list_drafts() -> QuerySet[ListingDraft]:
    """
    Drafts of every program and state.

    Shape: ListingDrafts with offer, partner and listing, the one edited last first.
    """
    return ListingDraft.objects.select_related("offer__partner", "offer__program", "listing").order_by("-edited_at", "-id")


def list_draft_transitions(draft_id: int) -> QuerySet[ListingDraftTransition]:
    """
    How a draft came to its state.

    Shape: ListingDraftTransitions, newest first.
    """
    return ListingDraftTransition.objects.filter(listingdraft_id=draft_id).order_by("-at", "-id")
