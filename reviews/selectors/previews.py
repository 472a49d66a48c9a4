"""What a change of a rule or of the policy would mean, shown before it is saved."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from partners.models import Program
from plum_site.lib.choices import JobState
from plum_site.lib.errors import NotFound
from plum_site.lib.models import Job
from plum_site.lib.periods import month_text
from reviews.choices import Standing
from reviews.models import ReviewPolicy, Scorecard
from reviews.rules import Card, PolicySpec, RuleSpec, make_cards
from reviews.selectors.backtest import list_closed_cycles
from reviews.selectors.config import policy_of
from reviews.selectors.cycles import find_latest_cycle
from reviews.selectors.inputs import read_input
from reviews.selectors.months import list_months_back

RULE_PREVIEW, POLICY_PREVIEW = "reviews.backtest_rule", "reviews.preview_policy"
BEST_FIRST = tuple(Standing)
MOST_AT_ONCE = 300  # scorecards that are computed again while somebody waits: about half a second


@dataclass(frozen=True)
class RulePreview:
    """
    A change of a rule that somebody wants to see before it is saved. number: of the version that it was made from, 0 for none.

    result: the back-test as JSON; None while it runs, or where it failed.
    """

    job: Job
    name: str
    rule: RuleSpec
    owner_id: int | None
    number: int
    result: dict[str, Any] | None


@dataclass(frozen=True)
class PolicyPreview:
    """A policy that somebody wants to see before it is in force. number: of the policy that it was made from."""

    job: Job
    policy: PolicySpec
    number: int
    result: dict[str, Any] | None


def get_rule_preview(program_id: int, job_id: int) -> RulePreview:
    """
    The preview that a job works on or has made.

    Shape: one RulePreview.
    Raises: NotFound.
    """
    job = _get_job(program_id, job_id, RULE_PREVIEW)
    given = job.arguments
    result = job.result if job.state == JobState.DONE else None
    return RulePreview(job, given["name"], RuleSpec.from_json(given["rule"]), given["owner_id"], given["number"], result)


def takes_long(program_id: int, months: int) -> bool:
    """
    Whether a back-test over the last closed months is too much to wait for within a request.

    Shape: a bool.
    """
    return Scorecard.objects.filter(cycle__in=list_closed_cycles(program_id, months)).count() > MOST_AT_ONCE


def get_policy_preview(program_id: int, job_id: int) -> PolicyPreview:
    """
    The preview that a job works on or has made.

    Shape: one PolicyPreview.
    Raises: NotFound.
    """
    job = _get_job(program_id, job_id, POLICY_PREVIEW)
    result = job.result if job.state == JobState.DONE else None
    return PolicyPreview(job, PolicySpec.from_json(job.arguments["policy"]), job.arguments["number"], result)


def compare_policies(program: Program, policy: PolicySpec) -> dict[str, Any]:
    """
    Whose standing would be another by a policy: the newest frozen month, or the open one where there is none, scored by the
    policy in force and by this one from the same figures.

    Shape: {"month": YYYY-MM or None, "partners", "changed": [{"partner", "before", "after", "score_before", "score_after"}],
    "standings": [{"standing", "before", "after"}]}; standings best first.
    Source: docs/rules/standing.md
    """
    cycle = find_latest_cycle(program.pk)
    if cycle is None:
        return {"month": None, "partners": 0, "changed": [], "standings": []}
    in_force = ReviewPolicy.objects.filter(program=program).order_by("-number").first()
    present = policy_of(in_force) if in_force else PolicySpec.from_json(cycle.config["policy"])
    recency = max(present.recency_months, policy.recency_months)
    months = list_months_back(cycle.month_start_date, max(len(cycle.config["months"]), recency + 1))
    given = read_input(program, {**cycle.config, "months": [month_text(month) for month in months]}, cycle.cutoff or 0)
    before, after = (make_cards(replace(given, policy=one)) for one in (present, policy))
    changed = [_tell(old, new) for old, new in zip(before, after, strict=True) if old.standing != new.standing]
    counts = Counter(card.standing for card in before), Counter(card.standing for card in after)
    return {
        "month": month_text(cycle.month_start_date),
        "partners": len(after),
        "changed": changed,
        "standings": [
            {"standing": standing.value, "before": counts[0][standing.value], "after": counts[1][standing.value]}
            for standing in BEST_FIRST
            if counts[0][standing.value] or counts[1][standing.value]
        ],
    }


def _tell(before: Card, after: Card) -> dict[str, Any]:
    return {
        "partner": before.partner,
        "before": before.standing,
        "after": after.standing,
        "score_before": None if before.score is None else float(before.score),
        "score_after": None if after.score is None else float(after.score),
    }


def _get_job(program_id: int, job_id: int, name: str) -> Job:
    job = Job.objects.filter(pk=job_id, program_id=program_id, name=name).first()
    if job is None:
        raise NotFound("preview", job_id)
    return job
