"""Offers, segments and their rows, brought by services to the state that is asked for."""

import io
from typing import Any

from PIL import Image

from offers.choices import DraftState, OfferState
from offers.models import ListingDraft, Offer, Segment
from offers.rules import OfferRow
from offers.selectors import find_ranking, order_of
from offers.services import change_draft_state, change_offer_state, save_draft, save_offer, save_segment
from partners.models import Program
from tests.factories.programs import CREATED_AT

# The transitions that lead from a draft to each state.
WAYS: dict[str, list[str]] = {
    OfferState.DRAFT: [],
    OfferState.IN_REVIEW: ["submit"],
    OfferState.PUBLISHED: ["submit", "publish"],
    OfferState.PAUSED: ["submit", "publish", "pause"],
    OfferState.RETIRED: ["retire"],
}


def make_row(external_id: str = "O1", **values: Any) -> OfferRow:
    """A row of offers.csv for partner P1."""
    return OfferRow(
        **(
            {"external_id": external_id, "partner_external_id": "P1", "title": f"Offer {external_id}", "offer_type": "discount"}
            | values
        )
    )


def make_offer(program: Program, external_id: str = "O1", state: str = OfferState.PUBLISHED, **values: Any) -> Offer:
    """An offer of partner P1 that is published from the start, as a file brings it."""
    return save_offer(program_id=program.pk, row=make_row(external_id, **values), actor="system", at=CREATED_AT, state=state)[0]


def reach_offer_state(program: Program, state: str, external_id: str = "O1") -> Offer:
    """An offer that came as a draft and was led to `state`, transition by transition."""
    offer = make_offer(program, external_id, state=OfferState.DRAFT)
    for name in WAYS[state]:
        offer = change_offer_state(offer_id=offer.pk, name=name, actor="system", at=CREATED_AT, comment="as a test asks")
    return offer


def make_segment(
    program: Program, code: str = "cards", attribute: str = "business_unit", values: tuple[str, ...] = ("cards",)
) -> Segment:
    """Members whose attribute has one of the values."""
    rule = [{"attribute": attribute, "operator": "is", "values": list(values)}]
    return save_segment(program_id=program.pk, code=code, name=code.title(), rule=rule, actor="system", at=CREATED_AT)[0]


def order_in_force(program: Program, segment: Segment | None = None) -> list[int]:
    """Row ids of offers, best first, as the ranking of everyone or of a segment names them."""
    return list(order_of(find_ranking(program.pk, segment.pk if segment else None)).offers)


def make_draft(offer: Offer, *, title: str = "Better words", state: str = DraftState.DRAFT, **words: str) -> ListingDraft:
    """The next version of an offer's listing, as far as `state`."""
    draft, _ = save_draft(offer_id=offer.pk, title=title, actor="system", at=CREATED_AT, **words)
    steps = {DraftState.IN_REVIEW: ["submit"], DraftState.PUBLISHED: ["submit", "publish"], DraftState.DISCARDED: ["discard"]}
    for name in steps.get(DraftState(state), []):
        draft = change_draft_state(draft_id=draft.pk, name=name, actor="system", at=CREATED_AT)
    return draft


def picture(width: int = 320, height: int = 200, *, form: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    """The bytes of a picture in one colour."""
    target = io.BytesIO()
    Image.new(mode, (width, height), "purple").save(target, form, **options)
    return target.getvalue()
