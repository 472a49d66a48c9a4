"""What the outside is told about reviews and corrective actions, in the transactions of their changes."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from plum_site.lib.announcements import address_of, announce
from plum_site.lib.periods import month_text
from reviews.choices import Severity
from reviews.models import (
    ActionTransition,
    CorrectiveAction,
    FlagCase,
    LadderMove,
    Replacement,
    ReplacementTransition,
    ReviewCycle,
)

TELL_WITHIN = timedelta(days=40)  # after a month's end: a history that is loaded and reviewed late alarms nobody
TOLD_STEPS = {
    "propose": "action.proposed",
    "edit": "action.edited",
    "approve": "action.approved",
    "finish": "action.executed",
    "fail": "action.failed",
    "revert": "action.reverted",
    "measure": "action.measured",
}
TOLD_REPLACEMENTS = {
    "open": "replacement.opened",
    "schedule": "replacement.scheduled",
    "cut_over": "replacement.cut_over",
    "complete": "replacement.completed",
    "roll_back": "replacement.rolled_back",
    "cancel": "replacement.cancelled",
}
GRAVITY = {severity: rank for rank, severity in enumerate(Severity.values)}


def announce_closing(*, cycle: ReviewCycle, at: datetime) -> None:
    """
    A review was closed: its figures are final.

    Raises: nothing.
    Writes: what listeners write.
    """
    month = month_text(cycle.month_start_date)
    data = {
        "id": f"rev_{cycle.pk}",
        "program": cycle.program.code,
        "month": month,
        "revision": cycle.revision,
        "url": address_of("api:review", month),
    }
    announce(type="review.finalized", program_id=cycle.program_id, key=str(cycle.pk), data=data, at=at)


def announce_flags(*, cycle: ReviewCycle, opened: Sequence[FlagCase], at: datetime) -> None:
    """
    Partners were flagged: one announcement a partner, with the rules whose flags were opened.

    opened: what follow_flags gives, so that a flag which goes and comes back is told once, over the months too.

    Raises: nothing.
    Writes: what listeners write.
    """
    if at - cycle.ends_at > TELL_WITHIN:
        return
    month = month_text(cycle.month_start_date)
    by_partner: dict[str, list[FlagCase]] = defaultdict(list)
    for case in opened:
        by_partner[case.partner.external_id].append(case)
    for partner, cases in sorted(by_partner.items()):
        data = {
            "program": cycle.program.code,
            "month": month,
            "partner": partner,
            "rules": sorted({case.rule.code for case in cases}),
            "severity": max((case.seen["severity"] for case in cases), key=GRAVITY.__getitem__),
            "url": address_of("api:scorecard", month, partner),
        }
        key = f"{cycle.pk}:{partner}:{','.join(str(case.pk) for case in cases)}"
        announce(type="partner.flagged", program_id=cycle.program_id, key=key, data=data, at=at)


def announce_move(*, move: LadderMove, at: datetime) -> None:
    """
    The ladder moved a partner, or says that replacing it is due.

    Raises: nothing.
    Writes: what listeners write.
    """
    partner = move.partner
    data = {
        "program": partner.program.code,
        "month": month_text(move.cycle.month_start_date),
        "partner": partner.external_id,
        "step": str(move.name),
        "from": str(move.from_state),
        "to": str(move.to_state),
        "url": address_of("api:partner_ladder", partner.external_id),
    }
    announce(type="partner.ladder_moved", program_id=partner.program_id, key=str(move.pk), data=data, at=at)


def announce_step(*, action: CorrectiveAction, step: ActionTransition, at: datetime) -> None:
    """
    A corrective action took a step: announced where it is one of TOLD_STEPS.

    Raises: nothing.
    Writes: what listeners write.
    """
    name = TOLD_STEPS.get(step.name)
    if name is None:
        return
    data = {
        "id": f"act_{action.pk}",
        "program": action.program.code,
        "partner": action.partner.external_id,
        "kind": str(action.kind),
        "revision": action.revision,
        "state": str(step.to_state),
        "url": address_of("api:action", action.pk),
    }
    if step.name == "measure":
        data["verdict"] = str(action.verdict)
    announce(type=name, program_id=action.program_id, key=f"{action.pk}:{step.pk}", data=data, at=at)


def announce_replacement(*, replacement: Replacement, step: ReplacementTransition, at: datetime) -> None:
    """
    The replacement of a partner took a step: announced where it is one of TOLD_REPLACEMENTS.

    Raises: nothing.
    Writes: what listeners write.
    """
    name = TOLD_REPLACEMENTS.get(step.name)
    if name is None:
        return
    successor = replacement.successor
    data = {
        "id": f"rep_{replacement.pk}",
        "program": replacement.program.code,
        "partner": replacement.partner.external_id,
        "successor": successor.external_id if successor else None,
        "revision": replacement.revision,
        "state": str(step.to_state),
        "url": address_of("api:replacement", replacement.pk),
    }
    announce(type=name, program_id=replacement.program_id, key=f"{replacement.pk}:{step.pk}", data=data, at=at)
