"""Corrective actions for tests, reached through services only."""

from datetime import UTC, datetime, timedelta
from typing import Any

from partners.models import Partner, Program
from plum_site.lib.models import User
from reviews.choices import ActionKind
from reviews.models import ApprovalRequest, CorrectiveAction
from reviews.rules.actions import ApprovalSpec
from reviews.services.actions import approve_action, execute_action, lower_by_time, propose_action, save_approvals
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

AT = datetime(2026, 7, 10, 9, tzinfo=UTC)
WORDS = {"title": "Better words", "text": "What you get.", "creative_url": "", "terms": ""}


def make_correctable_program() -> Program:
    """A program with one partner P1 of three live offers O1 to O3, and a partner P2 with O4."""
    program = make_program(recorded_stages=["viewed", "unlocked", "activated", "redeemed"])
    for partner, offers in (("P1", ("O1", "O2", "O3")), ("P2", ("O4",))):
        make_partner(program, partner)
        for offer in offers:
            make_offer(program, offer, partner_external_id=partner)
    return program


def propose(program: Program, actor: User | str, kind: str = ActionKind.PAUSE_OFFER, **fields: Any) -> CorrectiveAction:
    """An action for partner P1: to pause offer O1, unless something else is said."""
    partner = Partner.objects.get(program=program, external_id="P1")
    fields = {"params": {"offers": ["O1"]}, "at": AT, **fields}
    return propose_action(partner_id=partner.pk, kind=kind, actor=actor, **fields)


def lower_approvals(program: Program, spec: ApprovalSpec, at: datetime = AT) -> None:
    """Approvals that ask for less than those in force, in force: an operator asked two days before, and nobody answered."""
    operator, _ = User.objects.get_or_create(username="founder", is_superuser=True)
    asked_at = at - timedelta(days=2)
    request = save_approvals(program_id=program.pk, spec=spec, actor=operator, at=asked_at)
    assert isinstance(request, ApprovalRequest), "they ask for no less"
    lower_by_time(request_id=request.pk, at=at)


def carry_out(action: CorrectiveAction, approver: User, at: datetime = AT) -> CorrectiveAction:
    """The same action, approved and executed."""
    approve_action(action_id=action.pk, actor=approver, at=at)
    action.refresh_from_db()
    return execute_action(action_id=action.pk, revision=action.revision, at=at)
