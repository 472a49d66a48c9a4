"""The one function that changes an offer's state."""

from datetime import datetime

from django.db import transaction

from offers.models import Offer, OfferTransition
from offers.workflow import TRANSITIONS
from partners.services import bump_catalog_revision
from plum_site.lib.errors import NotFound
from plum_site.lib.models import User
from plum_site.lib.transitions import take_transition


@transaction.atomic
def change_offer_state(
    *, offer_id: int, name: str, actor: User | str, at: datetime, comment: str = "", source_ref: str = ""
) -> Offer:
    """
    Take one named transition of the offer's lifecycle.

    Raises: NotFound, DomainError (code "transition_refused"), InvalidInput (code "comment_required").
    Writes: offers_offer, offers_offertransition, partners_program.catalog_revision, plum_auditevent.
    """
    offer = Offer.objects.select_for_update(of=("self",)).filter(pk=offer_id).first()
    if offer is None:
        raise NotFound("offer", offer_id)
    take_transition(
        row=offer,
        log=OfferTransition,
        table=TRANSITIONS,
        name=name,
        action="offers.change_offer_state",
        actor=actor,
        at=at,
        comment=comment,
        told={"transition": name},
        source_ref=source_ref,
    )
    bump_catalog_revision(program_id=offer.program_id)
    return offer
