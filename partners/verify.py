"""What `manage.py verify actions` checks of partners: where each stands follows from its history, and that from the table."""

from collections import defaultdict
from collections.abc import Iterator

from partners.choices import PartnerState
from partners.models import Partner, PartnerTransition
from partners.selectors import list_programs
from partners.workflow import SYSTEM_TRANSITIONS, TRANSITIONS
from plum_site.lib.audit import SYSTEM
from plum_site.lib.verify import Finding, check

TABLE = {**TRANSITIONS, **SYSTEM_TRANSITIONS}
BEGINS = "create"
ONLY_BY_RULE = frozenset({PartnerState.ON_NOTICE, PartnerState.IMPROVEMENT_PLAN, PartnerState.REPLACING})


@check("actions")
def check_partners() -> Iterator[Finding]:
    """Every partner of every program: its state, and each step that led there."""
    for program in list_programs():
        steps: dict[int, list[PartnerTransition]] = defaultdict(list)
        for step in PartnerTransition.objects.filter(partner__program=program).order_by("id"):
            steps[step.partner_id].append(step)
        violations, checked = [], 0
        for partner in Partner.objects.filter(program=program).order_by("id"):
            own = steps[partner.pk]
            checked += 1
            froms, tos = [step.from_state for step in own], [step.to_state for step in own]
            if froms != ["", *tos[:-1]] or tos[-1:] != [partner.state]:
                said = " → ".join(tos) or "nothing"
                violations.append(f"partner {partner.external_id} is {partner.state}, and its history says otherwise: {said}")
            violations += [f"partner {partner.external_id}: {fault}" for step in own if (fault := _fault_of(step))]
        yield Finding(f"{program.code}: histories of partners", checked, violations)


def _fault_of(step: PartnerTransition) -> str:
    """What is wrong with one step by itself; "" where nothing is."""
    said = f"{step.name} from {step.from_state or 'nothing'} to {step.to_state} at {step.at:%Y-%m-%d %H:%M} UTC"
    if step.name == BEGINS:
        return "" if not step.from_state and step.to_state not in ONLY_BY_RULE else f"{said} is no beginning"
    entry = TABLE.get(step.name)
    if entry is None or step.from_state not in entry.sources or step.to_state != entry.target:
        return f"{said} is no step of a partner"
    if step.name in SYSTEM_TRANSITIONS and step.actor != SYSTEM:
        return f"{said} was made by {step.actor}: only rules do that"
    return ""
