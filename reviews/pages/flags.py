"""Flags and crossings as pages show them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.metrics import METRICS
from plum_site.lib.admin import url_of
from plum_site.lib.present import Table, badge, count, link, rate
from reviews.choices import FlagState, Severity
from reviews.models import Flag, Scorecard
from reviews.rules import RATES
from reviews.rules.report import say_target, write_evidence, write_limit
from reviews.selectors import find_cases

SEVERITY_TONES = {Severity.NOTICE: "info", Severity.WARNING: "warn", Severity.CRITICAL: "bad"}
FLAG_TONES = {FlagState.OPEN: "bad", FlagState.ACKNOWLEDGED: "warn", FlagState.RESOLVED: "good", FlagState.DISMISSED: "idle"}
REASONS = {
    "not_confirmed": "not certain yet: it may be chance",
    "cooldown": "flagged recently, so silent this month",
    "data_gap": "events are missing: a source was silent",
    "market_wide": "the whole category moved alike",
    "position": "its offers were shown further down",
    "whole_partner": "the partner as a whole is flagged for it",
}


def show_severity(severity: str) -> SafeString:
    """A severity as a badge."""
    return badge(Severity(severity).label, SEVERITY_TONES[Severity(severity)])


def show_flag_state(state: str) -> SafeString:
    """The state of a flag as a badge."""
    return badge(FlagState(state).label, FLAG_TONES[FlagState(state)])


def show_measured(metric: str, value: Any) -> SafeString | str:
    """An observed value or a threshold in the unit of its metric."""
    return rate(value) if metric in RATES else count(float(value))


def say_limit(flag: Flag) -> str:
    """What the rule allows, in words."""
    version = flag.rule_version
    return write_limit(flag.metric, version.direction, version.reference, version.threshold, flag.threshold)


def say_evidence(metric: str, evidence: Mapping[str, Any]) -> str:
    """What a crossing rests on, with the interval that it lies in."""
    parts = [write_evidence(metric, evidence)]
    low, high = evidence.get("interval", [None, None])
    if low is not None:
        parts.append(f"lies between {show_measured(metric, max(low, 0))} and {show_measured(metric, high)}")
    return "; ".join(part for part in parts if part)


def say_flag(flag: Flag) -> SafeString:
    """A flag as one line."""
    rule, observed = flag.rule_version.rule, show_measured(flag.metric, flag.observed)
    return format_html(
        "{} {}{}: {}, {}",
        show_severity(flag.rule_version.severity),
        rule.name,
        say_target(flag.target, flag.target_key),
        observed,
        say_limit(flag),
    )


def make_flags(flags: Sequence[Flag]) -> Table:
    """The flags of a scorecard: observed, allowed, evidence; each leads to what became of it."""
    cases = find_cases(flags)
    rows = [
        [
            format_html(
                "{}{} {} {}",
                link(url_of(cases.get(flag.pk, flag.rule_version.rule)), flag.rule_version.rule.name),
                say_target(flag.target, flag.target_key),
                show_severity(flag.rule_version.severity),
                show_flag_state(cases[flag.pk].state) if flag.pk in cases else "",
            ),
            METRICS[flag.metric].label,
            show_measured(flag.metric, flag.observed),
            say_limit(flag),
            say_evidence(flag.metric, flag.evidence),
        ]
        for flag in flags
    ]
    return Table("Flags", ["Rule", "Metric", "Observed", "Allowed", "Evidence"], rows, "No rule was crossed.", frozenset({2}))


def make_crossed(card: Scorecard) -> Table | None:
    """
    Rules that were crossed and are not flags, or None. Of offers and segments only what is certain and has another reason than
    the partner as a whole: there are many of them, and chance crosses often.
    """
    names = {rule["code"]: rule["name"] for rule in card.cycle.config.get("rules", [])}
    rows = [
        [
            f"{names.get(one['rule'], one['rule'])}{say_target(one.get('target', ''), one.get('target_key', ''))}",
            show_measured(one["metric"], one["observed"]),
            show_measured(one["metric"], one["threshold"]),
            badge(REASONS.get(one.get("why_no_flag", ""), "no flag"), "warn"),
            say_evidence(one["metric"], one),
        ]
        for one in card.evidence.get("crossed", [])
        if not one.get("target_key") or one.get("why_no_flag") not in ("not_confirmed", "whole_partner")
    ]
    headers = ["Rule", "Observed", "Limit", "Why it is no flag", "Evidence"]
    return Table("Crossed, not flagged", headers, rows, numeric=frozenset({1, 2})) if rows else None
