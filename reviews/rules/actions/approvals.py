"""How many people a corrective action needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from plum_site.lib.errors import InvalidInput
from reviews.choices import ActionKind, Approval

PUSH_LIMIT = 1000
SOLO_HOURS = 24
UNDO_DAYS = 30
LARGEST_LIMIT = 1_000_000


@dataclass(frozen=True)
class ApprovalSpec:
    """
    One version of a program's approvals.

    approvals: every kind of action to "one" or "two". push_limit: a push to more recipients needs two people in any case.
    solo_mode: a program of one person waits SOLO_HOURS instead of asking a second one.
    """

    approvals: Mapping[str, str] = field(default_factory=dict)
    push_limit: int = PUSH_LIMIT
    solo_mode: bool = False


def default_approvals() -> ApprovalSpec:
    """
    As a new program has them: two people to replace a partner, one for what can be undone.

    Shape: one ApprovalSpec.
    Source: docs/rules/approvals.md
    """
    one = dict.fromkeys(map(str, ActionKind), str(Approval.ONE))
    return ApprovalSpec(one | {str(ActionKind.REPLACE_PARTNER): str(Approval.TWO)})


def needs_two_people(spec: ApprovalSpec, kind: str, recipients: int = 0) -> bool:
    """
    Whether two different people must stand behind an action. recipients: of a push.

    Shape: bool. A kind that the spec does not name needs two.
    Source: docs/rules/approvals.md
    """
    if kind == ActionKind.PROMOTIONAL_PUSH and recipients > spec.push_limit:
        return True
    return spec.approvals.get(kind, Approval.TWO) == Approval.TWO


def check_approvals(spec: ApprovalSpec) -> None:
    """
    Refuse approvals that leave a kind open or say something unknown.

    Raises: InvalidInput - invalid_approvals, with a sentence for each field at fault.
    """
    fields = {}
    for kind in ActionKind:
        if spec.approvals.get(kind) not in Approval.values:
            fields[str(kind)] = "Choose one person or two."
    for name in sorted(set(spec.approvals) - set(ActionKind.values)):
        fields[name] = "There is no such kind of action."
    if not 0 <= spec.push_limit <= LARGEST_LIMIT:
        fields["push_limit"] = f"A whole number from 0 to {LARGEST_LIMIT:,}."
    if fields:
        raise InvalidInput("invalid_approvals", "The approvals were not saved; the version in force stays.", fields)
