"""Partners, brought by services to the state that is asked for."""

from typing import Any

from partners.choices import PartnerState
from partners.models import Partner, Program
from partners.services import change_partner_state, save_partner
from tests.factories.programs import CREATED_AT

# The transitions that lead from a prospect to each state.
WAYS: dict[str, list[str]] = {
    PartnerState.PROSPECT: [],
    PartnerState.REJECTED: ["reject"],
    PartnerState.ONBOARDING: ["onboard"],
    PartnerState.ACTIVE: ["onboard", "activate"],
    PartnerState.ON_NOTICE: ["onboard", "activate", "put_on_notice"],
    PartnerState.IMPROVEMENT_PLAN: ["onboard", "activate", "put_on_notice", "start_improvement_plan"],
    PartnerState.REPLACING: ["onboard", "activate", "start_replacement"],
    PartnerState.PAUSED: ["onboard", "activate", "pause"],
    PartnerState.RETIRED: ["onboard", "activate", "retire"],
}


def make_partner(program: Program, external_id: str = "P1", **values: Any) -> Partner:
    """A partner that is active from the start, as a file brings it."""
    row = {"name": f"Partner {external_id}", "category": "food", "country": "DE", "actor": "system", "at": CREATED_AT} | values
    return save_partner(program_id=program.pk, external_id=external_id, **row)[0]


def reach_partner_state(program: Program, state: str, external_id: str = "P1") -> Partner:
    """A partner that came as a prospect and was led to `state`, transition by transition."""
    partner = make_partner(program, external_id, state=PartnerState.PROSPECT)
    for name in WAYS[state]:
        partner = change_partner_state(partner_id=partner.pk, name=name, actor="system", at=CREATED_AT, comment="as a test asks")
    return partner
