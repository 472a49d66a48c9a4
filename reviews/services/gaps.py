"""Data gaps: the rows kept in step with the ledger, and accepted by name."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from activity.selectors import head_of
from partners.models import Program
from plum_site.lib import audit
from plum_site.lib.audit import SYSTEM
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.models import User
from plum_site.lib.workflow import check_comment, find_transition
from reviews.choices import CycleState, GapState
from reviews.models import DataGap, ReviewCycle
from reviews.selectors.gaps import FoundGap, find_gaps_now, get_data_gap, list_unaccepted
from reviews.workflow import GAP_TRANSITIONS


def check_sources(*, program_id: int, at: datetime) -> list[DataGap]:
    """
    Look for data gaps in the ledger as sealed now, and keep the rows in step. Returns the gaps that were not known before.

    Raises: nothing.
    Writes: reviews_datagap, plum_auditevent.
    Source: docs/rules/data-gaps.md
    """
    program = Program.objects.get(pk=program_id)
    head = head_of(program_id)
    return keep_gaps(program=program, found=find_gaps_now(program, head.number if head else 0, at), at=at)


@transaction.atomic
def keep_gaps(*, program: Program, found: Sequence[FoundGap], at: datetime) -> list[DataGap]:
    """
    Make the stored gaps of a program those that were found. Returns the ones that were not known before.

    A gap that begins later or ends earlier than it was known to stays the same one, and stays accepted. One that grew towards
    the past has to be accepted again. One that is there no more goes, unless a closed review was judged with it or somebody
    accepted it: then it ends.

    Raises: nothing.
    Writes: reviews_datagap, plum_auditevent.
    Source: docs/rules/data-gaps.md
    """
    Program.objects.select_for_update().get(pk=program.pk)  # two that look at once keep one row a gap
    stored = list(DataGap.objects.filter(program=program).select_related("source").order_by("starts_at", "id"))
    opened = []
    for gap in found:
        own = [row for row in stored if row.source_id == gap.source_id and _overlap(row, gap)]
        known = next((row for row in own if row.starts_at == gap.starts_at), own[0] if own else None)
        if known is None:
            opened.append(_open(program, gap, at))
        else:
            stored.remove(known)
            _adjust(known, gap, at)
    for row in stored:
        _end(row, at)
    return opened


@transaction.atomic
def change_gap_state(*, gap_id: int, name: str, actor: User | str, at: datetime, comment: str = "") -> DataGap:
    """
    Take one named step with a gap: accept (its months may be judged without what is missing), withdraw (they may not, after all).

    Raises: NotFound; DomainError - transition_refused, month_closed (a closed review relies on the acceptance);
    InvalidInput - comment_required.
    Writes: reviews_datagap, plum_auditevent; locks the reviews that it lies in, so that none is closed meanwhile.
    Source: docs/rules/data-gaps.md
    """
    found = DataGap.objects.filter(pk=gap_id).first()
    if found is None:
        raise NotFound("data gap", gap_id)
    cycles = ReviewCycle.objects.select_for_update(of=("self",)).filter(program_id=found.program_id, ends_at__gt=found.starts_at)
    list(cycles.order_by("id"))
    DataGap.objects.select_for_update(of=("self",)).get(pk=gap_id)
    gap = get_data_gap(found.program_id, gap_id)
    if name == "withdraw" and gap.state == GapState.RELIED_ON:
        sentence = f"A month was closed with the gap of {gap} accepted, and what is closed never changes. Nothing was changed. "
        raise DomainError("month_closed", f"{sentence}To judge that month otherwise, ask for its restatement.")
    transition = find_transition(GAP_TRANSITIONS, name, gap.state)
    check_comment(transition, comment)
    before = _as_json(gap) | {"accepted_by": gap.accepted_by, "reason": gap.reason}
    is_accepted = transition.target == GapState.ACCEPTED
    gap.accepted_by, gap.accepted_at = (audit.actor_name(actor), at) if is_accepted else ("", None)
    gap.reason = comment.strip() if is_accepted else ""
    gap.save(update_fields=["accepted_by", "accepted_at", "reason"])
    audit.record(
        program_id=gap.program_id,
        actor=actor,
        action=f"reviews.{transition.name}_data_gap",
        row=gap,
        at=at,
        before=before,
        after=_as_json(gap) | {"accepted_by": gap.accepted_by, "reason": gap.reason},
        comment=comment.strip(),
    )
    return gap


@transaction.atomic
def accept_gaps_of(*, cycle: ReviewCycle, source: str, reason: str, actor: User | str, at: datetime) -> list[DataGap]:
    """
    Accept by name whatever one source left out of a review's month; returns the gaps that were not accepted before.

    Raises: as change_gap_state.
    Writes: as change_gap_state, for each.
    Source: docs/rules/data-gaps.md
    """
    gaps = [gap for gap in list_unaccepted(cycle) if gap.source.code == source]
    return [change_gap_state(gap_id=gap.pk, name="accept", actor=actor, at=at, comment=reason) for gap in gaps]


def _open(program: Program, gap: FoundGap, at: datetime) -> DataGap:
    row = DataGap.objects.create(
        program=program, source_id=gap.source_id, starts_at=gap.starts_at, ends_at=gap.ends_at, found_at=at
    )
    audit.record(program_id=program.pk, actor=SYSTEM, action="reviews.find_data_gap", row=row, at=at, after=_as_json(row))
    return row


def _adjust(row: DataGap, gap: FoundGap, at: datetime) -> None:
    """A known gap as it is now; an acceptance does not cover days before those that were accepted."""
    if (row.starts_at, row.ends_at) == (gap.starts_at, gap.ends_at):
        return
    before = _as_json(row)
    if gap.starts_at < row.starts_at or (row.ends_at is not None and (gap.ends_at is None or gap.ends_at > row.ends_at)):
        row.accepted_by, row.accepted_at, row.reason = "", None, ""
    row.starts_at, row.ends_at = gap.starts_at, gap.ends_at
    row.save(update_fields=["starts_at", "ends_at", "accepted_by", "accepted_at", "reason"])
    _tell_change(row, before, at)


def _end(row: DataGap, at: datetime) -> None:
    """A gap that the ledger does not show any more: what was missing has arrived, or the source has ended for good."""
    closed = ReviewCycle.objects.filter(program_id=row.program_id, state=CycleState.CLOSED, ends_at__gt=row.starts_at)
    closed = closed.filter(starts_at__lt=row.ends_at) if row.ends_at is not None else closed
    if row.accepted_at is None and not closed.exists():
        audit.record(
            program_id=row.program_id,
            actor=SYSTEM,
            action="reviews.drop_data_gap",
            row=row,
            at=at,
            before=_as_json(row),
            comment="What was missing has arrived, or the source has ended for good.",
        )
        row.delete()
    elif row.ends_at is None:
        row.ends_at = max(at, row.starts_at)
        before = _as_json(row) | {"ends_at": None}
        row.save(update_fields=["ends_at"])
        _tell_change(row, before, at)


def _tell_change(row: DataGap, before: dict[str, str | None], at: datetime) -> None:
    audit.record(
        program_id=row.program_id,
        actor=SYSTEM,
        action="reviews.change_data_gap",
        row=row,
        at=at,
        before=before,
        after=_as_json(row),
    )


def _overlap(row: DataGap, gap: FoundGap) -> bool:
    return (gap.ends_at is None or row.starts_at < gap.ends_at) and (row.ends_at is None or gap.starts_at < row.ends_at)


def _as_json(row: DataGap) -> dict[str, str | None]:
    return {
        "source": row.source.code,
        "starts_at": row.starts_at.isoformat(),
        "ends_at": row.ends_at.isoformat() if row.ends_at else None,
    }
