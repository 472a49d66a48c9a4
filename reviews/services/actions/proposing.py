"""Proposing corrective actions, taking up what a rule proposed, and editing them until they are carried out."""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction

from offers.models import Segment
from offers.selectors import find_segment
from partners.models import Partner
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import User
from plum_site.lib.people import works_in
from reviews.choices import ActionKind
from reviews.models import CorrectiveAction, FlagCase, ReviewCycle
from reviews.rules.actions import SEGMENT_KINDS, check_params, needs_two_people
from reviews.selectors.actions import read_approvals
from reviews.services.actions.kinds import HANDLINGS
from reviews.services.actions.kinds.offers import named_offers
from reviews.services.actions.log import lock_action, note_proposal, take
from reviews.services.actions.notices import tell_of_proposals, tell_of_voided_approval
from reviews.services.actions.people import person_behind, require_right
from reviews.workflow import PROPOSE

LONGEST_REASON = 4000
EMPTIABLE = ("owner", "due_date", "scheduled_at")


@transaction.atomic
def propose_action(
    *,
    partner_id: int,
    kind: str,
    params: Mapping[str, Any],
    actor: User | str,
    at: datetime,
    segment: str = "",
    reason: str = "",
    case: FlagCase | None = None,
    cycle: ReviewCycle | None = None,
    owner: User | None = None,
    due_date: date | None = None,
    scheduled_at: datetime | None = None,
    proposal_key: str | None = None,
) -> CorrectiveAction:
    """
    Propose one corrective action for a partner. Nothing is done before somebody approves it.

    segment: code of the segment that it is for, for kinds that have one; "" is everyone. case, cycle: the flag and the review
    that it answers. proposal_key: of what a rule proposes; what was proposed under it already is returned as it is. What a
    rule proposes may leave words to the person who takes it up.

    Raises: NotFound; NotAllowed; InvalidInput - unknown_kind, unknown_owner, invalid_params, invalid_action; UnableToExecute -
    unknown_offer, other_partner; UnableToDecideAction - nobody_behind.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_auditevent; what listeners write, and plum_outbox.
    Source: docs/rules/actions.md
    """
    person = person_behind(actor)
    if person is not None:
        require_right(person, PROPOSE, _get_partner(partner_id).program_id)
    action = draft_action(
        partner_id=partner_id, kind=kind, params=params, segment=segment, reason=reason, is_complete=person is not None
    )
    _check_owner(owner, action.program_id, "Nothing was proposed.")
    if case is not None and case.partner_id != partner_id:
        raise InvalidInput("invalid_action", "Nothing was proposed.", {"flag": "This flag is another partner's."})
    action.case, action.cycle = case, cycle
    action.proposal_key = proposal_key
    action.proposer, action.proposed_at = person, at
    action.owner = owner or (case.owner if case else action.partner.owner)
    action.due_date, action.scheduled_at = due_date, scheduled_at
    action.needs_two = _needs_two(action, at)
    try:
        with transaction.atomic():
            action.save()
    except IntegrityError:
        known = CorrectiveAction.objects.filter(proposal_key=proposal_key).first() if proposal_key else None
        if known is None:
            raise
        return known
    note_proposal(action, actor, at, action.reason)
    if person is not None:
        tell_of_proposals(actions=[action], at=at)
    return action


def draft_action(
    *, partner_id: int, kind: str, params: Mapping[str, Any], segment: str = "", reason: str = "", is_complete: bool = True
) -> CorrectiveAction:
    """
    An action as it would be proposed, not stored: so that it can be looked at before. is_complete: no words may be missing.

    Shape: one CorrectiveAction without a row.
    Raises: NotFound; InvalidInput - unknown_kind, invalid_params, invalid_action; UnableToExecute - unknown_offer,
    other_partner.
    Writes: nothing.
    Source: docs/rules/actions.md
    """
    partner = _get_partner(partner_id)
    if kind not in HANDLINGS:
        sentence = f"There is nobody to carry out {kind!r}. Nothing was proposed."
        raise InvalidInput("unknown_kind", sentence, {"kind": "Choose another."})
    action = CorrectiveAction(
        program=partner.program,
        partner=partner,
        kind=kind,
        params=check_params(kind, params, is_draft=not is_complete),
        segment=_find_segment(partner.program_id, kind, segment),
        reason=_check_reason(reason),
        needs_two=True,
    )
    named_offers(action)
    return action


@transaction.atomic
def take_up_action(*, action_id: int, actor: User | str, at: datetime, comment: str = "") -> CorrectiveAction:
    """
    Stand behind what a rule proposed, as its proposer, so that somebody else can approve it.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - taken_up (by somebody else already);
    UnableToDecideAction - nobody_behind.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_auditevent.
    Source: docs/rules/approvals.md
    """
    action = lock_action(action_id)
    person = require_right(person_behind(actor), PROPOSE, action.program_id)
    if action.proposer_id is not None:
        raise InvalidInput("taken_up", f"{action.proposer} stands behind this action already. Nothing was changed.")
    take(action, "take_up", actor, at, comment, proposer=person)
    return action


@transaction.atomic
def edit_action(
    *,
    action_id: int,
    actor: User | str,
    at: datetime,
    params: Mapping[str, Any] | None = None,
    segment: str | None = None,
    reason: str | None = None,
    owner: User | None = None,
    due_date: date | None = None,
    scheduled_at: datetime | None = None,
    emptied: Collection[str] = (),
    replaces: int | None = None,
) -> CorrectiveAction:
    """
    Change an action that has not begun. Whoever edits stands behind it from then on, and an approval is void: it is proposed
    again. What is None stays. emptied: which of owner, due_date and scheduled_at shall be nothing from now on. replaces: the
    revision that the caller saw, where that matters.

    Raises: NotFound; NotAllowed; DomainError - transition_refused, changed_since; InvalidInput - invalid_params,
    invalid_action, unknown_owner; UnableToExecute - unknown_offer, other_partner; UnableToDecideAction - nobody_behind.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_auditevent; what listeners write, and plum_outbox.
    Source: docs/rules/approvals.md
    """
    action = lock_action(action_id)
    person = require_right(person_behind(actor), PROPOSE, action.program_id)
    check_revision(action, replaces)
    if owner != action.owner:
        _check_owner(owner, action.program_id, "Nothing was changed.")
    approver = action.approver
    if params is not None:
        action.params = check_params(action.kind, params)
    if segment is not None:
        action.segment = _find_segment(action.program_id, action.kind, segment)
    named_offers(action)
    changes: dict[str, Any] = {
        "params": action.params,
        "segment": action.segment,
        "revision": action.revision + 1,
        "proposer": action.proposer or person,
        "editor": person,
        "edited_at": at,
        "approver": None,
        "approved_at": None,
        "is_solo": False,
        "design": None,
        "needs_two": _needs_two(action, at),
        "reason": action.reason if reason is None else _check_reason(reason),
        "owner": owner or action.owner,
        "due_date": due_date or action.due_date,
        "scheduled_at": scheduled_at or action.scheduled_at,
        **{name: None for name in EMPTIABLE if name in emptied},
    }
    take(action, "edit", actor, at, **changes)
    tell_of_voided_approval(action=action, approver=approver, at=at)
    return action


def check_revision(action: CorrectiveAction, replaces: int | None) -> None:
    """
    Refuse to go on from another revision than the one that was seen.

    Raises: InvalidInput - changed_since.
    """
    if replaces not in (None, action.revision):
        sentence = f"The action was edited: revision {action.revision} stands, not {replaces}. Nothing was changed. Look at it."
        raise InvalidInput("changed_since", sentence)


def _get_partner(partner_id: int) -> Partner:
    partner = Partner.objects.select_related("program").filter(pk=partner_id).first()
    if partner is None:
        raise NotFound("partner", partner_id)
    return partner


def _needs_two(action: CorrectiveAction, at: datetime) -> bool:
    spec = read_approvals(action.program_id).spec
    # Recipients are counted only where it depends on them.
    return needs_two_people(spec, action.kind) or needs_two_people(spec, action.kind, HANDLINGS[action.kind].count(action, at))


def _find_segment(program_id: int, kind: str, code: str) -> Segment | None:
    if not code:
        return None
    if kind not in SEGMENT_KINDS:
        label = ActionKind(kind).label.lower()
        raise InvalidInput("invalid_action", f"{label} is for everyone.", {"segment": "Leave this empty."})
    segment = find_segment(program_id, code)
    if segment is None:
        raise InvalidInput("invalid_action", "Nothing was saved.", {"segment": f"There is no segment {code!r}."})
    return segment


def _check_owner(owner: User | None, program_id: int, outcome: str) -> None:
    if owner is None or works_in(owner, program_id):
        return
    sentence = f"{owner.username} works in no role in this program. Name somebody who does. {outcome}"
    raise InvalidInput("unknown_owner", sentence, {"owner": sentence})


def _check_reason(reason: str) -> str:
    if len(reason) > LONGEST_REASON or "\0" in reason:
        raise InvalidInput("invalid_action", "Nothing was saved.", {"reason": f"At most {LONGEST_REASON:,} characters."})
    return reason.strip()
