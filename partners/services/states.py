"""The one function that changes a partner's state."""

from datetime import datetime

from django.db import transaction

from partners.models import Partner, PartnerTransition
from partners.services.programs import bump_catalog_revision
from partners.workflow import TRANSITIONS
from plum_site.lib import audit
from plum_site.lib.errors import NotFound
from plum_site.lib.models import User
from plum_site.lib.workflow import check_comment, find_transition


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
    before = partner.state
    transition = find_transition(TRANSITIONS, name, before)
    check_comment(transition, comment)
    partner.state = transition.target
    partner.save(update_fields=["state"])
    PartnerTransition.objects.create(
        partner=partner,
        name=name,
        from_state=before,
        to_state=partner.state,
        actor=audit.actor_name(actor),
        at=at,
        comment=comment,
        source_ref=source_ref,
    )
    bump_catalog_revision(program_id=partner.program_id)
    audit.record(
        program_id=partner.program_id,
        actor=actor,
        action="partners.change_partner_state",
        row=partner,
        at=at,
        before={"state": before},
        after={"state": partner.state, "transition": name},
        comment=comment,
    )
    return partner
