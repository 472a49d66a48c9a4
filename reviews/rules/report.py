"""
The building blocks of the monthly report: who drives value, who falls behind, what was expected; and how figures are
written in a sentence. Pure: rows in, rows and words out.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Protocol, TypeVar

from activity.metrics import METRICS, Unit
from plum_site.lib.money import exponent, parse_minor
from reviews.choices import Direction, Reference, RuleTarget, Severity, Standing
from reviews.rules.measures import RATES
from reviews.rules.sentences import say_season

HEADLINES = ("views", "activations", "redemptions", "spend")  # the four that every report begins with
NAMED = 3  # partners named on either side
AND = " and "  # between amounts in different currencies
NO_DATA = "no data"
NOT_RECORDED = "not recorded"
LEAST_CHANCE = 1e-6  # smaller ones are not told apart
GRAVITY = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.NOTICE: 2}
TROUBLED = {Standing.UNDERPERFORMING: 0, Standing.WATCH: 1}


class CardLike(Protocol):
    """What is looked at of a scorecard."""

    standing: str
    score: Decimal | None
    metrics: Mapping[str, Any]
    previous: Mapping[str, Any] | None
    expected: Mapping[str, Any]


C = TypeVar("C", bound=CardLike)


def write_names(names: Sequence[str]) -> str:
    """Some names in a row: the first of them, and how many more."""
    rest = len(names) - NAMED
    shown = [*names[:NAMED], f"{rest} more"] if rest > 0 else list(names)
    return AND.join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def write_count(value: float) -> str:
    """A whole number with thousands separated."""
    return _signed(f"{Decimal(str(value)).quantize(Decimal(1), ROUND_HALF_EVEN):,}")


def write_rate(value: float | Decimal, places: int = 1) -> str:
    """A share of 1 as per cent."""
    return _signed(f"{(Decimal(str(value)) * 100).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN):,} %")


def write_money(money: Mapping[str, str], first: str = "") -> str:
    """Amounts by currency side by side, `first` in front; never added."""
    codes = sorted(money, key=lambda code: (code != first, code))
    return AND.join(_signed(f"{Decimal(money[code]):,.{exponent(code)}f} {code}") for code in codes) or NO_DATA


def _signed(text: str) -> str:
    """A number with a minus sign that is one, not a hyphen."""
    return text.replace("-", "−")


def write_figure(key: str, value: Any, stages: Sequence[str], first_currency: str = "") -> str:
    """A figure in the unit of its metric; what is not recorded and what has no data look different."""
    metric = METRICS[key]
    if not metric.is_recorded(stages):
        return NOT_RECORDED
    if value is None or value == {}:
        return NO_DATA
    if metric.unit == Unit.MONEY:
        return write_money(value, first_currency)
    if metric.unit == Unit.RATIO:
        return write_rate(value)
    return write_count(value)


def change_of(key: str, now: Any, before: Any, currency: str) -> Decimal | None:
    """By which share a count, or the amount in one currency, differs from another; None where that says nothing."""
    if METRICS[key].unit == Unit.MONEY:
        now, before = ((money or {}).get(currency) for money in (now, before))
        if now is None or before is None:
            return None
        now, before = parse_minor(now, currency), parse_minor(before, currency)
    if now is None or not before:
        return None
    return (Decimal(str(now)) - Decimal(str(before))) / Decimal(str(before))


def write_change(change: Decimal | None, against: str) -> str:
    """A change in words, such as "up 4.2 % on June"; empty where there is none to tell."""
    if change is None:
        return ""
    if abs(change) < Decimal("0.0005"):
        return f"as in {against}"
    return f"{'up' if change > 0 else 'down'} {write_rate(abs(change))} on {against}"


def write_money_change(now: Mapping[str, str], before: Mapping[str, str], first: str, against: str) -> str:
    """Amounts by currency, each with its own change: what is in two currencies has no change in common."""
    parts = []
    for code in sorted(now, key=lambda code: (code != first, code)):
        change = write_change(change_of("spend", now, before, code), against)
        then = f" ({change}: {write_money({code: before[code]})})" if change else ""
        parts.append(f"{write_money({code: now[code]})}{then}")
    return "; ".join(parts)


def write_distance(ratio: Decimal | None, expected: str) -> str:
    """How far a figure is from what was expected of it."""
    if ratio is None or abs(ratio) < Decimal("0.0005"):
        return f"as expected ({expected})"
    return f"{write_rate(abs(ratio))} {'above' if ratio > 0 else 'below'} what the season let expect ({expected})"


def expect_total(cards: Iterable[CardLike], key: str) -> float | None:
    """What the season lets expect of all these partners together; None unless it is known for each that had a month before."""
    total = 0.0
    for card in cards:
        if card.previous is None:
            continue
        if key not in card.expected:
            return None
        total += float(card.expected[key])
    return total or None


def pick_drivers(cards: Sequence[C]) -> list[C]:
    """
    The partners that drive value: the largest net spend, then the most redemptions; none without either.

    Amounts in different currencies cannot be compared: where there are several, redemptions alone decide.
    """
    money: list[Mapping[str, str]] = [card.metrics.get("net_spend") or {} for card in cards]
    currencies = {code for amounts in money for code in amounts}
    [only] = currencies if len(currencies) == 1 else [""]
    minors = [parse_minor(amounts[only], only) if only in amounts else 0 for amounts in money]
    worth = [(minor, int(card.metrics.get("redemptions") or 0)) for minor, card in zip(minors, cards, strict=True)]
    best = sorted((index for index, pair in enumerate(worth) if max(pair) > 0), key=lambda index: worth[index], reverse=True)
    return [cards[index] for index in best[:NAMED]]


def pick_laggards(cards: Sequence[C], gravest: Mapping[int, str]) -> list[C]:
    """
    The partners that fall behind: flagged or with a poor standing, the gravest first.

    gravest: position among `cards` to the severity of the gravest flag; absent for those without one.
    """
    none = len(GRAVITY)
    behind = [index for index, card in enumerate(cards) if index in gravest or card.standing in TROUBLED]

    def how_bad(index: int) -> tuple[int, int, Decimal, int]:
        card = cards[index]
        gravity = GRAVITY[Severity(gravest[index])] if index in gravest else none
        score = card.score if card.score is not None else Decimal(101)
        return gravity, TROUBLED.get(Standing(card.standing), 2), score, index

    return [cards[index] for index in sorted(behind, key=how_bad)[:NAMED]]


def write_measured(metric: str, value: Any) -> str:
    """An observed value or a threshold in the unit of its metric."""
    return write_rate(value) if metric in RATES else write_count(value)


def write_limit(metric: str, direction: str, reference: str, share: Decimal, threshold: Any) -> str:
    """What a rule allows, in words."""
    side = "at least" if direction == Direction.BELOW else "at most"
    limit = write_measured(metric, threshold)
    if reference == Reference.FIXED:
        return f"{side} {limit}"
    return f"{side} {limit} ({write_rate(share, 0)} of {Reference(reference).label.removeprefix('A share of ')})"


def write_evidence(metric: str, evidence: Mapping[str, Any]) -> str:
    """What a crossing rests on."""
    parts = []
    if metric in RATES and evidence.get("denominator"):
        numerator, denominator = write_count(evidence["numerator"]), write_count(evidence["denominator"])
        parts.append(f"{numerator} {RATES[metric].numerator} of {denominator} {RATES[metric].denominator}")
    if "reference" in evidence:
        months = evidence["reference"]["months"]
        since = "the month before" if months == 1 else f"the {months} months before"
        expected = write_measured(metric, evidence["reference"]["value"])
        parts.append(f"{since} let expect {expected}{say_season(evidence['reference'])}")
    if "chance" in evidence:
        parts.append(write_chance(evidence["chance"]))
    if "expected_by_chance" in evidence:
        flagged, judged = write_count(evidence["flagged"]), write_count(evidence["judged"])
        parts.append(f"{flagged} flagged of {judged} judged, at most {evidence['expected_by_chance']:g} of them by chance")
    return "; ".join(parts)


def write_chance(chance: float) -> str:
    """How often chance alone would show as much."""
    if chance >= 0.01:
        return f"by chance in {write_rate(chance, 0)} of the cases"
    if chance < LEAST_CHANCE:
        return "by chance less than once in a million"
    return f"by chance once in {write_count(round(1 / chance, -1 if chance > 1e-3 else -2))}"


def say_target(target: str, key: str) -> str:
    """Which offer or segment a crossing is about, to follow a name; nothing for the whole partner."""
    if target == RuleTarget.OFFER:
        return f", offer {key}"
    return f", {key.replace('=', ' ')}" if target == RuleTarget.PARTNER_SEGMENT else ""
