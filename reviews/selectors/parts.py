"""What rules on offers, on segments and on days look at, from the sealed ledger and a frozen configuration."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any

from activity.selectors import count_by, count_by_attributes
from activity.selectors.positions import count_by_position
from partners.models import Program
from plum_site.lib.periods import next_month, parse_month
from reviews.choices import RuleTarget
from reviews.rules import Figures, PartInput, RuleSpec, Shift, ShownAt, days_needed, find_shifts, months_needed

POSITION_MONTHS = 3  # before the reviewed one, with which its positions are compared


def read_parts(program: Program, config: Mapping[str, Any], rules: Sequence[RuleSpec], cutoff: int) -> list[PartInput]:
    """
    The offers and segments that rules look at, month by month, once the month is over: there are many of them, and segments
    are read from the ledger itself. Groups that are too small to be shown are left out of it.

    Shape: PartInputs, in no order.
    Source: docs/rules/flags.md
    """
    months, targets = _part_months(config, rules), {rule.target for rule in rules}
    parts: list[PartInput] = []
    if not config.get("is_over", True):
        return parts
    if RuleTarget.OFFER in targets:
        parts += _read_offers(program, months, cutoff)
    if RuleTarget.PARTNER_SEGMENT in targets:
        parts += read_segments(program, months, cutoff, list(config.get("attributes", ())))
    return parts


def list_segment_months(config: Mapping[str, Any], rules: Sequence[RuleSpec]) -> list[str]:
    """
    The months of which read_parts reads segments.

    Shape: YYYY-MM, newest first; none where no rule looks at segments, or the month is not over.
    """
    is_read = config.get("is_over", True) and any(rule.target == RuleTarget.PARTNER_SEGMENT for rule in rules)
    return _part_months(config, rules) if is_read else []


def read_days(program: Program, config: Mapping[str, Any], rules: Sequence[RuleSpec], cutoff: int) -> dict[str, list[Figures]]:
    """
    Numbers of events of every partner on the last days that rules look at; none where no rule looks at days.

    Shape: partner to one row of numbers for each day, newest first.
    Source: docs/rules/flags.md
    """
    count = days_needed(rules)
    if not count:
        return {}
    month = parse_month(config["months"][0])
    ends_date = min(next_month(month), date.fromisoformat(config.get("days_until", "9999-12-31")))
    starts_date = ends_date - timedelta(days=count)
    counted = count_by(program=program, starts_date=starts_date, ends_date=ends_date, by=["partner", "day"], cutoff=cutoff)
    nothing = dict.fromkeys(next(iter(counted.values()), {}), 0)
    dates = [(ends_date - timedelta(days=back + 1)).isoformat() for back in range(count)]
    partners = {partner for partner, _ in counted}
    return {partner: [counted.get((partner, day), nothing) for day in dates] for partner in partners}


def position_reader(program: Program, config: Mapping[str, Any], cutoff: int) -> Callable[[], Mapping[str, Shift]]:
    """
    A function that reads, once, what changed positions let expect of each partner: the reviewed month against the three before.

    Shape: a function without arguments, to partner to Shift.
    Source: docs/rules/diagnosis.md
    """

    @cache
    def read() -> Mapping[str, Shift]:
        months = list(config["months"])[: 1 + POSITION_MONTHS]
        shown: list[dict[str, list[ShownAt]]] = [{}, {}]
        for row in count_by_position(
            program=program,
            starts_date=parse_month(months[-1]),
            ends_date=next_month(parse_month(months[0])),
            cutoff=cutoff,
        ):
            place = shown[0 if row.month == months[0] else 1]
            place.setdefault(row.partner, []).append(ShownAt(row.bucket, row.offer_days, row.views, row.unlocks))
        return find_shifts(*shown)

    return read


def _part_months(config: Mapping[str, Any], rules: Sequence[RuleSpec]) -> list[str]:
    return list(config["months"])[: months_needed([rule for rule in rules if rule.target != RuleTarget.PARTNER])]


def _read_offers(program: Program, months: Sequence[str], cutoff: int) -> list[PartInput]:
    counted = _count(program, months, cutoff, ["month", "partner", "offer"])
    return _as_parts(counted, months, RuleTarget.OFFER, "")


def read_segments(program: Program, months: Sequence[str], cutoff: int, attributes: Sequence[str]) -> list[PartInput]:
    """
    What members are, value by value. A group that is hidden in the newest of the months is no part at all.

    months: YYYY-MM, newest first, one after the other.

    Shape: PartInputs, in no order.
    Source: docs/rules/suppression.md
    """
    starts_date, ends_date = parse_month(months[-1]), next_month(parse_month(months[0]))
    counted = count_by_attributes(
        program=program, starts_date=starts_date, ends_date=ends_date, attributes=attributes, cutoff=cutoff
    )
    parts = []
    for attribute, groups in counted.items():
        gone = {key[1:] for key, counts in groups.items() if counts is None and key[0] == months[0]}
        shown = {key: counts for key, counts in groups.items() if counts is not None and key[1:] not in gone}
        parts += _as_parts(shown, months, RuleTarget.PARTNER_SEGMENT, f"{attribute}=")
    return parts


def _count(program: Program, months: Sequence[str], cutoff: int, by: Sequence[str]) -> dict[tuple[str, ...], dict[str, int]]:
    starts_date, ends_date = parse_month(months[-1]), next_month(parse_month(months[0]))
    return count_by(program=program, starts_date=starts_date, ends_date=ends_date, by=by, cutoff=cutoff)


def _as_parts(counted: Mapping[tuple[str, ...], Figures], months: Sequence[str], target: str, prefix: str) -> list[PartInput]:
    nothing = dict.fromkeys(next(iter(counted.values()), {}), 0)
    return [
        PartInput(
            partner=partner,
            target=target,
            key=f"{prefix}{value}",
            months=[
                counted.get((months[0], partner, value), nothing),
                *(counted.get((month, partner, value)) for month in months[1:]),
            ],
        )
        for partner, value in sorted({key[1:] for key in counted})
    ]
