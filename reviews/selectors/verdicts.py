"""What the measured actions of a program say of their kinds: what worked where."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from offers.models import Segment
from partners.models import Program
from plum_site.lib.periods import first_instant
from reviews.choices import ActionKind, Verdict
from reviews.models import CorrectiveAction
from reviews.rules.effects import (
    ALL,
    BY_CATEGORY,
    BY_SEGMENT,
    Effect,
    EffectDesign,
    KindSummary,
    Measurement,
    summarise_verdicts,
)
from reviews.selectors.actions import list_actions

EVERYONE = "*"  # asks for the actions that were for no segment; no code of a segment


@dataclass(frozen=True)
class Verdicts:
    """Measured actions, the newest measurement first, and what they say of their kinds."""

    actions: list[CorrectiveAction]
    kinds: list[KindSummary]


@dataclass(frozen=True)
class Record:
    """Of how many actions of one kind it was asked whether they worked, and of how many it was found."""

    measured: int
    worked: int


def read_verdicts(
    program: Program,
    *,
    kind: str = "",
    category: str | None = None,
    segment: str = "",
    starts_date: date | None = None,
    ends_date: date | None = None,
    partner_ids: list[int] | None = None,
) -> Verdicts:
    """
    The actions that were measured on the program days `[starts_date, ends_date)`, and what they say of their kinds. One that was
    reverted after its measurement counts: what it did was found.

    category: the code of the present category of the partner; segment: the code of that of the action, or EVERYONE. What is
    not given is not asked for.

    Shape: one Verdicts.
    Source: docs/rules/effects.md
    """
    rows = list_actions(program.pk).filter(measured_at__isnull=False).select_related("partner__category")
    if kind:
        rows = rows.filter(kind=kind)
    if category is not None:
        rows = rows.filter(partner__category__code=category)
    if segment:
        rows = rows.filter(segment__isnull=True) if segment == EVERYONE else rows.filter(segment__code=segment)
    if starts_date:
        rows = rows.filter(measured_at__gte=first_instant(starts_date, program.time_zone))
    if ends_date:
        rows = rows.filter(measured_at__lt=first_instant(ends_date, program.time_zone))
    if partner_ids is not None:
        rows = rows.filter(partner__in=partner_ids)
    actions = list(rows.order_by("-measured_at", "-id"))
    names = dict(Segment.objects.filter(program=program).values_list("code", "name")) if actions else {}

    def name_of(by: str, value: str) -> str:
        return names.get(value, value) if by == BY_SEGMENT else value

    return Verdicts(actions, summarise_verdicts([measurement_of(action) for action in actions], name_of))


def measurement_of(action: CorrectiveAction) -> Measurement:
    """
    A measured action as its kind is summed up from.

    Shape: one Measurement.
    """
    metric = EffectDesign.from_json(action.design or {}).metric
    segment = action.segment.code if action.segment else ""
    return Measurement(action.kind, metric, Effect.from_json(action.effect or {}), category_of(action), segment)


def category_of(action: CorrectiveAction) -> str:
    """
    The code of the present category of an action's partner.

    Shape: text, "" where it has none.
    """
    return action.partner.category.code


def count_records(program_id: int, category: str) -> dict[str, Record]:
    """
    How the kinds of action did for the partners of one category so far.

    Shape: kind to Record; kinds of which none was measured are left out.
    """
    rows = CorrectiveAction.objects.filter(program=program_id, measured_at__isnull=False, partner__category__code=category)
    found: dict[str, Record] = {}
    for kind, verdict in rows.order_by().values_list("kind", "verdict"):
        so_far = found.get(kind, Record(0, 0))
        found[kind] = Record(so_far.measured + 1, so_far.worked + (verdict == Verdict.WORKED))
    return found


def say_measured(found: Verdicts) -> str:
    """
    What was measured, and how much of it worked, kind by kind.

    Shape: one sentence; "" where nothing was measured.
    """
    if not found.actions:
        return ""
    number, worked = len(found.actions), sum(action.verdict == Verdict.WORKED for action in found.actions)
    kinds = [one for one in found.kinds if one.by == ALL]
    told = ", ".join(f"{ActionKind(one.kind).label} {one.counts[Verdict.WORKED]} of {one.measured}" for one in kinds)
    return f"{number} corrective {'action was' if number == 1 else 'actions were'} measured; {worked} worked ({told})."


def describe_kind(one: KindSummary) -> dict[str, Any]:
    """
    A kind of action as the API and files have it.

    Shape: {"kind", "category", "segment", "measured", "counts", "verdict", "pooled", "not_pooled", "sentence"}; category and
    segment are null where it is not about one.
    """
    pooled: list[Mapping[str, Any]] = [asdict(pool) for pool in one.pooled]
    return {
        "kind": one.kind,
        "category": one.value if one.by == BY_CATEGORY else None,
        "segment": one.value if one.by == BY_SEGMENT else None,
        "measured": one.measured,
        "counts": dict(one.counts),
        "verdict": one.verdict,
        "pooled": pooled,
        "not_pooled": dict(one.single),
        "sentence": one.sentence,
    }
