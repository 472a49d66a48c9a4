"""The one function that changes a partner's state."""

from datetime import datetime

from django.db import transaction

from partners.models import Partner, PartnerTransition
from partners.services.programs import bump_catalog_revision
from partners.workflow import TRANSITIONS
from plum_site.lib.errors import NotFound
from plum_site.lib.models import User
from plum_site.lib.transitions import take_transition


@transaction.atomic
def change_partner_state(
    *, partner_id: int, name: str, actor: User | str, at: datetime, comment: str = "", source_ref: str = ""
) -> Partner:
    """
    Take one named transition of the partner's lifecycle.

    Raises: NotFound, DomainError (code "transition_refused"), InvalidInput (code "comment_required").
    Writes: partners_partner, partners_partnertransition, partners_program.catalog_revision, plum_auditevent.
    """
    partner = Partner.objects.select_for_update(of=("self",)).filter(pk=partner_id).first()
    if partner is None:
        raise NotFound("partner", partner_id)
    take_transition(
        row=partner,
        log=PartnerTransition,
        table=TRANSITIONS,
        name=name,
        action="partners.change_partner_state",
        actor=actor,
        at=at,
        comment=comment,
        source_ref=source_ref,
    )
    bump_catalog_revision(program_id=partner.program_id)
    return partner
