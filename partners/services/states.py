"""The one function that changes a partner's state."""

from datetime import datetime

from django.db import transaction

from partners.models import Partner, PartnerTransition
from partners.services.programs import bump_catalog_revision
from partners.workflow import SYSTEM_TRANSITIONS, TRANSITIONS, WITHHELD
from plum_site.lib.audit import SYSTEM
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.models import User
from plum_site.lib.transitions import take_transition
from plum_site.lib.workflow import available


@transaction.atomic
def change_partner_state(
    *, partner_id: int, name: str, actor: User | str, at: datetime, comment: str = "", source_ref: str = ""
) -> Partner:
    """
    Take one named transition of the partner's lifecycle. What only rules do needs the actor `system`.

    Raises: NotFound, DomainError (code "transition_refused"), InvalidInput (code "comment_required").
    Writes: partners_partner, partners_partnertransition, partners_program.catalog_revision, plum_auditevent.
    """
    partner = Partner.objects.select_for_update(of=("self",)).filter(pk=partner_id).first()
    if partner is None:
        raise NotFound("partner", partner_id)
    if name in WITHHELD and actor != SYSTEM:
        possible = ", ".join(step.name for step in available(TRANSITIONS, partner.state)) or "nothing"
        sentence = f"{name!r} is nobody's to take by hand. {WITHHELD[name]} Nothing was changed. Possible now: {possible}."
        raise DomainError("transition_refused", sentence)
    take_transition(
        row=partner,
        log=PartnerTransition,
        table=SYSTEM_TRANSITIONS if name in SYSTEM_TRANSITIONS else TRANSITIONS,
        name=name,
        action="partners.change_partner_state",
        actor=actor,
        at=at,
        comment=comment,
        told={"transition": name},
        source_ref=source_ref,
    )
    bump_catalog_revision(program_id=partner.program_id)
    return partner
