"""Telling members who hold an offer that goes until when they can activate it, and, after a rollback, that it stays."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby

from django.db import transaction

from activity.selectors.present import find_present_members
from plum_site.lib import jobs, outbox
from plum_site.lib.announcements import address_of, announce
from plum_site.lib.crashpoints import crashpoint
from plum_site.lib.mail import message_id_for
from plum_site.lib.models import Outbox
from reviews.choices import HolderState, ReplacementState
from reviews.models import Replacement, ReplacementHolder
from reviews.selectors.replacements.holders import list_holdings
from reviews.services.replacements.log import lock_replacement
from reviews.services.replacements.references import reference_of

TELL_HOLDERS = "reviews.tell_holders"
NOTICE = "holder_notice"  # the outbox's channel of mails whose address is read when they leave
CHUNK = 200  # members
AT_ONCE = 2000  # rows in one statement
FOLLOWED = (ReplacementState.CUT_OVER, ReplacementState.VERIFIED, ReplacementState.COMPLETED)
TOLD = (HolderState.MAILED, HolderState.ANNOUNCED)
H = HolderState


def freeze_holders(*, replacement: Replacement, at: datetime) -> int:
    """
    Take down who holds an old offer that was unlocked before the cutover, as far as it is known now; how many are new.

    Raises: nothing.
    Writes: reviews_replacementholder, in the caller's transaction.
    Source: docs/rules/replacement.md
    """
    offer_ids = list(replacement.offers.filter(old__isnull=False).values_list("old_id", flat=True))
    until = replacement.cut_over_at or at
    before = replacement.holders.count()
    rows = (
        ReplacementHolder(
            replacement=replacement,
            member_id=holding.member_id,
            offer_id=holding.offer_id,
            unlocked_at=holding.unlocked_at,
            created_at=at,
        )
        for holding in list_holdings(replacement, offer_ids, until, at)
    )
    ReplacementHolder.objects.bulk_create(rows, batch_size=AT_ONCE, ignore_conflicts=True)
    return replacement.holders.count() - before


def tell_holders(*, replacement_id: int, at: datetime, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """
    Tell everybody who waits for it, one message a member; how many members. Unlocks that arrived late are looked for first.

    Each chunk is one transaction under the replacement's lock: any number of runs, workers and deaths tell everybody once.

    Raises: NotFound.
    Writes: reviews_replacementholder, plum_outbox, what listeners write; one transaction a chunk.
    Source: docs/rules/replacement.md
    """
    with transaction.atomic():
        replacement = lock_replacement(replacement_id)
        if replacement.state in FOLLOWED:
            freeze_holders(replacement=replacement, at=at)
        total = replacement.holders.filter(state=H.WAITING).values("member").distinct().count()
    done = 0
    while told := tell_chunk(replacement_id=replacement_id, at=at):
        done += told
        progress(done, total)
    return done


@transaction.atomic
def tell_chunk(*, replacement_id: int, at: datetime) -> int:
    """
    Settle the next members who wait; how many there were.

    Raises: NotFound.
    Writes: as tell_holders.
    """
    replacement = lock_replacement(replacement_id)
    waiting = replacement.holders.filter(state=H.WAITING)
    members = list(waiting.order_by("member").values_list("member_id", flat=True).distinct()[:CHUNK])
    if not members:
        return 0
    crashpoint("holders.locked")
    rows = list(waiting.filter(member__in=members).select_related("member").order_by("member_id", "id"))
    if replacement.state not in FOLLOWED:
        _settle(rows, H.SKIPPED, at)
        return len(members)
    present = find_present_members(replacement.program, members, at)
    states: dict[HolderState, list[ReplacementHolder]] = {H.MAILED: [], H.ANNOUNCED: [], H.UNREACHABLE: [], H.SKIPPED: []}
    for member_id, own in groupby(rows, key=lambda row: row.member_id):
        member = present.get(member_id)
        if member is None:
            state: HolderState = H.SKIPPED
        else:
            state = H.MAILED if member.has_address else H.ANNOUNCED if member.is_known else H.UNREACHABLE
        states[state] += own
    _put_mails(replacement, states[H.MAILED], "told", at)
    _announce(replacement, states[H.ANNOUNCED], "ends", at)
    crashpoint("holders.put")
    for state, found in states.items():
        _settle(found, state, at)
    crashpoint("holders.before_commit")
    return len(members)


def recall_holders(*, replacement: Replacement, at: datetime) -> int:
    """
    A cutover was rolled back: whoever was told a last day is told that the offers stay; how many rows. Who waits still is not
    told anything.

    Raises: nothing.
    Writes: reviews_replacementholder, plum_outbox, what listeners write, in the caller's transaction.
    Source: docs/rules/replacement.md
    """
    _settle(list(replacement.holders.filter(state=H.WAITING)), H.SKIPPED, at)
    told = list(
        replacement.holders.filter(state__in=TOLD, recalled_at__isnull=True).select_related("member").order_by("member_id")
    )
    _put_mails(replacement, [row for row in told if row.state == H.MAILED], "recalled", at)
    _announce(replacement, [row for row in told if row.state == H.ANNOUNCED], "stays", at)
    ids = [row.pk for row in told]
    for start in range(0, len(ids), AT_ONCE):
        ReplacementHolder.objects.filter(pk__in=ids[start : start + AT_ONCE]).update(recalled_at=at)
    return len(ids)


def plan_telling(*, replacement: Replacement, at: datetime, key: str) -> None:
    """
    Have holders told by a worker; once a key.

    Raises: nothing.
    Writes: plum_job.
    """
    jobs.plan(
        name=TELL_HOLDERS,
        key=f"replacement:{replacement.pk}:holders:{key}",
        program_id=replacement.program_id,
        arguments={"replacement_id": replacement.pk},
        at=at,
        due_at=at,
    )


def _settle(rows: Sequence[ReplacementHolder], state: str, at: datetime) -> None:
    ids = [row.pk for row in rows]
    for start in range(0, len(ids), AT_ONCE):
        ReplacementHolder.objects.filter(pk__in=ids[start : start + AT_ONCE]).update(state=state, settled_at=at)


def _put_mails(replacement: Replacement, rows: Sequence[ReplacementHolder], what: str, at: datetime) -> None:
    """One mail a member. what: "told" or "recalled"."""
    messages = []
    for member_id, own in groupby(rows, key=lambda row: row.member_id):
        ids = [row.pk for row in own]
        key = f"holders:{replacement.pk}:{what}:{ids[0]}"
        messages.append(
            Outbox(
                program_id=replacement.program_id,
                channel=NOTICE,
                recipient=f"member {member_id}",
                dedup_key=key,
                message_id=message_id_for(key),
                payload={"holders": ids, "what": what},
                created_at=at,
                due_at=at,
            )
        )
    outbox.put_many(messages)


def _announce(replacement: Replacement, rows: Sequence[ReplacementHolder], what: str, at: datetime) -> None:
    """Ask the organisation's own messenger, by references. what: "ends" or "stays"."""
    members = [(member_id, list(own)) for member_id, own in groupby(rows, key=lambda row: row.member_id)]
    for start in range(0, len(members), CHUNK):
        part = members[start : start + CHUNK]
        last_day = replacement.last_activation_date
        data = {
            "id": f"rep_{replacement.pk}",
            "program": replacement.program.code,
            "partner": replacement.partner.external_id,
            "what": what,
            "last_day": last_day.isoformat() if last_day else None,
            "references": [reference_of(replacement, bytes(own[0].member.key)) for _, own in part],
            "url": address_of("api:replacement_holders", replacement.pk),
        }
        key = f"{replacement.pk}:{what}:{part[0][1][0].pk}"
        announce(type="holders.notice_requested", program_id=replacement.program_id, key=key, data=data, at=at)
