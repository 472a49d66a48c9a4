"""Who does which step of a replacement, and by when."""

from datetime import date, datetime

from django.db import transaction

from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import User
from plum_site.lib.people import works_in
from reviews.choices import ReplacementStep
from reviews.models import ReplacementTask
from reviews.services.replacements.log import lock_replacement, may_work, note_change


@transaction.atomic
def plan_step(
    *, replacement_id: int, step: str, owner: User | None, due_date: date | None, actor: User | str, at: datetime
) -> ReplacementTask:
    """
    Say who does a step of a replacement, and by which program day; None for nobody and no day. The same again changes nothing.

    Raises: NotFound; NotAllowed; InvalidInput - invalid_step, unknown_owner.
    Writes: reviews_replacementtask, plum_auditevent.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id)
    may_work(replacement, actor)
    if step not in ReplacementStep.values:
        raise InvalidInput("invalid_step", "Nothing was changed.", {"step": f"One of {', '.join(ReplacementStep.values)}."})
    if owner is not None and not works_in(owner, replacement.program_id):
        sentence = f"{owner.username} works in no role in this program. Name somebody who does."
        raise InvalidInput("unknown_owner", f"Nothing was changed. {sentence}", {"owner": sentence})
    task, _ = ReplacementTask.objects.get_or_create(replacement=replacement, step=step)
    if (task.owner, task.due_date) != (owner, due_date):
        task.owner, task.due_date = owner, due_date
        task.save(update_fields=["owner", "due_date"])
        day = due_date.isoformat() if due_date else None
        note_change(replacement, "plan_replacement_step", actor, at, step=step, owner=owner and owner.pk, due_date=day)
    return task
