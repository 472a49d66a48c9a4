"""Which replacements wait for whom: the step that each waits for, by when, and who has to take it."""

from django.db.models import BigIntegerField, Case, CharField, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from reviews.choices import ActionKind, ActionState, ReplacementState, ReplacementStep
from reviews.models import Replacement, ReplacementTask
from reviews.rules.actions import needs_two_people
from reviews.rules.replacements import STEP_OF_STATE
from reviews.selectors.actions import read_approvals
from reviews.selectors.replacements.reads import RELATED, list_replacements
from reviews.workflow import APPROVE, REPLACEMENT_TRANSITIONS

STEP_NAMES = {ReplacementStep.CUT_OVER: "schedule"}  # the cutover itself is taken by no person: its time is
APPROVED_STEPS = frozenset(
    step for step in ReplacementStep if REPLACEMENT_TRANSITIONS[STEP_NAMES.get(step, str(step))].operation == APPROVE
)


def with_present_step(rows: QuerySet[Replacement]) -> QuerySet[Replacement]:
    """
    The same replacements, each with what it waits for.

    Shape: Replacements with present_step (of ReplacementStep; "" for nothing), step_owner_id (of the step, else of the
    replacement) and step_due_date.
    """
    steps = Case(
        *(When(state=state, then=Value(str(step))) for state, step in STEP_OF_STATE.items()),
        default=Value(""),
        output_field=CharField(),
    )
    tasks = ReplacementTask.objects.filter(replacement=OuterRef("pk"), step=OuterRef("present_step"))
    return rows.annotate(present_step=steps).annotate(
        step_owner_id=Coalesce(Subquery(tasks.values("owner")[:1]), F("owner"), output_field=BigIntegerField()),
        step_due_date=Subquery(tasks.values("due_date")[:1]),
    )


def list_replacements_waiting_for(program_id: int, person_id: int, *, may_approve: bool) -> QuerySet[Replacement]:
    """
    The replacements whose next step is a person's: one that is theirs by name, or an approval that they may give. A cutover that
    has its time waits for nobody; one that was rolled back waits for its owner to say how it goes on.

    Shape: Replacements as with_present_step gives them, newest first.
    """
    rows = with_present_step(list_replacements(program_id)).exclude(state=ReplacementState.SCHEDULED)
    theirs = Q(step_owner_id=person_id) & ~Q(present_step="")
    if not may_approve:
        theirs &= ~Q(present_step__in=APPROVED_STEPS)
    rolled_back = Q(state=ReplacementState.ROLLED_BACK, action__state=ActionState.EXECUTING, owner=person_id)
    waiting = rows.filter(theirs | rolled_back | (Q(state=ReplacementState.MAPPED) if may_approve else Q()))
    spec = read_approvals(program_id).spec
    if needs_two_people(spec, ActionKind.REPLACE_PARTNER) and not spec.solo_mode:
        waiting = waiting.exclude(state=ReplacementState.MAPPED, mapper=person_id)
    return waiting


def list_replacements_about(partner_id: int) -> QuerySet[Replacement]:
    """
    The replacements in which a partner is replaced, or takes the place.

    Shape: Replacements with what their sentences need and what each waits for, newest first.
    """
    rows = Replacement.objects.filter(Q(partner=partner_id) | Q(successor=partner_id))
    return with_present_step(rows.select_related(*RELATED)).order_by("-id")


def find_replacement_of_action(action_id: int) -> Replacement | None:
    """
    The replacement that a corrective action opened.

    Shape: one Replacement with what its sentences need, or None where it has opened none.
    """
    return Replacement.objects.filter(action=action_id).select_related(*RELATED).first()
