"""Where old offers stand in the catalog, and where those that follow them come to stand."""

from datetime import date

from offers.rules import succeed
from offers.selectors import list_ranked
from reviews.choices import ReplacementState
from reviews.models import Replacement
from reviews.selectors.replacements.scope import read_pairs, successors_of

FOLLOWED = (ReplacementState.CUT_OVER, ReplacementState.VERIFIED, ReplacementState.COMPLETED)


def read_places(replacement: Replacement, on: date) -> tuple[dict[str, int], dict[str, int]]:
    """
    The places before and after the cutover in everyone's catalog, or in that of the replacement's segment: as they will be by
    the mapping, or as they were and are once it was carried out. What is not shown has none, nor has what will follow it.

    Shape: (external id to place before, external id to place after), 1 first.
    """
    ranked = list_ranked(replacement.program_id, None, on, replacement.segment_id)
    shown = [one.offer.external_id for one in ranked]
    if replacement.state in FOLLOWED and replacement.before is not None:
        key = str(replacement.segment_id) if replacement.segment_id is not None else ""
        return _number(replacement.before["catalogs"][key]), _number(shown)
    successors = successors_of(read_pairs(replacement))
    unseen = {new for old, new in successors.items() if old not in shown}
    places = _number(succeed(shown, successors))
    return _number(shown), {offer: place for offer, place in places.items() if offer not in unseen}


def _number(shown: list[str]) -> dict[str, int]:
    return {offer: place for place, offer in enumerate(shown, 1)}
