"""The one function that changes an offer's state."""

from datetime import datetime

from django.db import transaction

from offers.models import Offer, OfferTransition
from offers.workflow import TRANSITIONS
from partners.services import bump_catalog_revision
from plum_site.lib import audit
from plum_site.lib.errors import NotFound
from plum_site.lib.models import User
from plum_site.lib.workflow import check_comment, find_transition


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
    before = offer.state
    transition = find_transition(TRANSITIONS, name, before)
    check_comment(transition, comment)
    offer.state = transition.target
    offer.save(update_fields=["state"])
    OfferTransition.objects.create(
        offer=offer,
        name=name,
        from_state=before,
        to_state=offer.state,
        actor=audit.actor_name(actor),
        at=at,
        comment=comment,
        source_ref=source_ref,
    )
    bump_catalog_revision(program_id=offer.program_id)
    audit.record(
        program_id=offer.program_id,
        actor=actor,
        action="offers.change_offer_state",
        row=offer,
        at=at,
        before={"state": before},
        after={"state": offer.state, "transition": name},
        comment=comment,
    )
    return offer
