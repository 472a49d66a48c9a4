"""The design that an action gets from its program's ledger, and its effect once the window is over."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from pyroaring import BitMap

from activity.choices import Kind
from activity.rules import ArmCounts
from activity.selectors import count_arms, count_periods, iterate_member_keys
from offers.models import Offer, Segment
from offers.selectors import load_catalog
from partners.models import Category, Partner, Program
from reviews.choices import ActionKind
from reviews.rules.effects import (
    EVENTS_PER_MEMBER,
    HELD_OUT,
    HOLD_OUT,
    MATCHED,
    MEMBER_SHARES,
    NONE,
    TREATED,
    UNITS_OF_OFFERS,
    Effect,
    EffectDesign,
    Facts,
    Kept,
    Silence,
    UnitCounts,
    arm_of,
    cannot_tell,
    keep_days,
    measure_effect,
    propose_design,
    say_left_out,
    say_names,
    silences_about,
)
from reviews.rules.effects.gaps import Span
from reviews.rules.measures import RATES
from reviews.selectors.meanwhile import Work, find_offers, find_touched

BASELINE_PERIODS = 6
UNITS: dict[str, str] = {ActionKind.CONTACT_PARTNER: "partner", ActionKind.REPLACE_PARTNER: "category"}  # else offers
KINDS = {name: Kind[stage.upper()] for name, stage in (MEMBER_SHARES | EVENTS_PER_MEMBER).items()}


def design_push(
    *,
    program: Program,
    metric: str,
    members: Collection[int],
    offers: Sequence[str],
    starts_date: date,
    salt: str,
    window_days: int,
    minimum_effect: Decimal,
    hold_out_share: Decimal | None = None,
    cutoff: int | None = None,
) -> EffectDesign:
    """
    The design of a push to some members about some offers: from what they did in the window's length before `starts_date`.

    members: row ids of the audience, without those who cannot be written to. hold_out_share: as a person chose it.
    Shape: one EffectDesign.
    Raises: InvalidInput - invalid_design; as summarise.
    Source: docs/rules/effects.md
    """
    facts = Facts(metric, window_days, minimum_effect, {"offer": sorted(offers)}, hold_out_share=hold_out_share, salt=salt)
    if metric in KINDS:
        past = _count_everyone(program, facts, BitMap(members), starts_date, cutoff)
        facts = replace(facts, past=past)
    return propose_design(ActionKind.PROMOTIONAL_PUSH, facts)


def design_units(
    *,
    program: Program,
    kind: str,
    metric: str,
    partner: Partner,
    offers: Sequence[str],
    segment: Segment | None,
    starts_date: date,
    window_days: int,
    minimum_effect: Decimal,
    touched: Collection[str] = (),
    others: Sequence[Work] = (),
    silences: Sequence[Silence] = (),
    cutoff: int | None = None,
) -> EffectDesign:
    """
    The design of an action on some offers of a partner, for everyone or for a segment: against the same offers elsewhere where
    the segment is one attribute, else against other offers. Contacting a partner is held against other partners, replacing
    one against other categories.

    touched: external ids of offers, partners or categories that are no controls because something is done with them too; others:
    actions whose offers are none for that reason. silences: of the baseline; the weeks they touch are left out of it.
    Shape: one EffectDesign; of several that could be made the first with a comparison.
    Raises: InvalidInput - invalid_design; as summarise.
    Source: docs/rules/effects.md
    """
    facts = Facts(metric, window_days, minimum_effect)
    past = [replace(one, end_date=min(one.end_date or starts_date, starts_date)) for one in silences]
    unit = UNITS.get(kind, "offer")
    design = None
    if unit == "offer" and segment and (place := _attribute_of(segment)):
        attribute, values = place
        elsewhere = replace(facts, unit=f"member.{attribute}", where={"offer": sorted(offers)})
        kept, _ = _keep(program, elsewhere, values, (), starts_date, BASELINE_PERIODS, past)
        units = read_units(program=program, facts=elsewhere, periods=kept.baseline, cutoff=cutoff)
        busy = find_touched(others, elsewhere.unit, offers)
        units = [one for one in units if one.key in values or one.key not in busy]
        design = _propose(kind, elsewhere, units, values, kept)
        if design.method == MATCHED:
            return design
    if unit == "offer":
        first, last = starts_date - timedelta(days=BASELINE_PERIODS * window_days), starts_date + timedelta(days=window_days - 1)
        treated, controls = list(offers), list_alike(program, offers, first, last)
    else:
        treated, controls = _list_units(program, unit, partner)
    controls = sorted({*controls} - {*touched, *find_touched(others, unit, offers)})
    where = {"segment": [segment.code]} if segment else {}
    kept, lacking = _keep(program, replace(facts, unit=unit), treated, controls, starts_date, BASELINE_PERIODS, past)
    wanted = replace(facts, unit=unit, where={**where, unit: sorted({*treated, *controls} - lacking)})
    units = read_units(program=program, facts=wanted, periods=kept.baseline, cutoff=cutoff)
    found = _propose(kind, replace(wanted, where=where), units, treated, kept)
    return design if design and found.method == NONE else found


def read_units(
    *, program: Program, facts: Facts, periods: Sequence[Sequence[Span]], cutoff: int | None = None
) -> list[UnitCounts]:
    """
    Some periods of every unit that had an event in them.

    periods: of each, its program days as spans.
    Shape: UnitCounts, by key.
    Raises: as summarise.
    """
    counted = count_periods(program=program, unit=facts.unit, periods=periods, where=facts.where, cutoff=cutoff)
    return [UnitCounts(key, tuple(_of_metric(facts.metric, row) for row in rows)) for key, rows in counted.items()]


def split_members(program: Program, design: EffectDesign, members: Collection[int]) -> dict[str, BitMap]:
    """
    Members of an audience by arm.

    Shape: TREATED and HELD_OUT to the row ids of members.
    """
    arms = {TREATED: BitMap(), HELD_OUT: BitMap()}
    for member_id, key in iterate_member_keys(program.pk, BitMap(members)):
        arms[arm_of(key, design.salt, design.hold_out_share or Decimal())].add(member_id)
    return arms


def read_effect(
    *,
    program: Program,
    design: EffectDesign,
    starts_date: date,
    members: Collection[int] = (),
    others: Sequence[Work] = (),
    silences: Sequence[Silence] = (),
    cutoff: int | None = None,
) -> Effect:
    """
    What became of an action whose window began on a program day.

    members: of a push, everybody who was in its audience when it was executed, of either arm. others, silences: what else went on
    in its time (`reviews.selectors.meanwhile`). cutoff: the seal number up to which events count, so that the same can be read
    again.
    Shape: one Effect.
    Raises: as summarise.
    Source: docs/rules/effects.md
    """
    if design.method == HOLD_OUT:
        arms = split_members(program, design, members)
        return read_arms(program=program, design=design, starts_date=starts_date, arms=arms, silences=silences, cutoff=cutoff)
    if design.method == MATCHED:
        return _read_matched(program, design, starts_date, others, silences, cutoff)
    return measure_effect(design)


def read_arms(
    *,
    program: Program,
    design: EffectDesign,
    starts_date: date,
    arms: Mapping[str, BitMap],
    silences: Sequence[Silence] = (),
    cutoff: int | None = None,
) -> Effect:
    """
    The effect on members of whom some were held out, over the days of the window on which nothing was missing.

    arms: TREATED and HELD_OUT to the row ids of members. silences, cutoff: as read_effect.
    Shape: one Effect.
    Raises: as summarise.
    Source: docs/rules/effects.md
    """
    where = dict(design.where)
    found = silences_about(silences, design.metric, where.get("offer", ()))
    kept = keep_days(starts_date, design.window_days, 0, found)
    if kept.fault:
        return cannot_tell(kept.fault, days_left_out=_plain_days(kept))
    counted = count_arms(
        program=program,
        arms=arms,
        kind=KINDS[design.metric],
        starts_date=starts_date,
        window_days=design.window_days,
        where=where,
        without=kept.left_out,
        cutoff=cutoff,
    )
    effect = measure_effect(design, strata=list(zip(counted[TREATED], counted[HELD_OUT], strict=True)))
    return _say_more(effect, say_left_out(kept), days_left_out=_plain_days(kept))


def list_alike(program: Program, offers: Sequence[str], first: date, last: date) -> list[str]:
    """
    Offers of the same categories from other partners that are live on every day from `first` to `last`.

    Shape: external ids, in order.
    """
    treated = Offer.objects.filter(program=program, external_id__in=offers)
    categories = set(treated.values_list("partner__category_id", flat=True)) - {None}
    others = Offer.objects.filter(program=program, partner__category_id__in=categories)
    others = others.exclude(partner_id__in=treated.values("partner_id"))
    return sorted(_live_throughout(program, first, last).intersection(others.values_list("external_id", flat=True)))


def _list_units(program: Program, unit: str, partner: Partner) -> tuple[list[str], list[str]]:
    """The partner and the others of its category, or its category and the others: external ids and codes."""
    if unit == "category":
        codes = Category.objects.filter(program=program).values_list("code", flat=True)
        return [partner.category.code], [code for code in codes if code != partner.category.code]
    others = Partner.objects.filter(program=program, category_id=partner.category_id).exclude(pk=partner.pk)
    return [partner.external_id], list(others.values_list("external_id", flat=True))


def _propose(kind: str, facts: Facts, units: Sequence[UnitCounts], treated: Sequence[str], kept: Kept) -> EffectDesign:
    """A design from units that were counted; what is treated and had no event counts with zeros."""
    read = {unit.key: unit for unit in units}
    ours = [read.get(key) or _nothing_of(key, facts.metric, len(kept.baseline)) for key in sorted(set(treated))]
    others = [unit for unit in units if unit.key not in treated]
    design = propose_design(kind, replace(facts, treated=ours, candidates=others))
    reach = BASELINE_PERIODS if design.method == MATCHED else design.baseline_periods
    return replace(design, sentence=design.sentence + say_left_out(kept), baseline_periods=reach)


def _keep(
    program: Program,
    facts: Facts,
    treated: Sequence[str],
    controls: Sequence[str],
    starts_date: date,
    periods: int,
    silences: Sequence[Silence],
) -> tuple[Kept, set[str]]:
    """
    What silences leave of a comparison: its days, and the controls that are left out so that enough days are left.

    Source: docs/rules/effects.md
    """

    def about(values: Sequence[str]) -> list[Silence]:
        return silences_about(silences, facts.metric, find_offers(program, facts.unit, values, facts.where))

    if not silences:
        return keep_days(starts_date, facts.window_days, periods, ()), set()
    kept = keep_days(starts_date, facts.window_days, periods, about([*treated, *controls]))
    if not kept.fault or not controls:
        return kept, set()
    of_treated = about(treated)
    lacking = {key for key in controls if any(one not in of_treated for one in about([key]))}
    return keep_days(starts_date, facts.window_days, periods, of_treated), lacking


def _read_matched(
    program: Program,
    design: EffectDesign,
    starts_date: date,
    others: Sequence[Work],
    silences: Sequence[Silence],
    cutoff: int | None,
) -> Effect:
    """
    The units of a design, without controls that ended meanwhile or that another action worked on, over the days on which nothing
    was missing. A unit without any event counts with zeros.
    """
    where = dict(design.where)
    facts = Facts(design.metric, design.window_days, where=where, unit=design.unit)
    touched = find_touched(others, design.unit, where.get("offer", ()))
    busy = [key for key in design.controls if key in touched]
    controls = [key for key in design.controls if key not in touched]
    if design.unit == "offer":
        live = _live_throughout(program, starts_date, starts_date + timedelta(days=design.window_days - 1))
        controls = [key for key in controls if key in live]
    kept, lacking = _keep(program, facts, design.treated, controls, starts_date, design.baseline_periods, silences)
    if kept.fault:
        return cannot_tell(kept.fault, days_left_out=_plain_days(kept))
    keys = [*design.treated, *(key for key in controls if key not in lacking)]
    if design.unit in UNITS_OF_OFFERS:
        facts = replace(facts, where={**where, design.unit: keys})
    periods = [*kept.baseline, kept.window]
    read = {unit.key: unit for unit in read_units(program=program, facts=facts, periods=periods, cutoff=cutoff)}
    units = [read.get(key) or _nothing_of(key, design.metric, len(periods)) for key in keys]
    effect = measure_effect(replace(design, baseline_periods=len(kept.baseline)), units=units)
    more = say_left_out(kept)
    if lacking:
        more += f" No longer compared with, because their source was silent: {say_names(sorted(lacking))}."
    if busy:
        more += f" No longer compared with, because another action worked on them: {say_names(busy)}."
    if not touched.isdisjoint(design.treated):
        more += " Another action worked on the same in that time: what either did cannot be told apart."
    return _say_more(effect, more, days_left_out=_plain_days(kept))


def _say_more(effect: Effect, more: str, **numbers: Any) -> Effect:
    return replace(effect, sentence=effect.sentence + more, numbers={**effect.numbers, **numbers})


def _plain_days(kept: Kept) -> list[list[str]]:
    """The days left out, as JSON: the first and the last of each stretch."""
    return [[first.isoformat(), (end - timedelta(days=1)).isoformat()] for first, end in kept.left_out]


def _count_everyone(program: Program, facts: Facts, members: BitMap, starts_date: date, cutoff: int | None) -> list[ArmCounts]:
    """What an audience did in the window's length before, by what it had done before that."""
    counted = count_arms(
        program=program,
        arms={TREATED: members},
        kind=KINDS[facts.metric],
        starts_date=starts_date - timedelta(days=facts.window_days),
        window_days=facts.window_days,
        where=facts.where,
        cutoff=cutoff,
    )
    return counted[TREATED]


def _attribute_of(segment: Segment) -> tuple[str, list[str]] | None:
    """The attribute and the values that a segment is about, where it is about one alone."""
    if len(segment.rule) != 1 or segment.rule[0]["operator"] != "is":
        return None
    return segment.rule[0]["attribute"], list(segment.rule[0]["values"])


def _live_throughout(program: Program, first: date, last: date) -> set[str]:
    """External ids of the offers that are live on every day from `first` to `last`, and not for a trial alone."""
    return {
        external_id
        for external_id, facts in load_catalog(program.pk).items()
        if any((start is None or start <= first) and (end is None or end > last) for start, end in facts.for_all)
    }


def _of_metric(metric: str, row: Mapping[str, int]) -> tuple[int, int | None]:
    rate = RATES.get(metric)
    return (row.get(rate.numerator, 0), row.get(rate.denominator, 0)) if rate else (row.get(metric, 0), None)


def _nothing_of(key: str, metric: str, periods: int) -> UnitCounts:
    return UnitCounts(key, (_of_metric(metric, {}),) * periods)
