"""Which of the steps that a replacement's state leads to would not be refused for another reason."""

from datetime import datetime

from reviews.choices import ActionKind, ActionState
from reviews.models import Replacement
from reviews.rules.actions import ApprovalSpec, is_in_time, needs_two_people

WITH_ITS_ACTION = ("back_to_candidates", "back_to_terms", "back_to_mapping", "cancel")
WITH_A_SUCCESSOR = ("back_to_terms", "back_to_mapping", "send_back", "start_trial")


def needs_another(replacement: Replacement, spec: ApprovalSpec) -> bool:
    """
    Whether somebody else than the mapper has to approve a replacement: as it was asked for once it is approved, before by the
    approvals in force.

    Shape: a bool.
    """
    if replacement.approved_at is not None:
        return replacement.needs_two
    return needs_two_people(spec, ActionKind.REPLACE_PARTNER)


def is_open(replacement: Replacement, name: str, person_id: int | None, spec: ApprovalSpec, at: datetime) -> bool:
    """
    Whether a step that the state allows would not be refused because of who asks, of a day that is over, or of the action.

    person_id: who stands behind it; None: nobody, who may take no step. spec: the approvals in force.
    Shape: a bool.
    Source: docs/rules/replacement.md
    """
    if person_id is None:
        return False
    if name in WITH_ITS_ACTION and replacement.action.state != ActionState.EXECUTING:
        return False
    if name in WITH_A_SUCCESSOR and replacement.is_without:
        return False
    if name == "approve":
        return person_id != replacement.mapper_id or spec.solo_mode or not needs_another(replacement, spec)
    if name == "roll_back":
        return is_in_time(replacement.cut_over_at, at)
    return True
