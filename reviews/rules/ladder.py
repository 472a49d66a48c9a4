"""
The ladder: when a partner that stays poor is put on notice, gets an improvement plan, is due to be replaced, and comes back.

Pure: a rule, a rung and the closed reviews since the partner came to it lead to at most one step. docs/rules/ladder.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from partners.choices import PartnerState
from plum_site.lib.errors import InvalidInput
from reviews.choices import LadderName, Standing
from reviews.rules.actions.playbook import BLAMELESS

LONGEST = 24  # months that are looked back over
MOST_TRIED = 20
RUNGS = (PartnerState.ACTIVE, PartnerState.ON_NOTICE, PartnerState.IMPROVEMENT_PLAN)
POOR, GOOD, BETWEEN, SILENT = "poor", "good", "between", "silent"
DOES_WELL = frozenset({Standing.EXCELLENT, Standing.ON_TRACK})


@dataclass(frozen=True)
class Step:
    """
    What one step up asks for, all of it. months: closed reviews in a row that stand against the partner. flag_months: for how
    many months a flag must have stood by the last of them. tried: corrective actions measured in them that did not work.
    """

    months: int
    flag_months: int = 0
    tried: int = 0


@dataclass(frozen=True)
class LadderRule:
    """
    The rule of a program. notice, plan, replacement: what each step up asks for. counts_watch: whether a standing of watch
    counts against a partner as underperforming does. recovery_months: good reviews in a row that bring it back. writes: whether
    a letter to the partner is proposed with a step up.
    """

    is_on: bool = True
    notice: Step = field(default_factory=lambda: Step(2, flag_months=2))
    plan: Step = field(default_factory=lambda: Step(2, flag_months=3, tried=1))
    replacement: Step = field(default_factory=lambda: Step(3, flag_months=4, tried=1))
    counts_watch: bool = False
    recovery_months: int = 2
    writes: bool = True

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "LadderRule":
        """As it was stored; what a stored one does not say is as every program begins."""
        said: dict[str, Any] = {one.name: stored[one.name] for one in fields(cls) if one.name in stored}
        return cls(**said | {name: Step(**said[name]) for name in STEPS if name in said})


STEPS = ("notice", "plan", "replacement")


@dataclass(frozen=True)
class Tried:
    """One corrective action that was measured and did not work."""

    action: int
    kind: str
    verdict: str


@dataclass(frozen=True)
class MonthSeen:
    """
    What one closed review says about a partner. standing: "" where it had no scorecard. is_exempt: a person decided so.
    flag_months: for how many months the flag that had stood longest stood by then; flag: which one it was.
    """

    month: str
    standing: str
    cause: str = ""
    is_exempt: bool = False
    flag_months: int = 0
    flag: str = ""
    tried: tuple[Tried, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """One step that the rule asks for, and what it rests on. months: those in a row, oldest first, without the silent ones."""

    name: str
    state: str
    target: str
    months: tuple[MonthSeen, ...]
    flag_months: int = 0
    flag: str = ""
    tried: tuple[Tried, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The evidence as it is stored."""
        months = [{"month": one.month, "standing": str(one.standing)} for one in self.months]
        tried = [asdict(one) for one in self.tried]
        return {"months": months, "flag": self.flag, "flag_months": self.flag_months, "tried": tried}


# From each rung: which part of the rule leads up, by which name, to where. What is due leads to no other rung by itself.
UP: dict[str, tuple[str, LadderName, str]] = {
    PartnerState.ACTIVE: ("notice", LadderName.PUT_ON_NOTICE, PartnerState.ON_NOTICE),
    PartnerState.ON_NOTICE: ("plan", LadderName.START_IMPROVEMENT_PLAN, PartnerState.IMPROVEMENT_PLAN),
    PartnerState.IMPROVEMENT_PLAN: ("replacement", LadderName.REPLACEMENT_DUE, PartnerState.IMPROVEMENT_PLAN),
}


def judge(rule: LadderRule, state: str, months: Sequence[MonthSeen]) -> Judgement | None:
    """
    The step that the newest of some closed reviews brings, or None.

    months: those that were closed since the partner came to its rung, oldest first, none left out.

    Shape: one Judgement or None.
    Source: docs/rules/ladder.md
    """
    if not rule.is_on or state not in UP or not months:
        return None
    side = side_of(rule, months[-1])
    row = _row_of(rule, months, side)
    if side == GOOD and state != PartnerState.ACTIVE and len(row) >= rule.recovery_months:
        return Judgement(LadderName.RESTORE, state, PartnerState.ACTIVE, row)
    if side != POOR:
        return None
    part, name, target = UP[state]
    step: Step = getattr(rule, part)
    newest = months[-1]
    tried = tuple(one for month in months if month.month >= row[0].month for one in month.tried)
    if len(row) < step.months or newest.flag_months < step.flag_months or len(tried) < step.tried:
        return None
    return Judgement(name, state, target, row, newest.flag_months, newest.flag, tried)


def climb(rule: LadderRule, months: Sequence[MonthSeen]) -> tuple[str, bool]:
    """
    The rung on which a partner would be had the rule been in force over all these months; and whether replacing it is due.

    Shape: (state, due).
    Source: docs/rules/ladder.md
    """
    state, since, is_due = str(PartnerState.ACTIVE), 0, False
    for end in range(1, len(months) + 1):
        found = judge(rule, state, months[since:end])
        if found is not None:
            state, since, is_due = str(found.target), end, found.name == LadderName.REPLACEMENT_DUE
    return state, is_due


def side_of(rule: LadderRule, month: MonthSeen) -> str:
    """
    Whether a month stands against a partner, for it, between the two, or says nothing about it.

    Shape: POOR, GOOD, BETWEEN or SILENT.
    """
    if month.is_exempt:
        return SILENT
    if month.standing in DOES_WELL:
        return GOOD
    if month.standing not in (Standing.UNDERPERFORMING, Standing.WATCH):
        return SILENT
    if month.standing == Standing.WATCH and not rule.counts_watch:
        return BETWEEN
    return SILENT if month.cause in BLAMELESS else POOR


def check_ladder(rule: LadderRule) -> None:
    """
    Refuse a rule that asks for the impossible.

    Raises: InvalidInput - invalid_ladder, with a sentence for each field at fault ("plan.months").
    """
    faults = {}
    for name in STEPS:
        step: Step = getattr(rule, name)
        if not 1 <= step.months <= LONGEST:
            faults[f"{name}.months"] = f"A number of reviews from 1 to {LONGEST}."
        if not 0 <= step.flag_months <= LONGEST:
            faults[f"{name}.flag_months"] = f"A number of months from 0 to {LONGEST}."
        if not 0 <= step.tried <= MOST_TRIED:
            faults[f"{name}.tried"] = f"A number of actions from 0 to {MOST_TRIED}."
    if not 1 <= rule.recovery_months <= LONGEST:
        faults["recovery_months"] = f"A number of reviews from 1 to {LONGEST}."
    if faults:
        raise InvalidInput("invalid_ladder", "The ladder was not saved; the version in force stays.", faults)


def say_ladder(rule: LadderRule) -> list[str]:
    """
    The rule in words: one sentence a step.

    Shape: sentences.
    """
    if not rule.is_on:
        return ["The ladder is off: nobody moves by rule."]
    poor = "underperforming or watch" if rule.counts_watch else "underperforming"
    letter = " A letter to it is proposed." if rule.writes else ""
    return [
        f"Active: after {_say_step(rule.notice, poor)}, the partner is put on notice.{letter}",
        f"On notice: after {_say_step(rule.plan, poor)} since, its improvement plan begins.{letter}",
        f"Improvement plan: after {_say_step(rule.replacement, poor)} since, replacing it is due, and is proposed.",
        f"On either rung: after {_count(rule.recovery_months, 'closed review')} in a row of on track or excellent, "
        "it is active again.",
    ]


def say_judgement(found: Mapping[str, Any]) -> str:
    """
    What a step rests on, from its stored evidence.

    Shape: one sentence.
    """
    months = ", ".join(f"{one['month']} {_label(one['standing'])}" for one in found["months"])
    parts = [f"{_count(len(found['months']), 'closed review')} in a row: {months}"]
    if found.get("flag"):
        parts.append(f"the flag {found['flag']} has stood for {_count(found['flag_months'], 'month')}")
    if found.get("tried"):
        said = ", ".join(f"action {one['action']} ({one['verdict'].replace('_', ' ')})" for one in found["tried"])
        parts.append(f"tried without success: {said}")
    return f"{'; '.join(parts)}."


def _row_of(rule: LadderRule, months: Sequence[MonthSeen], side: str) -> tuple[MonthSeen, ...]:
    """The newest months in a row on one side, oldest first; silent ones neither count nor end the row."""
    row: list[MonthSeen] = []
    for month in reversed(months):
        found = side_of(rule, month)
        if found == SILENT:
            continue
        if found != side:
            break
        row.append(month)
    return tuple(reversed(row))


def _say_step(step: Step, poor: str) -> str:
    parts = [f"{_count(step.months, 'closed review')} in a row of {poor}"]
    if step.flag_months:
        parts.append(f"with a flag that has stood for {_count(step.flag_months, 'month')}")
    if step.tried:
        parts.append(f"with {_count(step.tried, 'corrective action')} that did not work")
    return _and(parts)


def _label(standing: str) -> str:
    return Standing(standing).label.lower()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _and(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
