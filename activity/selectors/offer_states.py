"""How far one member came with each offer. Derived on reading, so the order of arrival makes no difference."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min

from activity.choices import Kind, Status
from activity.metrics import IMPRESSION, STAGES, funnel_stages
from activity.models import Event, Member
from partners.models import Program


@dataclass(frozen=True)
class StageTimes:
    """When a stage happened, first and last, and how often; confirmed events alone."""

    first_at: datetime
    last_at: datetime
    count: int


@dataclass(frozen=True)
class OfferState:
    """
    One member and one offer.

    stages: stage to its times, in the program's order; stages that did not happen are missing. reached: the furthest
    of them ("" for none). failures, reversals: events of these statuses.
    """

    offer: str
    partner: str
    stages: Mapping[str, StageTimes]
    reached: str
    failures: int
    reversals: int


def list_offer_states(*, program: Program, member: Member) -> list[OfferState]:
    """
    What a member did with each offer that they have any event with.

    Shape: OfferStates, by the offer's outside id. Instants are aware UTC.
    """
    order = [IMPRESSION, *funnel_stages(program.stage_order, STAGES)]
    rows = (
        Event.objects.filter(program=program, member=member)
        .values("offer__external_id", "offer__partner__external_id", "kind", "status")
        .annotate(first=Min("occurred_at"), last=Max("occurred_at"), number=Count("id"))
        .order_by("offer__external_id", "kind", "status")
    )
    found: dict[tuple[str, str], dict[tuple[str, int], StageTimes]] = {}
    for row in rows:
        cells = found.setdefault((row["offer__external_id"], row["offer__partner__external_id"]), {})
        cells[Kind(row["kind"]).label, row["status"]] = StageTimes(row["first"], row["last"], row["number"])
    return [_state(offer, partner, cells, order) for (offer, partner), cells in found.items()]


def _state(offer: str, partner: str, cells: Mapping[tuple[str, int], StageTimes], order: list[str]) -> OfferState:
    stages = {stage: cells[stage, Status.CONFIRMED] for stage in order if (stage, Status.CONFIRMED) in cells}

    def number_of(status: int) -> int:
        return sum(times.count for (_stage, found), times in cells.items() if found == status)

    reached = next(reversed(stages), "")
    return OfferState(offer, partner, stages, reached, number_of(Status.FAILED), number_of(Status.REVERSED))
