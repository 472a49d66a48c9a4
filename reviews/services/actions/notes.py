"""What people write about a corrective action."""

from datetime import datetime

from django.db import transaction

from plum_site.lib import audit
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import User
from reviews.models import ActionNote, CorrectiveAction

LONGEST_NOTE, LONGEST_URL = 10_000, 500


@transaction.atomic
def add_note(*, action_id: int, text: str, actor: User | str, at: datetime, url: str = "") -> ActionNote:
    """
    Keep a comment on an action, with a link to evidence where there is one.

    Raises: NotFound; InvalidInput - invalid_note.
    Writes: reviews_actionnote, plum_auditevent.
    """
    action = CorrectiveAction.objects.filter(pk=action_id).first()
    if action is None:
        raise NotFound("corrective action", action_id)
    fields = {}
    if not text.strip() or len(text) > LONGEST_NOTE or "\0" in text:
        fields["text"] = f"Say something, in at most {LONGEST_NOTE:,} characters."
    if url and (len(url) > LONGEST_URL or not url.startswith(("https://", "http://"))):
        fields["url"] = "An address that begins with https:// or http://."
    if fields:
        raise InvalidInput("invalid_note", "The note was not kept.", fields)
    note = ActionNote.objects.create(action=action, text=text.strip(), url=url, made_by=audit.actor_name(actor), made_at=at)
    audit.record(program_id=action.program_id, actor=actor, action="reviews.add_action_note", row=note, at=at, after={"url": url})
    return note
