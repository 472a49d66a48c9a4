"""What rules look at: partners, their offers, and partners in one segment, month by month and day by day."""

from collections.abc import Sequence
from dataclasses import dataclass

from reviews.choices import RuleTarget, TimeUnit
from reviews.rules.flags import RuleSpec
from reviews.rules.measures import RATES, Figures


@dataclass(frozen=True)
class Subject:
    """
    One thing that a rule looks at.

    key: "" for the whole partner, else the offer's external id, or attribute=value. groups: whose common movements are the
    market's: the category; of a segment the attribute's value too. months: figures newest first, the reviewed one first;
    None without any event. exposures: how much volume each of these months lets expect, against the others (days, season).
    elapsed: how much of the first one's has passed. days: figures of the last days, newest first; only where a rule looks at
    days. offer_days: days on which offers were live, month by month; empty where nothing is known. season_worth: how many
    events the season in the exposures is known as well as, where the program's own last year tells it.
    """

    partner: str
    category: str
    months: Sequence[Figures | None]
    exposures: Sequence[float]
    target: str = RuleTarget.PARTNER
    key: str = ""
    groups: Sequence[str] = ()
    days: Sequence[Figures] = ()
    days_of_month: int = 0
    elapsed: float = 1.0
    offer_days: Sequence[int] = ()
    season_worth: float | None = None

    @property
    def name(self) -> tuple[str, str, str]:
        """What tells it from all others."""
        return self.partner, self.target, self.key


@dataclass(frozen=True)
class Sample:
    """What was seen of a metric: numerator and denominator of a rate; a number of events, and the exposure it fell into."""

    numerator: int
    denominator: int
    exposure: float = 1.0


def sample(metric: str, figures: Figures | None, exposure: float) -> Sample | None:
    """What one period says about a metric; None where it says nothing: no figures, or the stage is not recorded."""
    if figures is None:
        return None
    rate = RATES.get(metric)
    if rate is None and exposure <= 0:
        return None
    if rate is None:
        return Sample(int(figures[metric]), int(figures[metric]), exposure)
    denominator = int(figures[rate.denominator])
    return Sample(int(figures[rate.numerator]), denominator, exposure) if denominator > 0 else None


def newest(metric: str, subject: Subject) -> Sample | None:
    """What the reviewed month says about a metric so far."""
    return sample(metric, subject.months[0], subject.exposures[0] * subject.elapsed)


def sample_days(metric: str, subject: Subject, back: int, length: int) -> Sample | None:
    """What `length` days up to `back` before the newest say; only sums of events, because people cannot be added up."""
    part = subject.days[back : back + length]
    if len(part) < length:
        return None
    rate = RATES.get(metric)
    names = (rate.numerator, rate.denominator) if rate else (metric, metric)
    numerator, denominator = (sum(int(figures[name]) for figures in part) for name in names)
    if rate and denominator == 0:
        return None
    return Sample(numerator, denominator, subject.exposures[0] * len(part) / max(1, subject.days_of_month))


def samples_of(rule: RuleSpec, subject: Subject) -> list[Sample | None]:
    """What a rule looks at, newest first: one sample for each month, or each day, of its persistence."""
    count = rule.persistence
    if rule.window_days is None:  # days in a row can be counted only where the rule looks at days
        count = count if rule.persistence_unit == TimeUnit.CYCLES else 1
        return [newest(rule.metric, subject)] + [
            sample(rule.metric, figures, exposure)
            for figures, exposure in zip(subject.months[1:count], subject.exposures[1:count], strict=True)
        ]
    count = count if rule.persistence_unit == TimeUnit.DAYS else 1
    return [sample_days(rule.metric, subject, back, rule.window_days) for back in range(count)]


def days_needed(rules: Sequence[RuleSpec]) -> int:
    """How many days before the end of the reviewed period some rule looks at."""
    needed = [0]
    for rule in rules:
        if rule.window_days is not None:
            needed.append(rule.window_days + (rule.persistence if rule.persistence_unit == TimeUnit.DAYS else 1) - 1)
    return max(needed)
