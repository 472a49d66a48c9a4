"""The order of offers: every change is a revision, and an undo is one more."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from offers.models import Offer, RankingRevision, Segment
from offers.rules import OfferRow, seed_order
from offers.selectors import list_revisions
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
    actor: User | str,
    at: datetime,
    comment: str = "",
    source_ref: str = "",
    replaces: int | None = None,
) -> RankingRevision:
    """
    Set the order of offers for everyone, or for one segment. The same order again changes nothing.

    offer_ids: best first; offers that are not named follow, by external id. replaces: number of the revision that the
    caller saw in force (0: none), where that matters.

    Raises: InvalidInput (code "named_twice", "unknown_offer"), NotFound, DomainError (code "ranking_changed_since").
    Writes: offers_rankingrevision, partners_program.catalog_revision, plum_auditevent.
    """
    lock_program(program_id)
    wanted = list(offer_ids)
    if len(set(wanted)) < len(wanted):
        raise InvalidInput("named_twice", "An offer is in the order twice. Nothing was changed. Name each once.")
    strange = set(wanted) - set(Offer.objects.filter(program_id=program_id).values_list("id", flat=True))
    if strange:
        sentence = f"Offer {min(strange)} is not in this program. Nothing was changed. Load the page again."
        raise InvalidInput("unknown_offer", sentence)
    if segment_id is not None and not Segment.objects.filter(pk=segment_id, program_id=program_id).exists():
        raise NotFound("segment", segment_id)
    newest = list_revisions(program_id, segment_id).first()
    in_force = newest.number if newest else 0
    if replaces not in (None, in_force):
        sentence = f"Revision {in_force} is in force, not {replaces}. Nothing was changed. Look at it, and decide anew."
        raise DomainError("ranking_changed_since", sentence, {"replaces": sentence})
    if newest and newest.offer_ids == wanted:
        return newest
    return append_revision(newest, program_id, segment_id, wanted, actor, at, comment=comment, source_ref=source_ref)


@transaction.atomic
def undo_ranking(
    *, revision_id: int, actor: User | str, at: datetime, comment: str = "", source_ref: str = ""
) -> RankingRevision:
    """
    Put back the order from before a revision, as a new revision that names it. Offers added since stay, at the end.

    Raises: NotFound, DomainError (code "nothing_before" for the first revision of a ranking; "ranking_changed_since"
    where a later revision has put the same offers in another order).
    Writes: offers_rankingrevision, partners_program.catalog_revision, plum_auditevent.
    """
    undone = RankingRevision.objects.filter(pk=revision_id).first()
    if undone is None:
        raise NotFound("ranking revision", revision_id)
    lock_program(undone.program_id)
    revisions = list_revisions(undone.program_id, undone.segment_id)
    previous = revisions.filter(number=undone.number - 1).first()
    if previous is None:
        raise DomainError(
            "nothing_before", "This is the first order of this ranking. Nothing was changed. Save another order instead."
        )
    newest = revisions[0]
    named = set(undone.offer_ids)
    if [pk for pk in newest.offer_ids if pk in named] != undone.offer_ids:
        sentence = f"Revision {newest.number} has changed the order again since. Nothing was changed. Undo that one first."
        raise DomainError("ranking_changed_since", sentence)
    before = set(previous.offer_ids)
    order = previous.offer_ids + [pk for pk in newest.offer_ids if pk not in before and pk not in named]
    return append_revision(
        newest, undone.program_id, undone.segment_id, order, actor, at, comment=comment, source_ref=source_ref, undoes=undone
    )


def extend_ranking(*, program_id: int, rows: Mapping[str, OfferRow], actor: User | str, at: datetime) -> None:
    """
    Seed the ranking of everyone with all offers, or append to it those of a file that it does not name yet.

    Raises: nothing.
    Writes: offers_rankingrevision, partners_program.catalog_revision, plum_auditevent, in the caller's transaction.
    """
    newest = list_revisions(program_id).first()
    named = set(newest.offer_ids) if newest else set()
    offers = Offer.objects.filter(program_id=program_id).values_list("partner__external_id", "external_id", "id")
    candidates = [offer for offer in offers if offer[2] not in named and (newest is None or offer[1] in rows)]
    candidates.sort(key=lambda offer: seed_order(rows.get(offer[1]), offer[0], offer[1]))
    if candidates:
        order = (newest.offer_ids if newest else []) + [pk for _, _, pk in candidates]
        comment = "New offers, by rank, partner and offer." if newest else "First order, by rank, partner and offer."
        append_revision(newest, program_id, None, order, actor, at, comment=comment)


def append_revision(
    newest: RankingRevision | None,
    program_id: int,
    segment_id: int | None,
    offer_ids: list[int],
    actor: User | str,
    at: datetime,
    *,
    comment: str = "",
    source_ref: str = "",
    undoes: RankingRevision | None = None,
) -> RankingRevision:
    """Write the next revision of one ranking and what goes with it."""
    revision = RankingRevision.objects.create(
        program_id=program_id,
        segment_id=segment_id,
        number=newest.number + 1 if newest else 1,
        offer_ids=offer_ids,
        undoes=undoes,
        comment=comment,
        source_ref=source_ref,
        made_by=audit.actor_name(actor),
        made_at=at,
    )
    bump_catalog_revision(program_id=program_id)
    audit.record(
        program_id=program_id,
        actor=actor,
        action="offers.undo_ranking" if undoes else "offers.save_ranking",
        row=revision,
        at=at,
        before={"revision": newest.pk} if newest else None,
        after={"segment": segment_id, "number": revision.number, "offers": len(offer_ids)},
        comment=comment,
    )
    return revision


def lock_program(program_id: int) -> None:
    """Let one change of a program's rankings follow another, so that their numbers are dense."""
    Program.objects.select_for_update().get(pk=program_id)
