"""
Where another order of offers is proposed for one segment: partners that do well with the peers of a segment that redeems little
are surfaced there, and those whose activation has been poor there for months are lowered. docs/rules/playbook.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum, sqrt
from statistics import NormalDist
from typing import Any

from plum_site.lib.errors import InvalidInput
from reviews.rules.compare import LIKELY, Sample, compare_samples, funnel_limits, measure_dispersion
from reviews.rules.measures import DECIMALS, RATES
from reviews.rules.standing import FEWEST_PEERS

SURFACE, LOWER = "top", "lower"
CHANCE = 0.01  # that anything at all is found in a month in which nothing differs, on either side
BORROWED = 30  # observations that a partner needs among the peers of a segment to say what is usual for it there
MOST_IN_A_SEGMENT = 3  # partners that are surfaced in one segment at a time
SURFACED_BY = ("redemptions_per_view", "redemptions_per_unlock", "redemption_rate")  # the first that is recorded
LOWERED_BY = "activation_rate"
BOUNDS = {
    "share": (1, 99),
    "lower_months": (1, 12),
    "places": (1, 1000),
    "minimum": (30, 1_000_000),
    "most": (1, 50),
    "quiet_months": (1, 24),
}


@dataclass(frozen=True)
class PlacingSpec:
    """
    The playbook's lines for segments. share: per cent of what the peers let expect, at which something is little. lower_months:
    for how many months on end activation must have been poor. places: by how many a partner's offers are lowered then. minimum:
    observations that are needed. most: proposals a month, of each of the two. quiet_months: for how long the same is not proposed
    again.
    """

    surfaces: bool = True
    lowers: bool = True
    share: int = 80
    lower_months: int = 3
    places: int = 10
    minimum: int = 100
    most: int = 5
    quiet_months: int = 6

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "PlacingSpec":
        """As it was stored; a playbook from before there was any says nothing, and proposes nothing."""
        return cls(**stored) if stored else cls(surfaces=False, lowers=False)


@dataclass(frozen=True)
class Cell:
    """What the members with one value of one attribute did with one partner, month by month, newest first; None: not shown."""

    partner: str
    category: str
    attribute: str
    value: str
    months: Sequence[Mapping[str, int] | None]


@dataclass(frozen=True)
class Placing:
    """One proposal: how the partner's offers are re-ranked for the members with this value, and why. size: what it is worth."""

    how: str
    partner: str
    attribute: str
    value: str
    reason: str
    size: float


@dataclass(frozen=True)
class Held:
    """What was observed of so many against what the peers let expect, and the variance of the difference."""

    observed: int
    expected: float
    denominator: int
    variance: float

    @property
    def z(self) -> float:
        """How many standard deviations it is below what was expected."""
        return round((self.expected - self.observed) / sqrt(self.variance), DECIMALS) if self.variance > 0 else 0.0

    @property
    def share(self) -> float:
        """Observed over expected."""
        return round(self.observed / self.expected, DECIMALS) if self.expected else 1.0


def find_placings(spec: PlacingSpec, cells: Sequence[Cell], recorded: Iterable[str]) -> list[Placing]:
    """
    What the playbook proposes for segments, at most `most` of each kind, the largest first; nothing that chance explains.

    cells: of all partners and reporting attributes. recorded: the rates that the program can have.

    Shape: Placings, those to surface first.
    Source: docs/rules/playbook.md
    """
    rates = set(recorded)
    lowered = find_lowered(spec, cells)[: spec.most] if spec.lowers and LOWERED_BY in rates else []
    taken = {(one.partner, one.attribute, one.value) for one in lowered}
    by = next((rate for rate in SURFACED_BY if rate in rates), None)
    surfaced = find_surfaced(spec, cells, by) if spec.surfaces and by else []
    return [*[one for one in surfaced if (one.partner, one.attribute, one.value) not in taken][: spec.most], *lowered]


def find_surfaced(spec: PlacingSpec, cells: Sequence[Cell], metric: str) -> list[Placing]:
    """
    For each segment that redeems little: the partners that do well with its peers.

    Shape: Placings, those of the segment that lacks most first, then the partner that does best.
    Source: docs/rules/playbook.md
    """
    groups = _group(cells)
    judged = {
        (attribute, value): held
        for attribute, values in groups.items()
        for value in values
        if value and (held := hold_against_peers(values, value, metric)) and held.denominator >= spec.minimum
    }
    needed = _sure_at(len(judged))
    low = {key: held for key, held in judged.items() if _is_little(spec, held, needed)}
    found = []
    for (attribute, value), held in sorted(low.items(), key=lambda pair: (pair[1].observed - pair[1].expected, pair[0])):
        peers = _peers_of(groups[attribute], value, metric)
        compared = compare_samples(peers, is_loss=False, minimum=spec.minimum)
        if compared.rate is None:
            continue
        well = [one for one in compared.ranked if one.shrunken_interval and one.shrunken_interval[0] > compared.rate]
        for one in well[:MOST_IN_A_SEGMENT]:
            noun = RATES[metric]
            reason = (
                f"{attribute} {value} redeems little: {held.observed:,} {noun.numerator} of {held.denominator:,} "
                f"{noun.denominator}, where its peers let expect {held.expected:,.0f}. "
                f"Its peers do well with this partner: {_percent(one.shrunken)}, and {_percent(compared.rate)} with all."
            )
            found.append(Placing(SURFACE, one.sample.partner, attribute, value, reason, held.expected - held.observed))
    return found


def hold_against_peers(values: Mapping[str, Sequence[Cell]], value: str, metric: str) -> Held | None:
    """
    What one segment did in the newest month, partner by partner, against what its peers let expect of the same partners: so that
    a segment is not low because it uses other partners. The variance is that of chance, or of the partners where theirs is more.

    Shape: one Held; None where fewer than five partners tell.
    Source: docs/rules/playbook.md
    """
    peers = {sample.partner: sample for sample in _peers_of(values, value, metric) if sample.denominator >= BORROWED}
    rows = []
    for cell in values[value]:
        sample, peer = _sample(cell, 0, metric), peers.get(cell.partner)
        if sample is None or peer is None or not sample.denominator or not 0 < peer.numerator < peer.denominator:
            continue
        rate = peer.numerator / peer.denominator
        chance = rate * (1 - rate) * sample.denominator * (1 + sample.denominator / peer.denominator)
        rows.append((sample, sample.denominator * rate, chance))
    if len(rows) < FEWEST_PEERS:
        return None
    observed = sum(sample.numerator for sample, _, _ in rows)
    expected = fsum(usual for _, usual, _ in rows)
    ratio = observed / expected
    spread = fsum((sample.numerator - ratio * usual) ** 2 / chance for sample, usual, chance in rows) / (len(rows) - 1)
    variance = max(1.0, spread) * fsum(chance for _, _, chance in rows)
    return Held(observed, round(expected, DECIMALS), sum(sample.denominator for sample, _, _ in rows), variance)


def find_lowered(spec: PlacingSpec, cells: Sequence[Cell]) -> list[Placing]:
    """
    The partners whose activation has been poor with the members of one value for all of the last months, beyond chance: against
    comparable partners there, and against what it is elsewhere. What is poor everywhere is for the flags, not for one segment.

    Shape: Placings, the one of which most is lacking first.
    Source: docs/rules/playbook.md
    """
    groups = _group(cells)
    judged: dict[tuple[str, str, str], list[tuple[Held, bool]]] = {}
    for attribute, values in groups.items():
        for value, members in values.items():
            months = [judge_month(members, place, spec.minimum) for place in range(spec.lower_months)] if value else []
            for partner in sorted(set.intersection(*(set(month) for month in months)) if months else ()):
                judged[attribute, value, partner] = [month[partner] for month in months]
    needed = _sure_at(len(judged))
    found = []
    for (attribute, value, partner), months_seen in judged.items():
        together = _together([held for held, _ in months_seen])
        if not all(is_poor for _, is_poor in months_seen) or not _is_little(spec, together, needed):
            continue
        elsewhere = hold_against_elsewhere(groups[attribute], value, partner, spec.lower_months)
        if elsewhere is None or not _is_little(spec, elsewhere, needed):
            continue
        since = "in the month" if spec.lower_months == 1 else f"in each of {spec.lower_months} months on end"
        reason = (
            f"Its activation in {attribute} {value} was poor {since}: {together.observed:,} activations of "
            f"{together.denominator:,} unlocks, where comparable partners there let expect {together.expected:,.0f}, and its own "
            f"elsewhere {elsewhere.expected:,.0f}."
        )
        size = together.expected - together.observed
        found.append(Placing(LOWER, partner, attribute, value, reason, round(size, DECIMALS)))
    return sorted(found, key=lambda one: (-one.size, one.attribute, one.value, one.partner))


def hold_against_elsewhere(values: Mapping[str, Sequence[Cell]], value: str, partner: str, months: int) -> Held | None:
    """
    What one partner's activation with the members of one value was over some months against what it was with all others.

    Shape: one Held; None where too little happened elsewhere.
    """
    here, elsewhere = [0, 0], [0, 0]
    for other, members in values.items():
        place = here if other == value else elsewhere
        for cell in (one for one in members if one.partner == partner):
            for sample in (_sample(cell, number, LOWERED_BY) for number in range(months)):
                if sample is not None:
                    place[0], place[1] = place[0] + sample.numerator, place[1] + sample.denominator
    if elsewhere[1] < BORROWED:
        return None
    usual = elsewhere[0] / elsewhere[1]
    return Held(here[0], usual * here[1], here[1], usual * (1 - usual) * here[1] * (1 + here[1] / elsewhere[1]))


def judge_month(members: Sequence[Cell], place: int, minimum: int) -> dict[str, tuple[Held, bool]]:
    """
    Each partner's activation with the members of one value in one month against its peers there: the partners of its category
    where there are five, else all; and whether it is below what chance, or the peers' own spread, explains.

    Shape: {partner: (Held, whether it is poor)}; partners with too little, and too few partners, are left out.
    """
    samples = [sample for cell in members if (sample := _sample(cell, place, LOWERED_BY)) and sample.denominator >= minimum]
    if len(samples) < FEWEST_PEERS:
        return {}
    categories: dict[str, list[Sample]] = {}
    for sample in samples:
        categories.setdefault(sample.category, []).append(sample)
    found = {}
    for members_of in categories.values():
        peers = members_of if len(members_of) >= FEWEST_PEERS else samples
        total, denominator = sum(one.numerator for one in peers), sum(one.denominator for one in peers)
        for one in members_of:
            others = denominator - one.denominator
            usual = (total - one.numerator) / others
            rate, factor = one.numerator / one.denominator, 1.0
            if rate < funnel_limits(usual, factor, one.denominator, LIKELY)[0]:  # else no spread of theirs makes it poor
                factor = measure_dispersion([peer for peer in peers if peer is not one], usual).factor
            lowest, _ = funnel_limits(usual, factor, one.denominator, LIKELY)
            chance = factor * usual * (1 - usual) * one.denominator * (1 + one.denominator / others)
            held = Held(one.numerator, usual * one.denominator, one.denominator, chance)
            found[one.partner] = held, rate < lowest
    return found


def check_placing(spec: PlacingSpec) -> None:
    """
    Refuse lines for segments that make no sense.

    Raises: InvalidInput - invalid_playbook, with a sentence for each field at fault ("placing.share").
    """
    faults = {
        f"placing.{name}": f"A number from {least:,} to {most:,}."
        for name, (least, most) in BOUNDS.items()
        if not least <= getattr(spec, name) <= most
    }
    if faults:
        raise InvalidInput("invalid_playbook", "The playbook was not saved; the version in force stays.", faults)


def say_placing(spec: PlacingSpec) -> list[str]:
    """
    What is proposed for segments, in words.

    Shape: sentences.
    """
    said = []
    if spec.surfaces:
        said.append(
            f"For each segment that redeems at most {spec.share} % of what its peers let expect, beyond chance, propose to "
            "surface the partners that do well with its peers."
        )
    if spec.lowers:
        months = "1 month" if spec.lower_months == 1 else f"{spec.lower_months} months on end"
        said.append(
            f"For each partner whose activation in a segment was at most {spec.share} % of what comparable partners there, and "
            f"its own elsewhere, let expect for {months}, beyond chance, propose to lower it there by {spec.places}."
        )
    if not said:
        return ["Nothing is proposed for segments."]
    quiet = "1 month" if spec.quiet_months == 1 else f"{spec.quiet_months} months"
    number = "1 proposal" if spec.most == 1 else f"{spec.most} proposals"
    return [
        *said,
        f"Of each at most {number} a month, from {spec.minimum:,} observations on; what was decided or ended is not proposed "
        f"again for {quiet}.",
    ]


def _group(cells: Iterable[Cell]) -> dict[str, dict[str, list[Cell]]]:
    """Cells by attribute and value, in order."""
    groups: dict[str, dict[str, list[Cell]]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.attribute, cell.value, cell.partner)):
        groups.setdefault(cell.attribute, {}).setdefault(cell.value, []).append(cell)
    return groups


def _peers_of(values: Mapping[str, Sequence[Cell]], value: str, metric: str) -> list[Sample]:
    """What the members with any other known value did in the newest month, partner by partner."""
    together: dict[str, Sample] = {}
    for other, members in values.items():
        for cell in members if other not in ("", value) else ():
            sample = _sample(cell, 0, metric)
            if sample is not None:
                known = together.get(cell.partner, Sample(cell.partner, cell.category, 0, 0))
                together[cell.partner] = Sample(
                    cell.partner, cell.category, known.numerator + sample.numerator, known.denominator + sample.denominator
                )
    return list(together.values())


def _sample(cell: Cell, place: int, metric: str) -> Sample | None:
    """One cell's rate in one month; None where it is not shown. More than all counts as all."""
    figures = cell.months[place] if place < len(cell.months) else None
    if figures is None:
        return None
    numerator, denominator = int(figures[RATES[metric].numerator]), int(figures[RATES[metric].denominator])
    return Sample(cell.partner, cell.category, min(numerator, denominator), denominator)


def _together(months: Sequence[Held]) -> Held:
    """Several months as one."""
    return Held(
        sum(held.observed for held in months),
        round(fsum(held.expected for held in months), DECIMALS),
        sum(held.denominator for held in months),
        fsum(held.variance for held in months),
    )


def _is_little(spec: PlacingSpec, held: Held, needed: float) -> bool:
    """Whether something is little enough to speak of, and no chance."""
    return held.z >= needed and held.share * 100 <= spec.share


def _sure_at(tests: int) -> float:
    """How many standard deviations below what is expected are beyond chance, with so many looked at."""
    return NormalDist().inv_cdf(1 - CHANCE / max(tests, 1))


def _percent(rate: float | None) -> str:
    return f"{100 * (rate or 0):.1f} %"
