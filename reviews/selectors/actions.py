"""Reads of corrective actions: what waits, what was done, and by which approvals and playbook."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, F, Q, QuerySet

from activity.selectors.silences import GRACE
from offers.models import Offer
from plum_site.lib.errors import NotFound
from plum_site.lib.periods import first_instant, local_date
from reviews.choices import ActionState
from reviews.models import ActionNote, ActionTransition, ApprovalPolicy, CorrectiveAction, FlagCase, Playbook, ReviewCycle
from reviews.rules.actions import ApprovalSpec, PlacingSpec, PlaybookLine, default_approvals, default_playbook, read_lines
from reviews.rules.effects import EffectDesign
from reviews.selectors.approvals import spec_of
from reviews.selectors.flags import list_open_flags
from reviews.selectors.subscriptions import REPORT_WITHIN

# What is neither ended nor measured.
UNDER_WAY = (
    ActionState.PROPOSED,
    ActionState.APPROVED,
    ActionState.SCHEDULED,
    ActionState.EXECUTING,
    ActionState.EXECUTED,
    ActionState.MEASURING,
)
RELATED = ("partner", "segment", "case__rule", "cycle", "proposer", "editor", "approver", "owner")


@dataclass(frozen=True)
class Approvals:
    """The approvals in force. number 0, row None: those that every program begins with."""

    spec: ApprovalSpec
    number: int = 0
    row: ApprovalPolicy | None = None


@dataclass(frozen=True)
class PlaybookInForce:
    """The playbook in force. number 0, row None: the one that every program begins with."""

    lines: list[PlaybookLine]
    placing: PlacingSpec
    number: int = 0
    row: Playbook | None = None


def read_approvals(program_id: int) -> Approvals:
    """
    How many people each kind of action needs now.

    Shape: one Approvals.
    """
    row = ApprovalPolicy.objects.filter(program_id=program_id).order_by("-number").first()
    if row is None:
        return Approvals(default_approvals())
    return Approvals(spec_of(row), row.number, row)


def read_playbook(program_id: int) -> PlaybookInForce:
    """
    What is proposed for which diagnosis now.

    Shape: one PlaybookInForce.
    """
    row = Playbook.objects.filter(program_id=program_id).order_by("-number").first()
    if row is None:
        return PlaybookInForce(default_playbook(), PlacingSpec())
    return PlaybookInForce(read_lines(row.lines), PlacingSpec.from_json(row.placing), row.number, row)


def list_approval_versions(program_id: int) -> QuerySet[ApprovalPolicy]:
    """
    Every version of the approvals that somebody saved.

    Shape: ApprovalPolicies with their requests, newest first.
    """
    rows = ApprovalPolicy.objects.filter(program_id=program_id).select_related("request__asker", "request__answerer")
    return rows.order_by("-number")


def list_playbook_versions(program_id: int) -> QuerySet[Playbook]:
    """
    Every version of the playbook that somebody saved.

    Shape: Playbooks, newest first.
    """
    return Playbook.objects.filter(program_id=program_id).order_by("-number")


def list_actions(program_id: int) -> QuerySet[CorrectiveAction]:
    """
    The corrective actions of a program.

    Shape: CorrectiveActions with what their sentences need, newest first.
    """
    return CorrectiveAction.objects.filter(program_id=program_id).select_related(*RELATED).order_by("-id")


def get_action(program_id: int, action_id: int) -> CorrectiveAction:
    """
    One action.

    Shape: one CorrectiveAction with what its sentences need.
    Raises: NotFound.
    """
    action = list_actions(program_id).filter(pk=action_id).first()
    if action is None:
        raise NotFound("corrective action", action_id)
    return action


def list_waiting_actions(program_id: int) -> QuerySet[CorrectiveAction]:
    """
    What waits for somebody to decide: proposed, the earliest due first.

    Shape: CorrectiveActions.
    """
    return list_actions(program_id).filter(state=ActionState.PROPOSED).order_by("due_date", "id")


def list_actions_waiting_for(program_id: int, person_id: int, *, may_approve: bool) -> QuerySet[CorrectiveAction]:
    """
    What waits for one person: what they may approve by themselves or as the second one, what nobody has taken up yet, and
    what is theirs and failed. may_approve: whether they hold the right to; else they take up and own.

    Shape: CorrectiveActions, the earliest due first.
    """
    involved = Q(proposer=person_id) | Q(editor=person_id)
    open_to = Q(state=ActionState.PROPOSED, needs_two=True, proposer__isnull=True)
    if may_approve:
        open_to |= Q(state=ActionState.PROPOSED) & (Q(needs_two=False) | (Q(proposer__isnull=False) & ~involved))
    mine = Q(state=ActionState.PROPOSED, needs_two=False, owner=person_id) | Q(state=ActionState.FAILED, owner=person_id)
    rows = list_actions(program_id).filter(open_to | mine)
    return rows.order_by(F("due_date").asc(nulls_last=True), "id")


def list_actions_of_partner(partner_id: int) -> QuerySet[CorrectiveAction]:
    """
    What was done for a partner, or is to be.

    Shape: CorrectiveActions with what their sentences need, newest first.
    """
    return CorrectiveAction.objects.filter(partner_id=partner_id).select_related(*RELATED).order_by("-id")


def list_actions_of_offer(offer: Offer) -> list[CorrectiveAction]:
    """
    What was done with one offer, or is to be: the actions of its partner that name it.

    Shape: CorrectiveActions, newest first.
    """
    return [
        action for action in list_actions_of_partner(offer.partner_id) if offer.external_id in action.params.get("offers", ())
    ]


def count_waiting_actions(program_id: int, partner_ids: Sequence[int]) -> dict[int, int]:
    """
    How many actions wait for somebody to decide, or failed, by partner.

    Shape: {partner row id: number}; partners without one are left out.
    """
    waiting = (ActionState.PROPOSED, ActionState.FAILED)
    rows = CorrectiveAction.objects.filter(program_id=program_id, partner_id__in=partner_ids, state__in=waiting)
    return dict(rows.order_by().values_list("partner_id").annotate(number=Count("id")))


def list_action_transitions(action_id: int) -> QuerySet[ActionTransition]:
    """
    How an action came to its state.

    Shape: ActionTransitions, oldest first.
    """
    return ActionTransition.objects.filter(action_id=action_id).order_by("at", "id")


def list_notes(action_id: int) -> QuerySet[ActionNote]:
    """
    What people wrote about an action.

    Shape: ActionNotes, oldest first.
    """
    return ActionNote.objects.filter(action_id=action_id).order_by("made_at", "id")


def list_cases_to_act_on(cycle: ReviewCycle, opened: Sequence[FlagCase], at: datetime) -> list[FlagCase]:
    """
    The flags for which the playbook is asked: those just opened while the month runs, all that the month shows once it is over,
    and none of a month that ended over 40 days ago.

    Shape: FlagCases with rule, partner, owner and program, in the order of their ids.
    """
    if at - cycle.ends_at > REPORT_WITHIN:
        return []
    cases = list_open_flags(cycle.program_id).filter(newest_month_date=cycle.month_start_date)
    if at < cycle.ends_at:
        cases = cases.filter(pk__in=[case.pk for case in opened])
    return sorted(cases, key=lambda case: case.pk)


@dataclass(frozen=True)
class Window:
    """The program days over which an action is measured: [starts_date, ends_date), over at ends_at."""

    starts_date: date
    ends_date: date
    ends_at: datetime


def window_of(action: CorrectiveAction) -> Window:
    """
    When an executed action is measured: from the program day after its execution, for as long as its design says.

    Shape: one Window. ValueError for one that was not executed.
    Source: docs/rules/effects.md
    """
    if action.executed_at is None:
        raise ValueError(f"{action} was not executed")
    starts_date = local_date(action.executed_at, action.program.time_zone) + timedelta(days=1)
    ends_date = starts_date + timedelta(days=EffectDesign.from_json(action.design or {}).window_days)
    return Window(starts_date, ends_date, first_instant(ends_date, action.program.time_zone))


def list_ended_windows(program_id: int, at: datetime) -> list[int]:
    """
    The actions of a program that wait for their measurement and whose window is over, for so long that a source that was silent
    on its last day shows.

    Shape: row ids, in order.
    """
    measuring = list_actions(program_id).filter(state=ActionState.MEASURING).select_related("program").order_by("pk")
    return [action.pk for action in measuring if window_of(action).ends_at + GRACE <= at]
