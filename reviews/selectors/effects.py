"""The design that an action gets from its program's ledger, and its effect once the window is over."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

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
    UnitCounts,
    arm_of,
    measure_effect,
    propose_design,
)
from reviews.rules.measures import RATES

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
    cutoff: int | None = None,
) -> EffectDesign:
    """
    The design of an action on some offers of a partner, for everyone or for a segment: against the same offers elsewhere where
    the segment is one attribute, else against other offers. Contacting a partner is held against other partners, replacing
    one against other categories.

    touched: external ids of offers, partners or categories that are no controls because something is done with them too.
    Shape: one EffectDesign; of several that could be made the first with a comparison.
    Raises: InvalidInput - invalid_design; as summarise.
    Source: docs/rules/effects.md
    """
    facts = Facts(metric, window_days, minimum_effect)
    unit = UNITS.get(kind, "offer")
    design = None
    if unit == "offer" and segment and (place := _attribute_of(segment)):
        attribute, values = place
        elsewhere = replace(facts, unit=f"member.{attribute}", where={"offer": sorted(offers)})
        units = read_units(program=program, facts=elsewhere, starts_date=starts_date, cutoff=cutoff)
        design = _propose(kind, elsewhere, units, values)
        if design.method == MATCHED:
            return design
    if unit == "offer":
        first, last = starts_date - timedelta(days=BASELINE_PERIODS * window_days), starts_date + timedelta(days=window_days - 1)
        treated, others = list(offers), list_alike(program, offers, first, last)
    else:
        treated, others = _list_units(program, unit, partner)
    where = {"segment": [segment.code]} if segment else {}
    kept = sorted({*treated, *(set(others) - set(touched))})
    wanted = replace(facts, unit=unit, where={**where, unit: kept})
    units = read_units(program=program, facts=wanted, starts_date=starts_date, cutoff=cutoff)
    found = _propose(kind, replace(wanted, where=where), units, treated)
    return design if design and found.method == NONE else found


def read_units(
    *, program: Program, facts: Facts, starts_date: date, with_window: bool = False, cutoff: int | None = None
) -> list[UnitCounts]:
    """
    The periods before `starts_date` of every unit that had an event in them, and the window after it where that is asked for.

    Shape: UnitCounts, by key.
    Raises: as summarise.
    """
    periods = range(-BASELINE_PERIODS, 1 if with_window else 0)
    counted = count_periods(
        program=program,
        unit=facts.unit,
        starts_dates=[starts_date + timedelta(days=number * facts.window_days) for number in periods],
        period_days=facts.window_days,
        where=facts.where,
        cutoff=cutoff,
    )
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
    *, program: Program, design: EffectDesign, starts_date: date, members: Collection[int] = (), cutoff: int | None = None
) -> Effect:
    """
    What became of an action whose window began on a program day.

    members: of a push, everybody who was in its audience when it was executed, of either arm. cutoff: the seal number up to which
    events count, so that the same can be read again.
    Shape: one Effect.
    Raises: as summarise.
    Source: docs/rules/effects.md
    """
    where = dict(design.where)
    if design.method == HOLD_OUT:
        counted = count_arms(
            program=program,
            arms=split_members(program, design, members),
            kind=KINDS[design.metric],
            starts_date=starts_date,
            window_days=design.window_days,
            where=where,
            cutoff=cutoff,
        )
        return measure_effect(design, strata=list(zip(counted[TREATED], counted[HELD_OUT], strict=True)))
    if design.method == MATCHED:
        return measure_effect(design, units=_read_design_units(program, design, starts_date, cutoff))
    return measure_effect(design)


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


def _propose(kind: str, facts: Facts, units: Sequence[UnitCounts], treated: Sequence[str]) -> EffectDesign:
    """A design from units that were counted; what is treated and had no event counts with zeros."""
    read = {unit.key: unit for unit in units}
    ours = [read.get(key) or _nothing_of(key, facts.metric, BASELINE_PERIODS) for key in sorted(set(treated))]
    return propose_design(kind, replace(facts, treated=ours, candidates=[unit for unit in units if unit.key not in treated]))


def _read_design_units(program: Program, design: EffectDesign, starts_date: date, cutoff: int | None) -> list[UnitCounts]:
    """The units of a design, a control that ended meanwhile left out; one without any event counts with zeros."""
    keys = [*design.treated, *design.controls]
    facts = Facts(design.metric, design.window_days, where=dict(design.where), unit=design.unit)
    if design.unit in UNITS_OF_OFFERS:
        facts = replace(facts, where={**facts.where, design.unit: keys})
    if design.unit == "offer":
        live = _live_throughout(program, starts_date, starts_date + timedelta(days=design.window_days - 1))
        keys = [key for key in keys if key in design.treated or key in live]
    read = {
        unit.key: unit
        for unit in read_units(program=program, facts=facts, starts_date=starts_date, with_window=True, cutoff=cutoff)
    }
    return [read.get(key) or _nothing_of(key, design.metric, design.baseline_periods + 1) for key in keys]


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
    """External ids of the offers that are live on every day from `first` to `last`."""
    return {
        external_id
        for external_id, facts in load_catalog(program.pk).items()
        if any((start is None or start <= first) and (end is None or end > last) for start, end in facts.live)
    }


def _of_metric(metric: str, row: Mapping[str, int]) -> tuple[int, int | None]:
    rate = RATES.get(metric)
    return (row.get(rate.numerator, 0), row.get(rate.denominator, 0)) if rate else (row.get(metric, 0), None)


def _nothing_of(key: str, metric: str, periods: int) -> UnitCounts:
    return UnitCounts(key, (_of_metric(metric, {}),) * periods)
