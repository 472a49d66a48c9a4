"""How often the rules call somebody wrongly, and how often they find what was planted. docs/rules/flags.md."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from reviews.choices import Cause
from reviews.rules.cards import Card, make_cards
from reviews.rules.crossings import Pasts
from reviews.rules.flags import RuleSpec
from reviews.rules.simulation import FAULTS, Fault, Maker, play

MOST_FALSE = 0.05  # months with any false flag
LEAST_FOUND = 0.8  # of falls by 40 % at 500 activations
FIRST_FAULT = 3  # months of a healthy past before anything is planted
PLANTED_AT_ONCE = 5  # in one program, so that finding one does not make it easier to find the next
QUIET = (Cause.MARKET_WIDE, Cause.POSITION, Cause.TOO_LITTLE_DATA)

Progress = Callable[[int, int, str], Any]


@dataclass
class FalseFlags:
    """Months of a program in which nobody is at fault. raw: months in which a bare threshold would have called somebody."""

    partners: int
    months: int
    activations: int
    evaluations: int = 0
    flags: int = 0
    months_with_false_flag: int = 0
    raw_months_with_false_flag: int = 0

    @property
    def share(self) -> float:
        """Share of the months with any false flag."""
        return round(self.months_with_false_flag / self.months, 4)

    @property
    def raw_share(self) -> float:
        """The same for a bare threshold."""
        return round(self.raw_months_with_false_flag / self.months, 4)

    def as_json(self) -> dict[str, Any]:
        """For the command."""
        return {**asdict(self), "share": self.share, "raw_share": self.raw_share, "limit": MOST_FALSE}


@dataclass
class Found:
    """What became of faults that were planted."""

    planted: int = 0
    found: int = 0
    right_cause: int = 0
    false: int = 0
    months_to_detection: int = 0
    causes: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """For the command: with precision, recall, and the share of right causes among what was found."""
        return {
            "planted": self.planted,
            "found": self.found,
            "recall": _share(self.found, self.planted),
            "precision": _share(self.found, self.found + self.false),
            "right_cause": _share(self.right_cause, self.found),
            "months_to_detection": _share(self.months_to_detection, self.found),
            "causes": dict(sorted(self.causes.items())),
        }


def count_false_flags(
    *, partners: int, months: int, activations: int, seed: int, spread: float, rules: Sequence[RuleSpec] = (), progress: Progress
) -> FalseFlags:
    """
    A program in which nobody is at fault, evaluated after each day.

    Source: docs/rules/flags.md
    """
    result = FalseFlags(partners, months, activations)
    maker = Maker(partners, activations, seed, spread)
    called: set[int] = set()
    raw: set[int] = set()
    remembered: dict[str, Pasts] = {}
    for month, given in play(maker, months, by_day=True, rules=rules):
        cards = make_cards(given, remembered)
        result.evaluations += 1
        flagged = sum(len(card.flags) for card in cards)
        result.flags += flagged
        if flagged:
            called.add(month)
        if flagged or any(crossing["why_no_flag"] == "not_confirmed" for card in cards for crossing in card.evidence["crossed"]):
            raw.add(month)
        if given.is_over:
            remembered = {}
            progress(month + 1, months, f"month {month + 1}")
    result.months_with_false_flag, result.raw_months_with_false_flag = len(called), len(raw)
    return result


def find_planted(
    *,
    partners: int,
    programs: int,
    months_after: int,
    activations: int,
    left: float,
    causes: Sequence[str] = FAULTS,
    is_slow: bool = False,
    spread: float,
    seed: int,
    progress: Progress,
) -> Found:
    """
    Programs with a few faults each, reviewed month by month; what is called before its fault or without one is false.

    Source: docs/rules/flags.md
    """
    result = Found()
    for number in range(programs):
        # One further each time, so that they are not all of one category, which would be the market.
        places = [place * (partners // PLANTED_AT_ONCE) + place for place in range(PLANTED_AT_ONCE)]
        chosen = {partner: causes[(place + number) % len(causes)] for place, partner in enumerate(places)}
        faults = {partner: Fault(cause, FIRST_FAULT, left, is_slow) for partner, cause in chosen.items()}
        maker = Maker(partners, activations, seed + number, spread, faults)
        first: dict[str, tuple[int, str]] = {}
        wrong: set[str] = set()
        for month, given in play(maker, FIRST_FAULT + months_after, by_day=False):
            for card in make_cards(given):
                if not _is_called(card):
                    continue
                cause = (card.diagnosis or {})["cause"]
                if month >= FIRST_FAULT and int(card.partner[1:]) in chosen:
                    first.setdefault(card.partner, (month - FIRST_FAULT, cause))
                else:
                    wrong.add(card.partner)
        result.planted += len(chosen)
        result.found += len(first)
        result.false += len(wrong - first.keys())
        for partner, (wait, cause) in first.items():
            planted = chosen[int(partner[1:])]
            result.months_to_detection += wait
            result.right_cause += cause == planted
            result.causes[f"{planted} as {cause}"] += 1
        progress(number + 1, programs, f"program {number + 1}")
    return result


def _is_called(card: Card) -> bool:
    return bool(card.flags) and (card.diagnosis or {}).get("cause") not in QUIET


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
