"""Rankings and their revisions."""

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from offers.models import RankingRevision, Segment
from offers.rules import Order


def list_revisions(program_id: int, segment_id: int | None = None) -> QuerySet[RankingRevision]:
    """
    The revisions of one ranking: that of everyone, or of a segment.

    Shape: RankingRevisions, newest first; the first one is in force.
    """
    whose = Q(segment__isnull=True) if segment_id is None else Q(segment=segment_id)
    return RankingRevision.objects.filter(whose, program_id=program_id).order_by("-number")


def list_ranked_segments(program_id: int) -> list[Segment]:
    """
    The segments that have a ranking of their own now, the one first whose ranking holds where a member is in several.

    Shape: Segments with program; `revision_id` is the row id of the revision in force.
    """
    newest = RankingRevision.objects.filter(segment=OuterRef("pk")).order_by("-number")
    rows = Segment.objects.filter(program_id=program_id, ranking_priority__isnull=False).select_related("program")
    rows = rows.annotate(revision_id=Subquery(newest.values("id")[:1]), is_over=Subquery(newest.values("is_ended")[:1]))
    return list(rows.filter(is_over=False).order_by(F("ranking_priority"), "id"))


def find_ranking(program_id: int, segment_id: int | None = None) -> RankingRevision | None:
    """
    The ranking in force for everyone, or the one that a segment has of its own.

    Shape: one RankingRevision, or None where there is none or it was ended.
    """
    newest = list_revisions(program_id, segment_id).first()
    return None if newest is None or newest.is_ended else newest


def order_of(revision: RankingRevision | None) -> Order:
    """
    What a revision says of its offers; nothing for None.

    Shape: one Order.
    """
    if revision is None:
        return Order(())
    return Order(tuple(revision.offer_ids), revision.pins, frozenset(revision.hidden))
