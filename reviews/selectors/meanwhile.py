"""What else went on in the time over which an action is measured: sources that were silent, and other actions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from activity.selectors.silences import list_silences, name_counts, read_fed
from offers.models import Offer, Segment
from partners.models import Program
from plum_site.lib.periods import local_date
from reviews.choices import ActionState
from reviews.models import CorrectiveAction
from reviews.rules.effects import EffectDesign, Silence
from reviews.rules.effects.design import USUAL_WINDOW

TO_COME = (ActionState.APPROVED, ActionState.SCHEDULED, ActionState.EXECUTING)


@dataclass(frozen=True)
class Work:
    """What another action is about. offers: external ids; all of its partner's where it names none."""

    action_id: int
    offers: frozenset[str]
    partner: str
    category: str
    segment: Segment | None


def list_feeding_silences(program: Program, first: date, end: date, cutoff: int, at: datetime) -> list[Silence]:
    """
    The silences of sources in the program days `[first, end)`, with what the sources feed, as sealed up to a number.

    Shape: Silences by source, oldest first.
    Source: docs/rules/data-gaps.md
    """
    found = []
    for one in list_silences(program, cutoff, at):
        if one.first_date < end and (one.end_date is None or one.end_date > first):
            fed = read_fed(program, one.source_id, one.first_date, cutoff)
            counts = frozenset(name_counts(fed.stages))
            found.append(Silence(one.source, one.first_date, one.end_date, frozenset(fed.offers), counts))
    return found


def list_other_work(program: Program, first: date, end: date, but: int) -> list[Work]:
    """
    The actions, but for one, that are at work in the program days `[first, end)`: from the day of their execution until their
    own window is over, and as long once more from the day of a revert; and those approved that are to begin before `end`.

    Shape: Works, by action.
    Source: docs/rules/effects.md
    """
    rows = CorrectiveAction.objects.filter(program=program).exclude(pk=but).select_related("partner__category", "segment")
    done = rows.filter(executed_at__isnull=False)
    coming = rows.filter(state__in=TO_COME, executed_at__isnull=True)
    at_work = [row for row in done if _is_at_work(row, program.time_zone, first, end)]
    at_work += [row for row in coming if row.scheduled_at is None or local_date(row.scheduled_at, program.time_zone) < end]
    partners = {row.partner_id for row in at_work if not row.params.get("offers")}
    offers: dict[int, set[str]] = {partner_id: set() for partner_id in partners}
    for partner_id, external_id in Offer.objects.filter(partner__in=partners).values_list("partner_id", "external_id"):
        offers[partner_id].add(external_id)
    return [_as_work(row, offers) for row in sorted(at_work, key=lambda row: row.pk)]


def find_touched(works: Sequence[Work], unit: str, offers: Collection[str]) -> set[str]:
    """
    The values of a unit that other actions work on. offers: those that the figures are of, where the unit is an attribute of
    members: an action on one of them touches the values that its segment names.

    Shape: external ids, codes or values.
    Source: docs/rules/effects.md
    """
    found: set[str] = set()
    for work in works:
        if unit == "offer":
            found |= work.offers
        elif unit == "partner":
            found.add(work.partner)
        elif unit == "category":
            found.add(work.category)
        elif work.segment is not None and not work.offers.isdisjoint(offers):
            attribute = unit.removeprefix("member.")
            rules = [rule for rule in work.segment.rule if (rule["attribute"], rule["operator"]) == (attribute, "is")]
            found.update(value for rule in rules for value in rule["values"])
    return found


def find_offers(program: Program, unit: str, values: Collection[str], where: Mapping[str, Sequence[str]]) -> set[str]:
    """
    The offers that a comparison of some values of a unit is about.

    Shape: external ids.
    """
    if unit == "offer":
        return set(values)
    if unit in ("partner", "category"):
        path = {"partner": "partner__external_id__in", "category": "partner__category__code__in"}[unit]
        return set(Offer.objects.filter(program=program, **{path: list(values)}).values_list("external_id", flat=True))
    return set(where.get("offer", ()))


def _is_at_work(action: CorrectiveAction, time_zone: str, first: date, end: date) -> bool:
    changed = [local_date(at, time_zone) for at in (action.executed_at, action.reverted_at) if at is not None]
    days = EffectDesign.from_json(action.design).window_days if action.design else USUAL_WINDOW
    return changed[0] < end and changed[-1] + timedelta(days=days) >= first


def _as_work(action: CorrectiveAction, offers: Mapping[int, Collection[str]]) -> Work:
    partner = action.partner
    named = action.params.get("offers") or offers[action.partner_id]
    category = partner.category.code if partner.category else ""
    return Work(action.pk, frozenset(named), partner.external_id, category, action.segment)
