"""What the previews of rules and policies show before anything is saved."""

from collections.abc import Mapping
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from partners.models import Partner, Program
from plum_site.lib.admin import show_progress, url_of
from plum_site.lib.choices import JobState
from plum_site.lib.models import Job, User
from plum_site.lib.periods import parse_month
from plum_site.lib.present import NO_DATA, Table, badge, count, link, month
from reviews.choices import Severity
from reviews.pages import show_standing
from reviews.pages.flags import show_measured
from reviews.rules import say_rule
from reviews.selectors import PolicyPreview, RulePreview
from reviews.selectors.backtest import AFTER_ACTION, STILL_CROSSED, UNAIDED

MOST_ROWS = 200
NAMED = 5  # partners of one month that its row names
RECOVERIES = {
    UNAIDED: ("recovered unaided", "good"),
    AFTER_ACTION: ("recovered after somebody acted", "info"),
    STILL_CROSSED: ("crossed again", "bad"),
}


def show_rule_preview(program: Program, preview: RulePreview) -> dict[str, Any]:
    """The sentence, how far the back-test is, and once it is there, what it says."""
    owner = User.objects.filter(pk=preview.owner_id).first() if preview.owner_id is not None else None
    told = f"{owner.get_full_name() or owner.username} is told" if owner else "the owner of the partner is told"
    note = f"{preview.name} ({preview.rule.code}): {Severity(preview.rule.severity).label.lower()}, {told}."
    title = f"The rule, as version {preview.number + 1}"
    shown: dict[str, Any] = {
        **_show_job(preview.job, "Every closed month is computed again with this rule; nothing is saved meanwhile."),
        "sentences": [{"title": title, "text": say_rule(preview.rule), "note": note}],
        "tables": [],
    }
    if preview.result is None:
        return shown
    result = preview.result
    if result["present_sentence"] and result["present"] != result["rule"]:
        shown["sentences"].append({"title": "Now in force", "text": result["present_sentence"]})
    return shown | show_backtest(program, result)


def show_backtest(program: Program, result: Mapping[str, Any]) -> dict[str, Any]:
    """A back-test as figures, months and flags."""
    if not result["months"]:
        return {"nothing": "No month is closed yet, so there is nothing to try the rule on. It can be saved all the same."}
    totals = result["totals"]
    known = totals["flags"] - totals["not_known"]
    now = f"{totals['present_flags_per_month']} as it is now" if result["present"] else "there is no such rule yet"
    figures = [
        _figure("Flags a month", totals["flags_per_month"], f"over {_months(totals['months'])}; {now}"),
        _figure(
            "Partners flagged",
            count(totals["partners"]),
            f"{totals['new_flags']} flags that are not raised now, {totals['dropped_flags']} raised now that would be gone",
        ),
        _figure("Busiest month", count(totals["most_flags"]), _name_month(totals["busiest_month"])),
        _figure(
            "Recovered unaided",
            f"{totals['recovered_unaided']} of {known}" if known else NO_DATA,
            "of the flags whose next month is known: not crossed any more, and nobody acted. Many mean a rule too eager.",
        ),
    ]
    names = _name_partners(program, result)
    return {"figures": figures, "tables": [_list_months(result, names), _list_flags(result, names)]}


def summarise_backtest(result: Mapping[str, Any] | None) -> SafeString | str:
    """What was shown before a version was saved, in a few words."""
    if not result:
        return NO_DATA
    totals = result["totals"]
    if not totals["months"]:
        return "no closed month to try it on"
    flags = "1 flag" if totals["flags"] == 1 else f"{totals['flags']} flags"
    return f"{flags} in {_months(totals['months'])}, {totals['recovered_unaided']} recovered unaided"


def show_policy_preview(program: Program, preview: PolicyPreview) -> dict[str, Any]:
    """How many partners would have another standing, and who."""
    shown = _show_job(preview.job, "The newest month is scored by both policies; nothing is saved meanwhile.")
    if preview.result is None:
        return {**shown, "tables": []}
    result = preview.result
    if result["month"] is None:
        nothing = "No month was reviewed yet, so there is nobody to show. The policy can be put in force all the same."
        return {**shown, "nothing": nothing, "tables": []}
    named = month(parse_month(result["month"]))
    changed = result["changed"]
    names = dict(Partner.objects.filter(program=program).values_list("external_id", "name"))
    share = f"of {count(result['partners'])} partners in {named}"
    rows = [
        [
            names.get(one["partner"], one["partner"]),
            show_standing(one["before"]),
            show_standing(one["after"]),
            count(one["score_before"], 1),
            count(one["score_after"], 1),
        ]
        for one in changed[:MOST_ROWS]
    ]
    counted = [[show_standing(one["standing"]), count(one["before"]), count(one["after"])] for one in result["standings"]]
    headers = ["Partner", "Standing now", "Standing then", "Score now", "Score then"]
    return {
        **shown,
        "figures": [_figure("Change their standing", count(len(changed)), share)],
        "tables": [
            Table(
                f"Standings in {named}", ["Standing", "By the policy in force", "By this one"], counted, numeric=frozenset({1, 2})
            ),
            Table("Whose standing changes", headers, rows, "Nobody's standing changes.", frozenset({3, 4})),
        ],
    }


def _show_job(job: Job, waiting: str) -> dict[str, Any]:
    is_waiting = job.state in (JobState.DUE, JobState.RUNNING)
    return {
        "progress": show_progress(job) if is_waiting else "",
        "waiting": waiting,
        "failure": "The computation was given up; whoever runs Plum finds the reason under Operations, Jobs."
        if job.state == JobState.DEAD
        else "",
        "is_ready": job.state == JobState.DONE,
    }


def _figure(label: str, value: Any, note: str) -> dict[str, Any]:
    return {"label": label, "value": value, "note": note}


def _months(number: int) -> str:
    return "1 closed month" if number == 1 else f"{number} closed months"


def _name_month(text: str | None) -> str:
    return f"flags in {month(parse_month(text))}" if text else "no month has a flag"


def _name_partners(program: Program, result: Mapping[str, Any]) -> dict[str, Any]:
    """External id to a link to the partner's page."""
    ids = {flag["partner"] for one in result["months"] for flag in one["flagged"]}
    rows = Partner.objects.filter(program=program, external_id__in=ids)
    return {row.external_id: link(url_of(row), row.name) for row in rows}


def _list_months(result: Mapping[str, Any], names: Mapping[str, Any]) -> Table:
    rows = []
    for one in result["months"]:
        partners = list(dict.fromkeys(flag["partner"] for flag in one["flagged"]))
        rest = f" and {len(partners) - NAMED} more" if len(partners) > NAMED else ""
        unaided = sum(flag["recovered"] == UNAIDED for flag in one["flagged"])
        rows.append(
            [
                month(parse_month(one["month"])),
                count(one["partners"]),
                count(one["flags"]),
                count(one["present_flags"]),
                count(one["crossed"]),
                count(unaided),
                format_html("{}{}", format_html_join(", ", "{}", ((names.get(one, one),) for one in partners[:NAMED])), rest),
            ]
        )
    headers = ["Month", "Partners", "Would flag", "Flagged now", "Crossed, no flag", "Recovered unaided", "Who"]
    note = "Flagged now: by the version in force. Crossed, no flag: not certain, or silent after a flag."
    return Table("Month by month", headers, rows, numeric=frozenset({1, 2, 3, 4, 5}), note=note)


def _list_flags(result: Mapping[str, Any], names: Mapping[str, Any]) -> Table:
    metric = result["rule"]["metric"]
    rows = [
        [
            month(parse_month(one["month"])),
            names.get(flag["partner"], flag["partner"]),
            flag["target_key"] or "the whole",
            show_measured(metric, flag["observed"]),
            show_measured(metric, flag["threshold"]),
            badge("yes", "idle") if flag["also_now"] else badge("new", "warn"),
            badge(*RECOVERIES[flag["recovered"]]) if flag["recovered"] in RECOVERIES else "not known yet",
        ]
        for one in reversed(result["months"])
        for flag in one["flagged"]
    ]
    note = f"The newest {MOST_ROWS} of {len(rows)}." if len(rows) > MOST_ROWS else ""
    headers = ["Month", "Partner", "Where", "Observed", "Limit", "Flagged now", "The month after"]
    return Table("What it would have flagged", headers, rows[:MOST_ROWS], "Nobody.", frozenset({3, 4}), note)
