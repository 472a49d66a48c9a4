"""What a rule would have flagged in the closed months: each is computed again from what it froze, with that rule in it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from partners.models import Program
from plum_site.lib.errors import InvalidInput
from plum_site.lib.periods import month_text, next_month, parse_month
from reviews.choices import CycleState, DecisionKind, RuleTarget
from reviews.models import Decision, ReviewCycle, Rule, RuleVersion
from reviews.rules import Card, ReviewInput, RuleSpec, make_cards, months_needed, say_rule
from reviews.selectors.config import cooldown_months, spec_of
from reviews.selectors.inputs import read_input
from reviews.selectors.months import list_months_back

MONTHS = 12
MOST_MONTHS = 36
MOST_KEPT = 200  # flags of one month that are kept with a version; the command prints all
UNAIDED, AFTER_ACTION, STILL_CROSSED, NOT_KNOWN = "unaided", "after_action", "still_crossed", "not_known"

Progress = Callable[[int, int, str], Any]
Key = tuple[str, str, str]  # partner, target, target key


@dataclass(frozen=True)
class BacktestFlag:
    """
    One flag that the rule would have opened.

    also_now: the present version flags it too. recovered: "unaided" where the next closed month was not crossed and nobody
    acted, "after_action" where somebody did, "still_crossed", or "not_known" where there is no such month.
    """

    partner: str
    target: str
    target_key: str
    observed: float
    threshold: float
    also_now: bool
    recovered: str


@dataclass(frozen=True)
class BacktestMonth:
    """One closed month: its partners, what the rule would have flagged, and what only the present version flags."""

    month: str
    revision: int
    cutoff: int
    partners: int
    flags: list[BacktestFlag]
    crossed: int
    present_flags: int
    only_present: list[str]


@dataclass(frozen=True)
class Backtest:
    """A rule over closed months, oldest first. present: the version in force of the rule of the same code, if there is one."""

    program: str
    rule: RuleSpec
    present: RuleSpec | None
    months: list[BacktestMonth]

    def as_json(self, most: int | None = None) -> dict[str, Any]:
        """For commands, the API and RuleVersion.backtest. most: so many flags of a month at most; left_out: how many more."""
        return {
            "program": self.program,
            "rule": self.rule.as_json(),
            "sentence": say_rule(self.rule),
            "present": self.present.as_json() if self.present else None,
            "present_sentence": say_rule(self.present) if self.present else None,
            "months": [_month_as_json(month, most) for month in self.months],
            "totals": self.totals(),
        }

    def totals(self) -> dict[str, Any]:
        """What it means: flags and partners in all and a month, and how many recovered by themselves."""
        flags = [flag for month in self.months for flag in month.flags]
        present = sum(month.present_flags for month in self.months)
        number = len(self.months)
        busiest = max(self.months, key=lambda month: (len(month.flags), month.month), default=None)
        return {
            "months": number,
            "flags": len(flags),
            "partners": len({flag.partner for flag in flags}),
            "flags_per_month": round(len(flags) / number, 1) if number else 0.0,
            "busiest_month": busiest.month if busiest and busiest.flags else None,
            "most_flags": len(busiest.flags) if busiest else 0,
            "crossed": sum(month.crossed for month in self.months),
            **{f"recovered_{how}": sum(flag.recovered == how for flag in flags) for how in (UNAIDED, AFTER_ACTION)},
            STILL_CROSSED: sum(flag.recovered == STILL_CROSSED for flag in flags),
            NOT_KNOWN: sum(flag.recovered == NOT_KNOWN for flag in flags),
            "present_flags": present,
            "present_flags_per_month": round(present / number, 1) if number else 0.0,
            "new_flags": sum(not flag.also_now for flag in flags),
            "dropped_flags": sum(len(month.only_present) for month in self.months),
        }


def backtest_rule(program: Program, rule: RuleSpec, months: int = MONTHS, progress: Progress | None = None) -> Backtest:
    """
    A rule over the last closed months, each replayed from its frozen configuration and cut-off with this rule in place of the
    one of its code, or beside the others where there is none. Nothing is written.

    Flags that the rule would have opened count for its own cooldown in the months after; before the first of the months
    nothing cools down.

    Shape: one Backtest.
    Raises: InvalidInput - invalid_months.
    Source: docs/rules/backtest.md
    """
    if not 1 <= months <= MOST_MONTHS:
        sentence = f"A back-test looks at 1 to {MOST_MONTHS} closed months, not {months}."
        raise InvalidInput("invalid_months", sentence, {"cycles": sentence})
    version = find_version_in_force(program.pk, rule.code)
    present = spec_of(version) if version else None
    tested = [one for one in (rule, present) if one is not None]
    cycles = list_closed_cycles(program.pk, months)
    found: dict[RuleSpec, list[_Found]] = {one: [] for one in tested}
    for index, cycle in enumerate(cycles):
        if progress is not None:
            progress(index, len(cycles), month_text(cycle.month_start_date))
        given = read_input(program, with_rules(cycle.config, tested), cycle.cutoff or 0)
        for one, before in found.items():
            cooling = {(one.code, partner) for partner in _list_cooling(one, cycle.month_start_date, before)}
            before.append(_find(one, cycle.month_start_date, make_cards(in_place(given, one, cooling))))
    if progress is not None:
        progress(len(cycles), len(cycles), "")
    acted = _list_acted(cycles)
    return Backtest(
        program=program.code,
        rule=rule,
        present=present,
        months=[
            _tell(cycle, mine, found[rule][index + 1 : index + 2], found[present][index] if present else None, acted)
            for index, (cycle, mine) in enumerate(zip(cycles, found[rule], strict=True))
        ],
    )


def list_closed_cycles(program_id: int, months: int) -> list[ReviewCycle]:
    """
    The newest closed revision of each of the last closed months.

    Shape: at most `months` ReviewCycles, oldest first.
    """
    closed = ReviewCycle.objects.filter(program_id=program_id, state=CycleState.CLOSED)
    newest: dict[date, ReviewCycle] = {}
    for cycle in closed.order_by("-month_start_date", "revision"):
        newest[cycle.month_start_date] = cycle
    return list(newest.values())[:months][::-1]


def find_version_in_force(program_id: int, code: str) -> RuleVersion | None:
    """
    The newest version of an active rule.

    Shape: one RuleVersion with its rule and owner, or None.
    """
    rule = Rule.objects.filter(program_id=program_id, code=code, is_active=True).first()
    return rule.versions.select_related("rule", "owner").order_by("-number").first() if rule else None


def with_rules(config: Mapping[str, Any], rules: Sequence[RuleSpec]) -> dict[str, Any]:
    """
    A frozen configuration with rules in place of those of the same codes, and with as many months as they look at; without the
    rules on parts of partners where these are about whole partners.

    Shape: as `read_config` gives it.
    """
    codes = {rule.code for rule in rules}
    frozen = [rule for rule in config["rules"] if rule["code"] not in codes]
    if all(rule.target == RuleTarget.PARTNER for rule in rules):
        # What offers and segments show says nothing about whole partners, and reading it is what takes longest.
        frozen = [rule for rule in frozen if rule.get("target", RuleTarget.PARTNER) == RuleTarget.PARTNER]
    newest = parse_month(config["months"][0])
    months = list_months_back(newest, max(len(config["months"]), months_needed(rules)))
    return {
        **config,
        "rules": [*frozen, *(rule.as_json() for rule in rules)],
        "months": [month_text(month) for month in months],
        "cooling": [pair for pair in config["cooling"] if pair[0] not in codes],
    }


def in_place(given: ReviewInput, rule: RuleSpec, cooling: set[tuple[str, str]]) -> ReviewInput:
    """
    What scorecards are made of, with one rule alone under its code, and its own cooldown.

    Shape: one ReviewInput.
    """
    others = [one for one in given.rules if one.code != rule.code]
    kept = {pair for pair in given.cooling if pair[0] != rule.code}
    return replace(given, rules=[*others, rule], cooling=frozenset(kept | cooling))


@dataclass(frozen=True)
class _Found:
    """What one rule found in one month. cards: partners that had a scorecard; crossed: whether flag or not."""

    month_start_date: date
    cards: frozenset[str]
    flags: dict[Key, tuple[float, float]]
    crossed: frozenset[Key]


def _find(rule: RuleSpec, month_start_date: date, cards: Sequence[Card]) -> _Found:
    flags: dict[Key, tuple[float, float]] = {}
    crossed: set[Key] = set()
    for card in cards:
        for flag in card.flags:
            if flag.rule == rule.code:
                flags[card.partner, str(flag.target), flag.target_key] = flag.observed, flag.threshold
        crossed |= {_key_of(card.partner, rule, one) for one in card.evidence["crossed"] if one["rule"] == rule.code}
    return _Found(month_start_date, frozenset(card.partner for card in cards), flags, frozenset(crossed | set(flags)))


def _key_of(partner: str, rule: RuleSpec, crossing: Mapping[str, Any]) -> Key:
    return partner, str(crossing.get("target", rule.target)), str(crossing.get("target_key", ""))


def _list_cooling(rule: RuleSpec, month_start_date: date, before: Sequence[_Found]) -> Iterator[str]:
    """The partners that the rule flagged within its cooldown before a month."""
    if not rule.cooldown:
        return
    for found in before:
        if next_month(month_start_date, -cooldown_months(rule)) <= found.month_start_date < month_start_date:
            yield from (partner for partner, _, _ in found.flags)


def _list_acted(cycles: Sequence[ReviewCycle]) -> set[tuple[int, str]]:
    """Where somebody decided to act: (cycle, partner)."""
    decided = Decision.objects.filter(scorecard__cycle__in=cycles, kind=DecisionKind.ACT)
    return set(decided.values_list("scorecard__cycle_id", "scorecard__partner__external_id"))


def _tell(
    cycle: ReviewCycle, mine: _Found, later: Sequence[_Found], present: _Found | None, acted: set[tuple[int, str]]
) -> BacktestMonth:
    theirs = present.flags if present else {}
    after = next((one for one in later if one.month_start_date == next_month(cycle.month_start_date)), None)
    return BacktestMonth(
        month=month_text(cycle.month_start_date),
        revision=cycle.revision,
        cutoff=cycle.cutoff or 0,
        partners=len(mine.cards),
        flags=[
            BacktestFlag(*key, *figures, also_now=key in theirs, recovered=_recovery(key, after, (cycle.pk, key[0]) in acted))
            for key, figures in sorted(mine.flags.items())
        ],
        crossed=len(mine.crossed - set(mine.flags)),
        present_flags=len(theirs),
        only_present=[" ".join(filter(None, (partner, key))) for partner, _, key in sorted(set(theirs) - set(mine.flags))],
    )


def _recovery(key: Key, after: _Found | None, has_acted: bool) -> str:
    if after is None or key[0] not in after.cards:
        return NOT_KNOWN
    if key in after.crossed:
        return STILL_CROSSED
    return AFTER_ACTION if has_acted else UNAIDED


def _month_as_json(month: BacktestMonth, most: int | None) -> dict[str, Any]:
    flags = month.flags if most is None else month.flags[:most]
    return {
        "month": month.month,
        "revision": month.revision,
        "cutoff": month.cutoff,
        "partners": month.partners,
        "flags": len(month.flags),
        "flagged": [vars(flag) for flag in flags],
        "left_out": len(month.flags) - len(flags),
        "crossed": month.crossed,
        "present_flags": month.present_flags,
        "only_present": month.only_present[:most],
    }
