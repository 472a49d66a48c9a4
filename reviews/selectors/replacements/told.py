"""Whom a cutover concerned, and what became of telling them: never who they are."""

from django.db.models import Count, QuerySet

from reviews.choices import HolderState
from reviews.models import Replacement, ReplacementHolder


def list_holders(replacement_id: int, state: str = "") -> QuerySet[ReplacementHolder]:
    """
    The unlocked offers that members held at a cutover; of one HolderState, if one is named.

    Shape: ReplacementHolders with offer, as they were written down.
    """
    rows = ReplacementHolder.objects.filter(replacement_id=replacement_id).select_related("offer").order_by("id")
    return rows.filter(state=state) if state else rows


def count_holder_states(replacement: Replacement) -> dict[str, int]:
    """
    How many of them are in each state.

    Shape: every HolderState to a number of unlocked offers.
    """
    found = dict(replacement.holders.order_by().values_list("state").annotate(Count("pk")))
    return {state: found.get(state, 0) for state in HolderState.values}
