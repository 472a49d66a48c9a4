"""What a review depends on besides the ledger, read once and then frozen by value in its cycle."""

import hashlib
import tomllib
import zoneinfo
from datetime import date, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from activity.metrics import METRIC_VERSION
from offers.selectors import list_live_offers, list_segments, load_catalog
from partners.models import Partner, Program
from partners.selectors import get_seasonal_index
from plum_site.lib.errors import NotFound
from plum_site.lib.periods import first_instant, local_date, month_bounds, month_text, next_month
from reviews.choices import CycleState, TimeUnit
from reviews.models import Flag, ReviewPolicy, Rule, RuleVersion
from reviews.rules import SHORTEST, PolicySpec, RuleSpec, months_needed, number_text, say_rule
from reviews.selectors.cycles import list_valid_cycles
from reviews.selectors.elapsed import read_elapsed
from reviews.selectors.gaps import list_gaps
from reviews.selectors.late import count_late_events
from reviews.selectors.months import find_first_month, list_months_back

TREND_MONTHS = 6
YEAR = 12  # months
COMPUTED_BY = ("reviews/rules", "activity/metrics.py")  # what decides about a scorecard, apart from its input


def read_config(program: Program, month_start_date: date, cutoff: int, at: datetime) -> dict[str, Any]:
    """
    Everything that a review of one month takes from outside the ledger, as it is now; at: the instant of consolidation.

    Shape: JSON; see docs/rules/digest.md. Dates and numbers are text, so that it reads the same on every engine.
    """
    rules = list_rules_in_force(program.pk)
    specs = [spec_of(version) for version in rules]
    policy = ReviewPolicy.objects.filter(program=program).order_by("-number").first()
    if policy is None:
        raise LookupError(f"program {program.code} has no review policy: install_default_rules makes one")
    months = list_months_back(month_start_date, max(TREND_MONTHS, months_needed(specs), policy.recency_months + 1))
    late, late_after = count_late_events(program, month_start_date, cutoff)
    live = list_live_partners(program, month_start_date)  # before the partners, so that each of them is described
    return {
        "program": {
            "code": program.code,
            "time_zone": program.time_zone,
            "currency": program.currency,
            "stage_order": program.stage_order,
            "recorded_stages": sorted(program.recorded_stages),
            "settlement_days": program.settlement_days,
        },
        "months": [month_text(month) for month in months],
        "is_over": at >= first_instant(next_month(month_start_date), program.time_zone),
        "elapsed": number_text(read_elapsed(program, month_start_date, cutoff, at)),
        "days_until": min(next_month(month_start_date), local_date(at, program.time_zone)).isoformat(),
        "attributes": list(program.reporting_attributes),
        "policy": {"number": policy.number, **policy_of(policy).as_json()},
        "rules": [
            {**spec.as_json(), "name": version.rule.name, "number": version.number, "digest": version.digest}
            for spec, version in zip(specs, rules, strict=True)
        ],
        "segments": [{"code": segment.code, "name": segment.name, "rule": segment.rule} for segment in list_segments(program.pk)],
        "partners": describe_partners(program),
        "live": live,
        "offer_days": count_offer_days(program, months),
        "seasons": _read_seasons(program.pk, months),
        "has_last_year": find_first_month(program) <= next_month(month_start_date, -YEAR - SHORTEST),
        "cooling": list_cooling(program.pk, month_start_date, specs),
        "late": late,
        "gaps": list_gaps(program, month_start_date, cutoff, at),
        "late_after": late_after,
        "metric_version": str(METRIC_VERSION),
        "code_version": code_version(),
        "time_zone_data": time_zone_data_version(),
    }


def describe_partners(program: Program) -> dict[str, dict[str, str]]:
    """
    What a review freezes of each partner, by value.

    Shape: external id to {"name", "category", "country"}.
    """
    partners = Partner.objects.filter(program=program).select_related("category").order_by("external_id")
    return {
        partner.external_id: {"name": partner.name, "category": partner.category.code, "country": partner.country}
        for partner in partners
    }


def list_rules_in_force(program_id: int) -> list[RuleVersion]:
    """
    The newest version of every active rule.

    Shape: RuleVersions with their rule, by rule code.
    """
    versions = RuleVersion.objects.filter(rule__program_id=program_id, rule__is_active=True).select_related("rule")
    newest: dict[int, RuleVersion] = {}
    for version in versions.order_by("rule__code", "number"):
        newest[version.rule_id] = version
    return list(newest.values())


def list_rules(program_id: int) -> QuerySet[Rule]:
    """
    The rules of a program, in force or not, with all their versions.

    Shape: Rules by code.
    """
    rows = Rule.objects.filter(program_id=program_id).order_by("code")
    return rows.prefetch_related("versions__owner", "versions__rule")


def find_rule(program_id: int, code: str) -> Rule | None:
    """
    One rule of a program with its versions, in force or not.

    Shape: one Rule or None.
    """
    return list_rules(program_id).filter(code=code).first()


def get_rule(program_id: int, code: str) -> Rule:
    """
    One rule of a program with its versions, in force or not.

    Shape: one Rule.
    Raises: NotFound.
    """
    rule = find_rule(program_id, code)
    if rule is None:
        raise NotFound("rule", code)
    return rule


def spec_of(version: RuleVersion) -> RuleSpec:
    """
    What a stored rule version says.

    Shape: one RuleSpec.
    """
    return RuleSpec(
        code=version.rule.code,
        metric=version.metric,
        direction=version.direction,
        reference=version.reference,
        threshold=version.threshold,
        minimum_denominator=version.minimum_denominator,
        lookback_months=version.lookback_months,
        window_days=version.window_days,
        persistence=version.persistence,
        persistence_unit=version.persistence_unit,
        cooldown=version.cooldown,
        cooldown_unit=version.cooldown_unit,
        is_strict=version.is_strict,
        severity=version.severity,
        target=version.target,
    )


def say_version(version: RuleVersion) -> str:
    """
    A stored rule version as one sentence.

    Shape: text with its full stop.
    """
    return say_rule(spec_of(version))


def say_rule_of(rule_id: int, number: int) -> str:
    """
    One version of a rule as one sentence; "" where there is no such version.

    Shape: text with its full stop.
    """
    version = RuleVersion.objects.filter(rule_id=rule_id, number=number).select_related("rule").first()
    return say_version(version) if version is not None else ""


def policy_of(policy: ReviewPolicy) -> PolicySpec:
    """
    What a stored policy says.

    Shape: one PolicySpec.
    """
    return PolicySpec(policy.weights, [tuple(band) for band in policy.bands], policy.minimum_events, policy.recency_months)


def list_live_partners(program: Program, month_start_date: date) -> list[str]:
    """
    The partners that had an offer live at any instant of a month.

    Shape: external ids, ascending.
    """
    offers = list_live_offers(program.pk, *month_bounds(month_start_date, program.time_zone)).values()
    ids = {facts.partner_id for facts in offers}
    return sorted(Partner.objects.filter(pk__in=ids).values_list("external_id", flat=True))


def count_offer_days(program: Program, months: list[date]) -> dict[str, list[int]]:
    """
    On how many days offers of each partner were live in each month, added up over its offers.

    Shape: partner's external id to one number for each of `months`.
    """
    partners = dict(Partner.objects.filter(program=program).values_list("pk", "external_id"))
    days: dict[str, list[int]] = {}
    for facts in load_catalog(program.pk).values():
        row = days.setdefault(partners[facts.partner_id], [0] * len(months))
        for place, month in enumerate(months):
            ends = next_month(month)
            for start, end in facts.live:
                row[place] += max(0, (min(end or ends, ends) - max(start or month, month)).days)
    return dict(sorted(days.items()))


def list_cooling(program_id: int, month_start_date: date, rules: list[RuleSpec]) -> list[list[str]]:
    """
    Which rules flagged which partners so recently that they stay silent, from the cycles of the months before.

    Shape: [rule code, partner external id] pairs, ascending.
    """
    pairs: set[tuple[str, str]] = set()
    for rule in rules:
        if rule.cooldown:
            flags = Flag.objects.filter(
                rule_version__rule__code=rule.code,
                scorecard__cycle__in=list_valid_cycles(program_id),
                scorecard__cycle__month_start_date__lt=month_start_date,
                scorecard__cycle__month_start_date__gte=next_month(month_start_date, -cooldown_months(rule)),
            ).exclude(scorecard__cycle__state=CycleState.OPEN)
            pairs |= {(rule.code, partner) for partner in flags.values_list("scorecard__partner__external_id", flat=True)}
    return [list(pair) for pair in sorted(pairs)]


def cooldown_months(rule: RuleSpec) -> int:
    """
    How many months after one that it flagged a rule stays silent; a cooldown in days reaches into the month after.

    Shape: a number of months.
    """
    return rule.cooldown if rule.cooldown_unit == TimeUnit.CYCLES else min(rule.cooldown, 1)


def _read_seasons(program_id: int, months: list[date]) -> dict[str, dict[str, str]]:
    seasons: dict[str, dict[str, str]] = {}
    for (category, month), index in sorted(get_seasonal_index(program_id).items()):
        if month in months:
            seasons.setdefault(category, {})[month_text(month)] = number_text(index)
    return seasons


@lru_cache(maxsize=1)
def code_version() -> str:
    """
    The release and a digest of the code that computes scorecards: "0.1.0+1a2b3c4d".

    Shape: text.
    """
    base: Path = settings.BASE_DIR
    release = tomllib.loads((base / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    digest = hashlib.sha256()
    for name in COMPUTED_BY:
        for path in sorted((base / name).rglob("*.py")) if (base / name).is_dir() else [base / name]:
            digest.update(path.relative_to(base).as_posix().encode() + b"\x00" + path.read_bytes())
    return f"{release}+{digest.hexdigest()[:8]}"


@lru_cache(maxsize=1)
def time_zone_data_version() -> str:
    """
    The version of the time-zone data that the months were cut with: "2025b", or "unknown".

    Shape: text.
    """
    for folder in zoneinfo.TZPATH:
        for name in ("+VERSION", "tzdata.zi"):
            path = Path(folder) / name
            if path.is_file():
                with path.open(encoding="utf-8") as file:
                    return file.readline().removeprefix("# version ").strip() or "unknown"
        if Path(folder).is_dir():
            return "unknown"  # the system's data says nothing about itself
    try:
        return metadata.version("tzdata")
    except metadata.PackageNotFoundError:
        return "unknown"
