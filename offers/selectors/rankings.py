"""Rankings and their revisions."""

from dataclasses import dataclass, replace
from datetime import date

from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery

from offers.choices import PresentState
from offers.models import Offer, RankingRevision, Segment
from offers.rules import Difference, Order, compare_orders, lay_out
from offers.selectors.audiences import is_for_segment, list_audiences
from offers.selectors.offers import list_offers
from offers.selectors.trials import list_unseen


@dataclass(frozen=True)
class Comparison:
    """What two revisions of one ranking differ in. made_room: offers with another place that nobody moved."""

    differences: list[Difference]
    made_room: int


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


def list_rankings_in_force(program_id: int) -> list[RankingRevision]:
    """
    Every ranking of a program that is in force: one statement.

    Shape: RankingRevisions with segment, everyone's first where there is one; then the segments', the one first whose ranking
    holds where a member is in several.
    """
    rows = RankingRevision.objects.filter(program_id=program_id)
    newest = rows.order_by().values("segment").annotate(newest=Max("id")).values("newest")  # numbers and ids grow under one lock
    in_force = rows.filter(pk__in=newest, is_ended=False).select_related("segment")
    return list(in_force.order_by(F("segment__ranking_priority").asc(nulls_first=True), "segment_id"))


def order_of(revision: RankingRevision | None) -> Order:
    """
    What a revision says of its offers; nothing for None.

    Shape: one Order.
    """
    if revision is None:
        return Order(())
    return Order(tuple(revision.offer_ids), revision.pins, frozenset(revision.hidden))


def find_order(program_id: int, segment_id: int | None, on: date) -> Order:
    """
    The ranking of everyone or of a segment as it can be changed: every offer of the program, those without a place at the end.

    A segment without a ranking of its own begins with everyone's order and pins, and hides nothing of its own. Absent is what
    this audience does not see on that day for another reason than this ranking; what only a share of members try is too.

    Shape: one Order, laid out.
    """
    everyone = order = order_of(find_ranking(program_id))
    seen = set(list_offers(program_id).in_present_state(PresentState.LIVE, on).values_list("id", flat=True))
    seen -= list_unseen(program_id)
    if segment_id is not None:
        own = find_ranking(program_id, segment_id)
        order = order_of(own) if own is not None else replace(everyone, hidden=frozenset())
        audiences = list_audiences(program_id, on)
        seen = {pk for pk in seen - everyone.hidden if is_for_segment(audiences.get(pk), segment_id)}
    ids = list(Offer.objects.filter(program=program_id).order_by("external_id", "id").values_list("id", flat=True))
    known = set(ids)
    named = dict.fromkeys(pk for pk in order.offers if pk in known)
    offers = (*named, *(pk for pk in ids if pk not in named))
    return lay_out(Order(offers, order.pinned, order.hidden, frozenset(known - seen)))


def compare_revisions(before: RankingRevision | None, after: RankingRevision | None) -> Comparison:
    """
    What two revisions of one ranking differ in; None stands for no ranking.

    Shape: one Comparison, its differences by the place after; those without one last.
    """
    return Comparison(*compare_orders(lay_out(order_of(before)), lay_out(order_of(after))))
