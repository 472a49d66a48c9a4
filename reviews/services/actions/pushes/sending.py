"""Sending a push that was carried out: chunk by chunk, each chunk whole or not at all, until nobody waits any more."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from activity.selectors.present import find_present_members
from plum_site.lib import outbox
from plum_site.lib.announcements import address_of, announce
from plum_site.lib.crashpoints import crashpoint
from plum_site.lib.mail import message_id_for
from plum_site.lib.models import Outbox
from reviews.choices import ActionState, PushChannel, RecipientState
from reviews.models import CorrectiveAction, PushOptOut, PushRecipient
from reviews.selectors.pushes import mail_key_of, push_ref_of, read_push
from reviews.services.actions.executing import finish_action
from reviews.services.actions.log import lock_action
from reviews.services.actions.pushes.references import reference_of

CHUNK = 200  # members; their references fit into one announcement
MAIL = "push"  # the outbox's channel of mails whose address is read when they leave
R = RecipientState


def send_push(*, action_id: int, at: datetime, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """
    Put what waits of a push into the outbox, and then mark the action executed; how many recipients were settled.

    Each chunk is one transaction under the action's lock: any number of runs, workers and deaths give every recipient one
    message. Who opted out, left or was erased meanwhile is skipped.

    Raises: NotFound.
    Writes: reviews_pushrecipient, plum_outbox, what listeners write, and as finish_action; one transaction a chunk.
    Source: docs/rules/pushes.md
    """
    done, total = 0, PushRecipient.objects.filter(action=action_id, state=R.WAITING).count()
    while settled := send_chunk(action_id=action_id, at=at):
        done += settled
        progress(done, total)
    return done


@transaction.atomic
def send_chunk(*, action_id: int, at: datetime) -> int:
    """
    The next members who wait; how many there were. Where nobody waits any more the action is executed.

    Raises: NotFound.
    Writes: as send_push.
    """
    action = lock_action(action_id)
    if action.state != ActionState.EXECUTING:
        return 0
    rows = PushRecipient.objects.filter(action=action, state=R.WAITING).order_by("id")
    waiting = list(rows.values_list("pk", "member_id", "channel")[:CHUNK])
    if not waiting:
        finish_push(action, at)
        crashpoint("push.finished")
        return 0
    crashpoint("push.locked")
    wanted = _list_reachable(action, waiting, at)
    _put_mails(action, [row for row in wanted if row.channel == PushChannel.MAIL], at)
    _announce(action, [row for row in wanted if row.channel == PushChannel.WEBHOOK], at)
    crashpoint("push.put")
    ids = [row.pk for row in wanted]
    PushRecipient.objects.filter(pk__in=ids).update(state=R.QUEUED, settled_at=at)
    skipped = {pk for pk, *_ in waiting}.difference(ids)
    PushRecipient.objects.filter(pk__in=skipped).update(state=R.SKIPPED, settled_at=at)
    crashpoint("push.before_commit")
    return len(waiting)


def finish_push(action: CorrectiveAction, at: datetime) -> None:
    """Mark a push executed, with what became of its recipients. Writes: as finish_action."""
    states = read_push(action).states
    after = {name: states[name] for name in (R.QUEUED, R.SKIPPED, R.STOPPED, R.HELD_OUT)}
    finish_action(action_id=action.pk, after={"push": push_ref_of(action.pk)} | after, at=at)


class _Reachable(NamedTuple):
    """A recipient who may still be written to; key: the member's own."""

    pk: int
    member_id: int
    channel: str
    key: bytes


def _list_reachable(action: CorrectiveAction, rows: Sequence[tuple[int, int, str]], at: datetime) -> list[_Reachable]:
    """Those of a chunk who may still be written to."""
    ids = [member_id for _, member_id, _ in rows]
    present = find_present_members(action.program, ids, at)
    refused = set(PushOptOut.objects.filter(member__in=ids).values_list("member_id", flat=True))
    kept = []
    for pk, member_id, channel in rows:
        member = present.get(member_id)
        if member is None or member.has_opted_out or member_id in refused:
            continue
        if member.has_address if channel == PushChannel.MAIL else member.is_known:
            kept.append(_Reachable(pk, member_id, channel, member.key))
    return kept


def _put_mails(action: CorrectiveAction, rows: Sequence[_Reachable], at: datetime) -> None:
    outbox.put_many(
        [
            Outbox(
                program_id=action.program_id,
                channel=MAIL,
                recipient=f"member {row.member_id}",
                dedup_key=mail_key_of(action.pk, row.pk),
                message_id=message_id_for(mail_key_of(action.pk, row.pk)),
                payload={"recipient": row.pk},
                created_at=at,
                due_at=at,
            )
            for row in rows
        ]
    )


def _announce(action: CorrectiveAction, rows: Sequence[_Reachable], at: datetime) -> None:
    if not rows:
        return
    data = {
        "id": f"act_{action.pk}",
        "program": action.program.code,
        "push": push_ref_of(action.pk),
        "references": [reference_of(action, row.key) for row in rows],
        "url": address_of("api:push_recipients", action.pk),
    }
    announce(type="push.requested", program_id=action.program_id, key=f"{action.pk}:{rows[0].pk}", data=data, at=at)
