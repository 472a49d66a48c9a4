"""Replacements one by one, with what belongs to them."""

from datetime import date

from django.db.models import QuerySet

from plum_site.lib.errors import NotFound
from reviews.choices import ActionState, ReplacementState
from reviews.models import (
    Replacement,
    ReplacementContact,
    ReplacementFile,
    ReplacementTask,
    ReplacementTransition,
)
from reviews.rules.replacements import STEP_OF_STATE, step_of

RELATED = ("program", "partner__category", "segment", "successor__category", "owner", "mapper", "approver", "action", "trial")
FOLLOWED = (ReplacementState.CUT_OVER, ReplacementState.VERIFIED, ReplacementState.COMPLETED)


def list_replacements(program_id: int) -> QuerySet[Replacement]:
    """
    The replacements of a program.

    Shape: Replacements with what their sentences need, newest first.
    """
    return Replacement.objects.filter(program_id=program_id).select_related(*RELATED).order_by("-id")


def get_replacement(program_id: int, replacement_id: int) -> Replacement:
    """
    One replacement.

    Shape: one Replacement with what its sentences need.
    Raises: NotFound.
    """
    found = list_replacements(program_id).filter(pk=replacement_id).first()
    if found is None:
        raise NotFound("replacement", replacement_id)
    return found


def find_replacement(replacement_id: int) -> Replacement | None:
    """
    One replacement, of whatever program.

    Shape: one Replacement with what its sentences need, or None.
    """
    return Replacement.objects.select_related(*RELATED).filter(pk=replacement_id).first()


def list_replacements_of_partner(partner_id: int) -> QuerySet[Replacement]:
    """
    The replacements of one partner.

    Shape: Replacements with what their sentences need, newest first.
    """
    return Replacement.objects.filter(partner_id=partner_id).select_related(*RELATED).order_by("-id")


def find_open_replacement(partner_id: int, category: str, segment_id: int | None) -> Replacement | None:
    """
    A replacement of a partner that is not ended and concerns some of the same offers for some of the same members.

    Shape: one Replacement or None.
    """
    rows = list_replacements_of_partner(partner_id).filter(action__state=ActionState.EXECUTING)  # over once its action is
    for other in rows:
        same_offers = not category or not other.category or category == other.category
        same_members = segment_id is None or other.segment_id is None or segment_id == other.segment_id
        if same_offers and same_members:
            return other
    return None


def list_replacement_steps(replacement_id: int) -> QuerySet[ReplacementTransition]:
    """
    How a replacement came to its state.

    Shape: ReplacementTransitions, oldest first.
    """
    return ReplacementTransition.objects.filter(replacement_id=replacement_id).order_by("at", "id")


def list_tasks(replacement_id: int) -> QuerySet[ReplacementTask]:
    """
    Who does which step, and by when.

    Shape: ReplacementTasks with owner, in the order of the steps.
    """
    return ReplacementTask.objects.filter(replacement_id=replacement_id).select_related("owner").order_by("id")


def find_task(replacement: Replacement) -> ReplacementTask | None:
    """
    The step that a replacement waits for now.

    Shape: one ReplacementTask with owner, or None where it waits for nothing.
    """
    step = step_of(replacement.state)
    return list_tasks(replacement.pk).filter(step=step).first() if step is not None else None


def list_due_replacements(program_id: int, today: date) -> list[tuple[Replacement, ReplacementTask]]:
    """
    The replacements of a program whose present step is due by a program day.

    Shape: Replacements, each with the task that is due; the earliest first.
    """
    waiting = list_replacements(program_id).filter(state__in=list(STEP_OF_STATE))
    due = [
        (replacement, task)
        for replacement in waiting
        if (task := find_task(replacement)) is not None and task.due_date is not None and task.due_date <= today
    ]
    return sorted(due, key=lambda pair: (pair[1].due_date or today, pair[0].pk))


def list_contact_log(replacement_id: int) -> QuerySet[ReplacementContact]:
    """
    What was spoken with partners in a replacement.

    Shape: ReplacementContacts with partner, oldest first.
    """
    return ReplacementContact.objects.filter(replacement_id=replacement_id).select_related("partner").order_by("made_at", "id")


def list_files(replacement_id: int) -> QuerySet[ReplacementFile]:
    """
    The files of a replacement, without what is in them.

    Shape: ReplacementFiles, oldest first.
    """
    return ReplacementFile.objects.filter(replacement_id=replacement_id).defer("content").order_by("id")


def list_followed(program_id: int, today: date) -> QuerySet[Replacement]:
    """
    The replacements that were cut over and whose last activation day is not over: unlocks from before may still arrive late.

    Shape: Replacements with what their sentences need.
    """
    return list_replacements(program_id).filter(state__in=FOLLOWED, last_activation_date__gte=today)
