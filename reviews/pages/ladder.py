"""The ladder on screen: rungs, moves and holds as tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.safestring import SafeString

from partners.choices import PartnerState
from plum_site.lib.admin import url_of
from plum_site.lib.people import names_of
from plum_site.lib.periods import parse_month
from plum_site.lib.present import NO_DATA, Table, badge, instant, link, month, words
from reviews.choices import LadderName, LadderOutcome, Standing
from reviews.models import LadderHold, LadderMove, ReviewCycle
from reviews.rules.ladder import MonthSeen, say_judgement
from reviews.selectors.ladder import Rung, list_moves_in

TONES = {PartnerState.ACTIVE: "good", PartnerState.ON_NOTICE: "warn", PartnerState.IMPROVEMENT_PLAN: "warn"}
OUTCOME_TONES = {LadderOutcome.MOVED: "info", LadderOutcome.HELD: "idle", LadderOutcome.DUE: "bad"}


def show_rung(state: str, is_due: bool = False) -> SafeString:
    """A rung, and whether replacing is due."""
    if is_due:
        return badge("Replacing is due", "bad")
    return badge(PartnerState(state).label, TONES.get(PartnerState(state), "idle"))


def show_step(name: str, outcome: str) -> SafeString:
    """What the rule asked for, and what became of it."""
    label = LadderName(name).label
    if outcome == LadderOutcome.HELD:
        return badge(f"{label}: held", OUTCOME_TONES[LadderOutcome.HELD])
    tone = "good" if name == LadderName.RESTORE else OUTCOME_TONES[LadderOutcome(outcome)]
    return badge(label, tone)


def say_months(months: Sequence[MonthSeen]) -> str:
    """The closed reviews that count."""
    said = (f"{month(parse_month(one.month))}: {Standing(one.standing).label.lower()}" for one in months if one.standing)
    return words(said, empty="none yet")


def make_moves(title: str, moves: Sequence[LadderMove], empty: str, *, with_partner: bool = True) -> Table:
    """Who moved, when and on what evidence."""
    rows = [
        [
            *([link(url_of(move.partner), move.partner.name)] if with_partner else []),
            link(url_of(move.cycle), month(move.cycle.month_start_date)),
            show_step(move.name, move.outcome),
            say_move(move),
            link(url_of(move.action), move.action.get_kind_display()) if move.action else NO_DATA,
            instant(move.at),
        ]
        for move in moves
    ]
    headers = [*(["Partner"] if with_partner else []), "Review", "Step", "Because", "Proposed with it", "When"]
    return Table(title, headers, rows, empty)


def make_moves_of_month(cycle: ReviewCycle, partner_id: int | None = None) -> Table | None:
    """Who moved when a month was closed, or what it brought one partner; None where it brought nothing."""
    moves = [one for one in list_moves_in(cycle.program_id, cycle.month_start_date) if partner_id in (None, one.partner_id)]
    if not moves:
        return None
    return make_moves("The ladder, when the month was closed", moves, "", with_partner=partner_id is None)


def say_move(move: LadderMove) -> str:
    """The evidence, and what kept it."""
    held = move.evidence.get("held")
    said = say_judgement(move.evidence)
    return f"{said} Held until {held['until']}: {held['reason']}" if held else said


def make_rungs(rungs: Sequence[Rung], holds: Mapping[int, LadderHold]) -> Table:
    """Everybody who is on a rung, or whom the next closing would move, or who is held."""
    rows = []
    for rung in rungs:
        hold = holds.get(rung.partner.pk)
        if rung.partner.state == PartnerState.ACTIVE and rung.next is None and hold is None:
            continue
        rows.append(
            [
                link(url_of(rung.partner), rung.partner.name),
                show_rung(rung.partner.state),
                instant(rung.since) if rung.since else "the beginning",
                say_months(rung.months),
                badge(LadderName(rung.next.name).label, "info") if rung.next else NO_DATA,
                f"until {hold.until_date}: {hold.reason}" if hold else NO_DATA,
            ]
        )
    headers = ["Partner", "Rung", "Counts since", "Closed reviews since", "They ask for", "Held"]
    note = "What they ask for is taken, or not, when the next review is closed."
    return Table("On the ladder today", headers, rows, "Nobody: every partner is active.", note=note)


def say_hold(hold: LadderHold) -> str:
    """Until when, who says so and why."""
    who = names_of([hold.made_by])[hold.made_by]
    return f"Held until {hold.until_date} by {who}: {hold.reason}"


def make_changes(before: Mapping[int, tuple[str, bool]], after: Mapping[int, tuple[str, bool]], rungs: Sequence[Rung]) -> Table:
    """Who would be on which rung today under two rules: those that are not the same, or on a rung under either."""
    rows: list[list[Any]] = []
    for rung in rungs:
        pk = rung.partner.pk
        then, now = before.get(pk), after.get(pk)
        if then is None or now is None or (then == now == (PartnerState.ACTIVE, False)):
            continue
        mark = badge("differs", "info") if then != now else NO_DATA
        rows.append(
            [
                link(url_of(rung.partner), rung.partner.name),
                show_rung(rung.partner.state),
                show_rung(*then),
                show_rung(*now),
                mark,
            ]
        )
    headers = ["Partner", "Rung today", "By the rule in force", "By the new rule", ""]
    note = (
        "Had each rule been in force over all closed reviews in a row. Nobody moves by saving: the new rule counts when the next "
        "review is closed."
    )
    return Table("Who would be on which rung", headers, rows, "Nobody would be on a rung, by either rule.", note=note)
