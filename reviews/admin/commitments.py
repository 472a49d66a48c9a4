"""How a review opens: what was promised in the one before, with what became of it, and which events arrived late."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from plum_site.lib.admin import url_of
from plum_site.lib.periods import next_month, parse_month
from plum_site.lib.present import NO_DATA, Table, badge, count, day, instant, link, month, words
from reviews.models import ReviewCycle, Scorecard
from reviews.pages import show_decision, show_standing
from reviews.pages.actions import name_of, say, show_verdict
from reviews.selectors import list_action_commitments, list_commitments, summarise_late

OUTCOMES = {
    "failed": "Failed",
    "overdue": "Overdue",
    "undone": "Not done yet",
    "done_late": "Done late",
    "done": "Done",
    "reverted": "Reverted",
    "rejected": "Rejected",
    "cancelled": "Cancelled",
}
TONES = {
    "failed": "bad",
    "overdue": "bad",
    "undone": "info",
    "done_late": "warn",
    "done": "good",
    "reverted": "warn",
    "rejected": "idle",
    "cancelled": "idle",
}


def say_flags(card: Scorecard) -> str:
    """The rules that it crossed."""
    return words((flag.rule_version.rule.name for flag in card.flags.all()), empty="none")


def make_commitments(cycle: ReviewCycle, cards: Sequence[Scorecard]) -> Table | None:
    """The partners that somebody decided to act upon or watch the month before, then and now; None where there is none."""
    rows: list[list[Any]] = []
    for one in list_commitments(cycle, cards):
        name = link(url_of(one.now), one.now.partner.name) if one.now is not None else one.then.partner.name
        rows.append(
            [
                name,
                link(url_of(one.then), show_decision(one.then)),
                show_standing(one.then.standing),
                say_flags(one.then),
                show_standing(one.now.standing) if one.now is not None else "no offer and no event any more",
                say_flags(one.now) if one.now is not None else NO_DATA,
                one.decision.comment or NO_DATA,
            ]
        )
    before = month(next_month(cycle.month_start_date, -1))
    headers = ["Partner", "Decided", "Standing then", "Flags then", "Standing now", "Flags now", "Why"]
    note = "Decisions of people to act or to monitor, those to act upon first. What rules decided needs nobody's eye."
    return Table(f"Decided in {before}, and what became of it", headers, rows, note=note) if rows else None


def make_action_commitments(cycle: ReviewCycle, at: datetime) -> Table | None:
    """The corrective actions of the cycle before: done or not by their log, and whether they worked; None where there is none."""
    rows: list[list[Any]] = [
        [
            link(url_of(one.action), say(one.action)),
            badge(OUTCOMES[one.outcome], TONES[one.outcome]),
            day(one.action.due_date),
            instant(one.done_at),
            show_verdict(one.action.verdict),
            name_of(one.action.owner) or NO_DATA,
            one.said or NO_DATA,
        ]
        for one in list_action_commitments(cycle, at)
    ]
    before = month(next_month(cycle.month_start_date, -1))
    headers = ["Corrective action", "What became of it", "Due", "Done", "Verdict", "Owner", "Why"]
    note = "What the log says, not what somebody ticked. What asks for somebody comes first."
    return Table(f"Actions after the review of {before}", headers, rows, note=note) if rows else None


def make_late_lines(cards: Sequence[Scorecard]) -> Table | None:
    """Events of earlier months that arrived after the review of their month was frozen; None where there is none."""
    rows = [[month(parse_month(one.month)), count(one.events), count(one.partners)] for one in summarise_late(cards)]
    note = "They are in no review of their own month. Closed months stay as they are; a restatement makes one anew."
    headers = ["They belong to", "Events", "Partners"]
    return Table("Late events", headers, rows, numeric=frozenset({1, 2}), note=note) if rows else None
