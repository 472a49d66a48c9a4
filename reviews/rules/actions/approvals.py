"""How many people a corrective action needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from plum_site.lib.errors import InvalidInput
from reviews.choices import ActionKind, Approval

PUSH_LIMIT = 1000
SOLO_HOURS = 24
UNDO_DAYS = 30
LARGEST_LIMIT = 1_000_000
PEOPLE: Mapping[str, str] = {Approval.ONE: "one person", Approval.TWO: "two different people"}


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


def undo_until(done_at: datetime) -> datetime:
    """
    The last instant at which an action, or a cutover, that was done then can be taken back.

    Shape: one aware instant.
    Source: docs/rules/actions.md
    """
    return done_at + timedelta(days=UNDO_DAYS)


def is_in_time(done_at: datetime | None, at: datetime) -> bool:
    """
    Whether what was done then can be taken back still; what was not done yet has all its days before it.

    Shape: a bool.
    Source: docs/rules/actions.md
    """
    return done_at is None or at <= undo_until(done_at)


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


def lowers(before: ApprovalSpec, after: ApprovalSpec) -> bool:
    """
    Whether one version asks for less than another in anything, whatever else it raises: fewer people for a kind, one person
    for a larger push, or solo mode.

    Shape: bool. A kind that a spec does not name needs two.
    Source: docs/rules/approvals.md
    """
    kinds = {*before.approvals, *after.approvals}
    fewer = any(needs_two_people(before, kind) and not needs_two_people(after, kind) for kind in kinds)
    return fewer or after.push_limit > before.push_limit or (after.solo_mode and not before.solo_mode)


def is_theirs(step: str, asker_id: int, person_id: int | None) -> bool:
    """
    Whether a step with a request to lower the approvals is this person's to take: whoever asked withdraws, and somebody else
    confirms or refuses.

    Shape: bool. Nobody (None) takes any.
    Source: docs/rules/approvals.md
    """
    return person_id is not None and (step == "withdraw") == (asker_id == person_id)


def say_changes(before: ApprovalSpec, after: ApprovalSpec) -> list[tuple[str, str, str]]:
    """
    What differs between two versions, in words.

    Shape: (what, as it was, as it will be), kinds of action first, in their order.
    """
    rows = []
    for kind in ActionKind:
        then, now = (PEOPLE[spec.approvals.get(kind, Approval.TWO)] for spec in (before, after))
        if then != now:
            rows.append((str(kind.label), then, now))
    if before.push_limit != after.push_limit:
        rows.append(("Largest push for one person", f"{before.push_limit:,}", f"{after.push_limit:,}"))
    if before.solo_mode != after.solo_mode:
        rows.append(("Solo mode", "off", "on") if after.solo_mode else ("Solo mode", "on", "off"))
    return rows


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
