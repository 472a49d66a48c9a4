"""The order of offers: every change is a revision, and what takes one back is one more."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

from django.db import transaction

from offers.models import Offer, RankingRevision, Segment
from offers.rules import OfferRow, Order, Step, check_order, seed_order, take_step
from offers.selectors import find_order, list_ranked_segments, list_revisions, order_of
from partners.models import Program
from partners.services import bump_catalog_revision
from plum_site.lib import audit
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import User


@transaction.atomic
def save_ranking(
    *,
    program_id: int,
    segment_id: int | None = None,
    offer_ids: Sequence[int],
    pinned: Mapping[int, int] | None = None,
    hidden: Collection[int] = (),
    actor: User | str,
    at: datetime,
    comment: str = "",
    source_ref: str = "",
    replaces: int | None = None,
) -> RankingRevision:
    """
    Set the order of offers for everyone, or for one segment, what is pinned and what is hidden in it. The same again changes
    nothing. The first ranking of a segment is the first of all segments' rankings.

    offer_ids: best first, the hidden ones among them; offers that are not named follow, by external id. pinned: offer to the
    place that it keeps among what is shown, from 1. hidden: what this audience is not shown. replaces: number of the revision
    that the caller saw in force (0: none), where that matters.

    Raises: InvalidInput (code "named_twice", "unknown_offer", "place_taken", "no_such_place",
    "hidden_and_pinned"), NotFound, DomainError (code "ranking_changed_since").
    Writes: offers_rankingrevision, offers_segment, partners_program.catalog_revision, plum_auditevent.
    Source: docs/rules/ranking.md
    """
    lock_program(program_id)
    wanted = Order(tuple(offer_ids), dict(pinned or {}), frozenset(hidden))
    check_order(wanted)
    named = {*wanted.offers, *wanted.pinned, *wanted.hidden}
    strange = named - set(Offer.objects.filter(program_id=program_id).values_list("id", flat=True))
    if strange:
        sentence = f"Offer {min(strange)} is not in this program. Nothing was changed. Load the page again."
        raise InvalidInput("unknown_offer", sentence)
    if segment_id is not None and not Segment.objects.filter(pk=segment_id, program_id=program_id).exists():
        raise NotFound("segment", segment_id)
    newest = list_revisions(program_id, segment_id).first()
    refuse_others(newest, replaces)
    if newest and not newest.is_ended and order_of(newest) == wanted:
        return newest
    if segment_id is not None:
        give_priority(program_id, segment_id)
    return append_revision(
        newest, program_id, segment_id, wanted, "offers.save_ranking", actor, at, comment=comment, source_ref=source_ref
    )


@transaction.atomic
def change_ranking(
    *,
    program_id: int,
    segment_id: int | None = None,
    steps: Sequence[Step],
    on: date,
    actor: User | str,
    at: datetime,
    comment: str = "",
    source_ref: str = "",
    replaces: int | None = None,
) -> RankingRevision:
    """
    Take steps with single offers, one after the other, and save the result as one revision.

    on: the program day whose places the steps count. A segment without a ranking of its own gets one, which begins with
    everyone's. replaces: as in save_ranking.

    Raises: InvalidInput (code of the step, or as save_ranking), NotFound, DomainError (code "ranking_changed_since").
    Writes: as save_ranking.
    Source: docs/rules/ranking.md
    """
    lock_program(program_id)
    refuse_others(list_revisions(program_id, segment_id).first(), replaces)
    order = find_order(program_id, segment_id, on)
    for number, step in enumerate(steps, 1):
        try:
            order = take_step(order, step)
        except InvalidInput as error:
            sentence = f"Step {number}: {error.detail}"
            raise InvalidInput(error.code, sentence, {"steps": sentence}) from error
    return save_ranking(
        program_id=program_id,
        segment_id=segment_id,
        offer_ids=order.offers,
        pinned=order.pinned,
        hidden=order.hidden,
        actor=actor,
        at=at,
        comment=comment,
        source_ref=source_ref,
    )


@transaction.atomic
def restore_ranking(
    *,
    program_id: int,
    segment_id: int | None = None,
    revision: int,
    replaces: int | None = None,
    actor: User | str,
    at: datetime,
    comment: str = "",
    source_ref: str = "",
) -> RankingRevision:
    """
    Put back exactly what one revision of a ranking said, as a new revision; where it says so already, nothing changes.

    revision: its number; 0 for what was before the first: no such ranking. replaces: as in save_ranking.

    Raises: NotFound, DomainError (code "ranking_changed_since").
    Writes: offers_rankingrevision, partners_program.catalog_revision, plum_auditevent.
    Source: docs/rules/ranking.md
    """
    lock_program(program_id)
    revisions = list_revisions(program_id, segment_id)
    newest = revisions.first()
    wanted = revisions.filter(number=revision).first() if revision else None
    if newest is None or (revision and wanted is None):
        raise NotFound("ranking revision", revision)
    refuse_others(newest, replaces)
    is_ended = wanted is None or wanted.is_ended
    order = order_of(wanted)
    if newest.is_ended == is_ended and order_of(newest) == order:
        return newest
    return append_revision(
        newest,
        program_id,
        segment_id,
        order,
        "offers.restore_ranking",
        actor,
        at,
        comment=comment or f"As revision {revision} was." if revision else comment or "No ranking of its own any more.",
        source_ref=source_ref,
        is_ended=is_ended,
    )


@transaction.atomic
def undo_ranking(
    *, revision_id: int, actor: User | str, at: datetime, comment: str = "", source_ref: str = ""
) -> RankingRevision:
    """
    Put back what was before a revision, as a new revision that names it. Offers added since stay, at the end.

    Before the first revision there was no such ranking: its undo ends it.

    Raises: NotFound, DomainError (code "ranking_changed_since" where a later revision has changed more than the end).
    Writes: offers_rankingrevision, partners_program.catalog_revision, plum_auditevent.
    Source: docs/rules/ranking.md
    """
    undone = RankingRevision.objects.filter(pk=revision_id).first()
    if undone is None:
        raise NotFound("ranking revision", revision_id)
    lock_program(undone.program_id)
    revisions = list_revisions(undone.program_id, undone.segment_id)
    newest, previous = revisions[0], revisions.filter(number=undone.number - 1).first()
    if not has_only_grown(undone, newest):
        sentence = f"Revision {newest.number} has changed the order again since. Nothing was changed. Undo that one first."
        raise DomainError("ranking_changed_since", sentence)
    before = order_of(previous)
    is_ended = previous is None or previous.is_ended
    if not is_ended:
        known = {*undone.offer_ids, *before.offers}
        grown = (*before.offers, *(offer for offer in newest.offer_ids if offer not in known))
        before = Order(grown, before.pinned, before.hidden)
    return append_revision(
        newest,
        undone.program_id,
        undone.segment_id,
        before,
        "offers.undo_ranking",
        actor,
        at,
        comment=comment,
        source_ref=source_ref,
        undoes=undone,
        is_ended=is_ended,
    )


@transaction.atomic
def order_segment_rankings(
    *, program_id: int, segment_ids: Sequence[int], actor: User | str, at: datetime, comment: str = ""
) -> None:
    """
    Say which segment's ranking comes first where a member is in several of them.

    segment_ids: every segment with a ranking of its own, the one whose ranking holds first. The same again changes nothing.

    Raises: InvalidInput (code "not_every_ranking").
    Writes: offers_segment, partners_program.catalog_revision, plum_auditevent.
    Source: docs/rules/ranking.md
    """
    lock_program(program_id)
    ranked = list_ranked_segments(program_id)
    before = [segment.pk for segment in ranked]
    if sorted(before) != sorted(segment_ids):
        sentence = "These are not the segments that have a ranking now. Nothing was changed. Read them again, and name each once."
        raise InvalidInput("not_every_ranking", sentence, {"segments": sentence})
    if before == list(segment_ids):
        return
    for priority, segment_id in enumerate(segment_ids, 1):
        Segment.objects.filter(pk=segment_id).update(ranking_priority=priority)
    bump_catalog_revision(program_id=program_id)
    codes = {segment.pk: segment.code for segment in ranked}
    audit.record(
        program_id=program_id,
        actor=actor,
        action="offers.order_segment_rankings",
        row=ranked[0].program,
        at=at,
        before={"segments": [codes[pk] for pk in before]},
        after={"segments": [codes[pk] for pk in segment_ids]},
        comment=comment,
    )


def extend_ranking(*, program_id: int, rows: Mapping[str, OfferRow], actor: User | str, at: datetime) -> None:
    """
    Seed the ranking of everyone with all offers, or append to it those of a file that it does not name yet.

    Raises: nothing.
    Writes: offers_rankingrevision, partners_program.catalog_revision, plum_auditevent, in the caller's transaction.
    """
    newest = list_revisions(program_id).first()
    before = order_of(newest)
    offers = Offer.objects.filter(program_id=program_id).values_list("partner__external_id", "external_id", "id")
    named = set(before.offers)
    candidates = [offer for offer in offers if offer[2] not in named and (newest is None or offer[1] in rows)]
    candidates.sort(key=lambda offer: seed_order(rows.get(offer[1]), offer[0], offer[1]))
    if candidates:
        order = Order((*before.offers, *(pk for _, _, pk in candidates)), before.pinned, before.hidden)
        comment = "New offers, by rank, partner and offer." if newest else "First order, by rank, partner and offer."
        append_revision(newest, program_id, None, order, "offers.save_ranking", actor, at, comment=comment)


def append_revision(
    newest: RankingRevision | None,
    program_id: int,
    segment_id: int | None,
    order: Order,
    action: str,
    actor: User | str,
    at: datetime,
    *,
    comment: str = "",
    source_ref: str = "",
    undoes: RankingRevision | None = None,
    is_ended: bool = False,
) -> RankingRevision:
    """Write the next revision of one ranking and what goes with it."""
    revision = RankingRevision.objects.create(
        program_id=program_id,
        segment_id=segment_id,
        number=newest.number + 1 if newest else 1,
        offer_ids=list(order.offers),
        pinned={str(offer): place for offer, place in sorted(order.pinned.items())},
        hidden=sorted(order.hidden),
        is_ended=is_ended,
        undoes=undoes,
        comment=comment,
        source_ref=source_ref,
        made_by=audit.actor_name(actor),
        made_at=at,
    )
    bump_catalog_revision(program_id=program_id)
    said = {"segment": segment_id, "number": revision.number, "offers": len(order.offers)}
    audit.record(
        program_id=program_id,
        actor=actor,
        action=action,
        row=revision,
        at=at,
        before={"revision": newest.pk} if newest else None,
        after=said | {"pinned": len(order.pinned), "hidden": len(order.hidden)},
        comment=comment,
    )
    return revision


def has_only_grown(before: RankingRevision, after: RankingRevision) -> bool:
    """Whether a later revision says the same but for offers added to its end."""
    length = len(before.offer_ids)
    return (before.is_ended, before.pinned, before.hidden, before.offer_ids) == (
        after.is_ended,
        after.pinned,
        after.hidden,
        after.offer_ids[:length],
    )


def refuse_others(newest: RankingRevision | None, replaces: int | None) -> None:
    """DomainError (code "ranking_changed_since") where another revision is in force than the caller saw."""
    in_force = newest.number if newest else 0
    if replaces not in (None, in_force):
        sentence = f"Revision {in_force} is in force, not {replaces}. Nothing was changed. Look at it, and decide anew."
        raise DomainError("ranking_changed_since", sentence, {"replaces": sentence})


def give_priority(program_id: int, segment_id: int) -> None:
    """Put a segment that never had a ranking before all that have one."""
    first = Segment.objects.filter(program_id=program_id, ranking_priority__isnull=False).order_by("ranking_priority").first()
    priority = first.ranking_priority - 1 if first and first.ranking_priority is not None else 1
    Segment.objects.filter(pk=segment_id, ranking_priority__isnull=True).update(ranking_priority=priority)


def lock_program(program_id: int) -> None:
    """Let one change of a program's rankings follow another, so that their numbers are dense."""
    Program.objects.select_for_update().get(pk=program_id)
