"""Champion and challenger: the two arms of a trial side by side."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from pyroaring import BitMap

from activity.choices import Kind
from activity.rules import ArmCounts
from activity.selectors import count_arms, head_of, iterate_member_keys, list_in_segment
from offers.models import CatalogTrial
from offers.selectors import read_trial
from partners.models import Program
from plum_site.lib.draws import is_drawn
from plum_site.lib.periods import local_date
from reviews.models import Replacement
from reviews.rules.effects import HELD_OUT, TREATED, Effect
from reviews.rules.replacements import TRIED_METRICS, design_trial, say_trial
from reviews.selectors.effects import read_arms
from reviews.selectors.meanwhile import list_feeding_silences

CHAMPION, CHALLENGER = HELD_OUT, TREATED
NO_DAY = "The trial has no whole day yet: the first one that counts is {0}."


@dataclass(frozen=True)
class TrialArm:
    """One arm. on_old, on_new: events of a metric on the old and on the new offers; None where the arm is too small to show."""

    members: int
    on_old: int | None
    on_new: int | None

    @property
    def per_member(self) -> float | None:
        """Events of the metric for each member, on all offers of the trial."""
        if self.on_old is None or self.on_new is None or not self.members:
            return None
        return (self.on_old + self.on_new) / self.members


@dataclass(frozen=True)
class TrialFigure:
    """One metric in both arms: what was counted, and what it says."""

    metric: str
    champion: TrialArm
    challenger: TrialArm
    effect: Effect
    sentence: str


@dataclass(frozen=True)
class TrialComparison:
    """
    The arms of the newest trial of a replacement, over the whole program days `[starts_date, ends_date)` of it.

    is_over: whether it has ended. sentence: where nothing can be compared yet, why; "" otherwise.
    """

    trial: CatalogTrial
    starts_date: date
    ends_date: date
    is_over: bool
    sentence: str = ""
    figures: list[TrialFigure] = field(default_factory=list)

    @property
    def days(self) -> int:
        """How many days are compared."""
        return max((self.ends_date - self.starts_date).days, 0)


def compare_arms(replacement: Replacement, at: datetime) -> TrialComparison | None:
    """
    Those who try the new offers of a replacement against those who keep the old ones, in its newest trial.

    Members are those who were there on the day on which it began, of the segment where there is one. What counts is what they
    did with all of its offers, old and new, from the day after on; of a trial that runs, until yesterday.

    Shape: one TrialComparison with a figure for each of TRIED_METRICS that the program records; None without a trial.
    Raises: as summarise.
    Source: docs/rules/trial.md
    """
    trial, program = replacement.trial, replacement.program
    if trial is None:
        return None
    began = local_date(trial.started_at, program.time_zone)
    first, end = began + timedelta(days=1), local_date(trial.ended_at or at, program.time_zone)
    is_over = trial.ended_at is not None
    if end <= first:
        return TrialComparison(trial, first, max(end, first), is_over, NO_DAY.format(first))
    arms = split_arms(program, trial, began)
    figures = [
        _compare(program, trial, metric, arms, first, end, at)
        for metric, stage in TRIED_METRICS.items()
        if stage in program.recorded_stages
    ]
    return TrialComparison(trial, first, end, is_over, "", figures)


def split_arms(program: Program, trial: CatalogTrial, on: date) -> dict[str, BitMap]:
    """
    The members of a program day by arm of a trial, drawn as the catalog draws them.

    Shape: CHALLENGER and CHAMPION to row ids; nobody is in both.
    Source: docs/rules/trial.md
    """
    arms = {CHALLENGER: BitMap(), CHAMPION: BitMap()}
    rule = read_trial(trial)
    for member_id, key in iterate_member_keys(program.pk, BitMap(list_in_segment(trial.segment, program, on))):
        arms[CHALLENGER if is_drawn(key, rule.salt, rule.share) else CHAMPION].add(member_id)
    return arms


def _compare(
    program: Program, trial: CatalogTrial, metric: str, arms: Mapping[str, BitMap], first: date, end: date, at: datetime
) -> TrialFigure:
    days = (end - first).days
    pairs = list(trial.offers.select_related("old", "new"))
    news = sorted({pair.new.external_id for pair in pairs if pair.new is not None})
    every = sorted({*news, *(pair.old.external_id for pair in pairs if pair.old is not None)})
    head = head_of(program.pk)
    cutoff = head.number if head else 0
    design = design_trial(metric, days, every, trial.share_percent, trial.salt)
    silences = list_feeding_silences(program, first, end, cutoff, at)
    effect = read_arms(program=program, design=design, starts_date=first, arms=arms, silences=silences, cutoff=cutoff)
    counts = {
        name: count_arms(
            program=program,
            arms=arms,
            kind=Kind[TRIED_METRICS[metric].upper()],
            starts_date=first,
            window_days=days,
            where={"offer": offers},
            cutoff=cutoff,
        )
        for name, offers in (("every", every), ("new", news))
    }

    def describe(arm: str) -> TrialArm:
        every, new = (sum(counts[name][arm], ArmCounts()).events for name in ("every", "new"))
        is_small = len(arms[arm]) < program.minimum_group
        return TrialArm(len(arms[arm]), None if is_small else every - new, None if is_small else new)

    sentence = say_trial(design, effect, trial.ended_at is not None)
    return TrialFigure(metric, describe(CHAMPION), describe(CHALLENGER), effect, sentence)
