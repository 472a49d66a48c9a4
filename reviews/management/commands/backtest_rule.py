import argparse
import json
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from partners.selectors import get_program
from plum_site.lib.commands import PlumCommand
from plum_site.lib.errors import InvalidInput, NotFound
from reviews.rules import RuleSpec, check_rule, say_rule
from reviews.selectors import Backtest, backtest_rule, find_version_in_force, spec_of
from reviews.selectors.backtest import MONTHS, UNAIDED

WHOLE_NUMBERS = {"minimum_denominator", "lookback_months", "window_days", "persistence", "cooldown"}
NEEDED = ("metric", "direction", "reference", "threshold", "minimum_denominator")
PARTS = tuple(part.name for part in fields(RuleSpec) if part.name != "code")
NAMED = 6  # partners that a row of the table names


def assignment(text: str) -> tuple[str, Any]:
    """An argument type: `part=value` of a rule; numbers and true, false and null are read as such."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no change. Write it as part=value, for example threshold=0.5.")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value.strip()


class Command(PlumCommand):
    """Tries a rule on the closed months; reads only."""

    help = (
        "Try a rule, as it is or changed, on the last closed months: who would have been flagged, who recovered unaided, and how "
        "much work that is a month. Nothing is written (docs/rules/backtest.md)."
    )
    example = """
    ./plum manage backtest_rule --program acme --rule redemption_rate_fall --set threshold=0.5
    ./plum manage backtest_rule --program acme --rule new_rule --file rule.json --format json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--program", required=True, help="code of the program")
        parser.add_argument("--rule", required=True, metavar="CODE", help="code of the rule: one in force, or a new one")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--file", type=Path, metavar="FILE", help="a JSON object with the parts of the rule")
        how.add_argument(
            "--set",
            type=assignment,
            action="append",
            default=[],
            metavar="PART=VALUE",
            help=f"a part of the rule in force that is changed; may stand several times. Parts: {', '.join(PARTS)}",
        )
        parser.add_argument(
            "--cycles", type=int, default=MONTHS, metavar="N", help=f"the last N closed months (default {MONTHS})"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        program = get_program(options["program"])
        version = find_version_in_force(program.pk, options["rule"])
        present = spec_of(version) if version else None
        if options["file"] is not None:
            rule = make_rule(options["rule"], read_parts(options["file"]), None)
        else:
            rule = make_rule(options["rule"], dict(options["set"]), present)
        check_rule(rule)
        with self.progress(None, "Trying the rule") as bar:

            def show(done: int, total: int, note: str) -> None:
                bar.reach(done, total)
                bar.note(note)

            tested = backtest_rule(program, rule, options["cycles"], show)
        if self.as_json:
            self.print_json(tested.as_json())
        else:
            print_backtest(self, tested)


def read_parts(path: Path) -> dict[str, Any]:
    """The parts of a rule from a file; numbers stay exact."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise InvalidInput("unreadable_file", f"{path} cannot be read: {error.strerror}. Nothing was computed.") from error
    except ValueError as error:
        raise InvalidInput("unreadable_file", f"{path} is not JSON: {error}. Nothing was computed.") from error
    if not isinstance(given, dict):
        raise InvalidInput("unreadable_file", f"{path} must hold one JSON object. Nothing was computed.")
    return given


def make_rule(code: str, parts: dict[str, Any], present: RuleSpec | None) -> RuleSpec:
    """A rule from its parts, on top of the one in force if there is one; what is wrong is named part by part."""
    faults = {
        name: f"A rule has no part of this name. Parts: {', '.join(PARTS)}."
        for name in parts
        if name not in PARTS and not (name == "code" and parts[name] == code)
    }
    given = {name: value for name, value in parts.items() if name in PARTS}
    if present is None:
        faults |= {name: "Say it: there is no such rule in force to take it from." for name in NEEDED if name not in given}
    for name, value in given.items():
        if name == "threshold":
            given[name] = read_number(value)
            if given[name] is None:
                faults[name] = f"{value!r} is no number. Write one such as 0.6."
        elif name in WHOLE_NUMBERS and not (name == "window_days" and value is None):
            if not isinstance(value, int) or isinstance(value, bool):
                faults[name] = f"{value!r} is no whole number."
        elif name == "is_strict":
            if not isinstance(value, bool):
                faults[name] = f"Write true or false, not {value!r}."
        elif value is not None and not isinstance(value, str):
            faults[name] = f"{value!r} is no word."
    if faults:
        if present is None and not parts:
            raise NotFound("rule in force", code)
        raise InvalidInput("invalid_rule", f"The rule {code!r} cannot be tried. Nothing was computed.", faults)
    base = {name: getattr(present, name) for name in PARTS} if present is not None else {}
    return RuleSpec(code=code, **{**base, **given})


def read_number(value: Any) -> Decimal | None:
    """A finite number, or None."""
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def print_backtest(command: PlumCommand, tested: Backtest) -> None:
    """The rule as a sentence, its months, and what it means."""
    command.say(say_rule(tested.rule))
    if tested.present is not None and tested.present != tested.rule:
        command.say(f"Now in force: {say_rule(tested.present)}")
    if not tested.months:
        command.say(f"{tested.program} has no closed month yet: there is nothing to try it on.")
        return
    rows = []
    for month in tested.months:
        names = list(dict.fromkeys(flag.partner for flag in month.flags))
        rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        unaided = sum(flag.recovered == UNAIDED for flag in month.flags)
        who = f"{', '.join(names[:NAMED])}{rest}"
        rows.append([month.month, month.partners, len(month.flags), month.present_flags, month.crossed, unaided, who])
    command.print_table(["month", "partners", "would flag", "flagged now", "crossed only", "recovered unaided", "who"], rows)
    totals = tested.totals()
    known = totals["flags"] - totals["not_known"]
    command.say(
        f"Flags: {totals['flags']} in {totals['months']} months ({totals['flags_per_month']} a month; now "
        f"{totals['present_flags_per_month']}), partners: {totals['partners']}. {totals['recovered_unaided']} of {known} whose "
        f"next month is known recovered unaided. New: {totals['new_flags']}; gone: {totals['dropped_flags']}."
    )
