"""What the monthly report says: one object, from the scorecards and the metric layer, that text, HTML and CSV are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from activity.metrics import METRICS, Unit, divide
from activity.selectors import summarise
from activity.selectors.ledger import prefix_of
from partners.models import Program
from plum_site.lib.people import names_of
from plum_site.lib.periods import next_month
from reviews.choices import Cause, CycleState, DecisionKind, LadderName, LadderOutcome, Severity, Standing
from reviews.models import DataGap, Flag, ReviewCycle, Scorecard
from reviews.rules import has_no_activity
from reviews.rules import report as words
from reviews.rules.ladder import say_judgement
from reviews.selectors.cycles import list_scorecards, list_valid_cycles
from reviews.selectors.gaps import list_gaps_of_month, read_span, say_gap
from reviews.selectors.inputs import as_frozen
from reviews.selectors.ladder import list_moves_in
from reviews.selectors.verdicts import read_verdicts, say_measured

PARTS = ("eligible", "settled", "funnel")
MOVED = {
    LadderName.PUT_ON_NOTICE: "put on notice",
    LadderName.START_IMPROVEMENT_PLAN: "its improvement plan begins",
    LadderName.REPLACEMENT_DUE: "replacing it is due",
    LadderName.RESTORE: "active again",
}


@dataclass(frozen=True)
class Headline:
    """One of the four metrics: the figure, that of the month before, and what the season let expect (volumes only)."""

    key: str
    label: str
    value: str
    before: str
    expected: str
    sentence: str

    @property
    def lines(self) -> list[str]:
        """The figure, one line a currency."""
        return self.value.split(words.AND)

    @property
    def lines_before(self) -> list[str]:
        """That of the month before, likewise."""
        return self.before.split(words.AND)


@dataclass(frozen=True)
class PartnerLine:
    """One partner and what there is to say about it."""

    card: Scorecard
    name: str
    standing: str
    sentence: str


@dataclass(frozen=True)
class Row:
    """One partner in the table below the sentences. share: redemptions against the largest, 0 to 100, for the bar."""

    card: Scorecard
    name: str
    standing: str
    redemptions: str
    share: int
    change: str
    net_spend: str
    flags: int
    decision: str

    @property
    def spend_lines(self) -> list[str]:
        """Net spend, one line a currency."""
        return self.net_spend.split(words.AND)


@dataclass(frozen=True)
class Report:
    """Everything that one recipient's report says about one month. totals, totals_before: metric key to figure. measured: what
    became of corrective actions, "" where none was measured in the month."""

    cycle: ReviewCycle
    program: Program
    is_whole: bool
    scope: str
    as_of: datetime | None
    totals: Mapping[str, Any]
    totals_before: Mapping[str, Any]
    headlines: list[Headline]
    drivers: list[PartnerLine]
    laggards: list[PartnerLine]
    commitments: list[str]
    moved: list[str]
    waiting: list[str]
    by_rule: int
    by_people: int
    gaps: list[str]
    measured: str = ""
    rows: list[Row] = field(default_factory=list)

    @property
    def previous_month(self) -> str:
        """The name of the month before."""
        return f"{next_month(self.cycle.month_start_date, -1):%B}"

    @property
    def is_final(self) -> bool:
        """Whether nothing in it can change any more."""
        return self.cycle.state == CycleState.CLOSED


def read_report(
    cycle: ReviewCycle, program: Program, cards: Sequence[Scorecard] | None = None, scope: str = "the whole program"
) -> Report:
    """
    The monthly report of a consolidated review, over all its partners or only over the scorecards given.

    Figures are those of the metric layer at the review's cut-off, so that they are the scorecards' own. Nothing in it is
    computed from partners that are not among the cards.

    Shape: one Report.
    """
    is_whole = cards is None
    cards = list(list_scorecards(cycle.pk)) if cards is None else list(cards)
    frozen = as_frozen(program, cycle.config)
    stages = list(cycle.config["program"]["recorded_stages"])
    month, before = cycle.month_start_date, next_month(cycle.month_start_date, -1)
    where = None if is_whole else {"partner": [card.partner.external_id for card in cards]}
    given: dict[str, Any] = {"program": frozen, "cutoff": cycle.cutoff, "recorded_stages": stages, "leave_out": PARTS}
    partner_ids = None if is_whole else [card.partner_id for card in cards]
    totals, totals_before = {}, {}
    if is_whole or cards:
        [totals] = summarise(starts_date=month, ends_date=next_month(month), where=where, **given).rows
        [then] = summarise(starts_date=before, ends_date=month, where=where, **given).rows
        totals_before = {} if has_no_activity(then) else then  # a first month is compared with nothing, not with zeros
    names = {card.partner_id: _name_of(card, cycle) for card in cards}
    previous_month = f"{before:%B}"
    decisions = [getattr(card, "decision", None) for card in cards]
    return Report(
        cycle=cycle,
        program=program,
        is_whole=is_whole,
        scope=scope,
        as_of=prefix_of(cycle.program_id, cycle.cutoff).sealed_at if cycle.cutoff else None,
        totals=totals,
        totals_before=totals_before,
        headlines=[
            _headline(key, totals, totals_before, cards, stages, frozen.currency, previous_month) for key in words.HEADLINES
        ],
        drivers=[
            PartnerLine(card, names[card.partner_id], _standing(card), _say_driver(card, totals, frozen.currency, previous_month))
            for card in words.pick_drivers(cards)
        ],
        laggards=[
            PartnerLine(card, names[card.partner_id], _standing(card), say_cause(card))
            for card in words.pick_laggards(cards, _gravest(cards))
        ],
        commitments=_list_commitments(cycle, cards, names),
        moved=_list_moved(cycle, names),
        waiting=[names[card.partner_id] for card, decision in zip(cards, decisions, strict=True) if decision is None],
        by_rule=sum(1 for decision in decisions if decision and decision.is_by_rule),
        by_people=sum(1 for decision in decisions if decision and not decision.is_by_rule),
        gaps=[*_say_gaps(cycle, cards, names, is_whole), *_say_late(cards)],
        measured=say_measured(read_verdicts(program, starts_date=month, ends_date=next_month(month), partner_ids=partner_ids)),
        rows=_rows(cards, names, stages, frozen.currency, previous_month),
    )


def say_flag(flag: Flag) -> str:
    """
    One flag in words: what was seen, what is allowed, what it rests on.

    Shape: one sentence without its full stop.
    """
    version = flag.rule_version
    limit = words.write_limit(flag.metric, version.direction, version.reference, version.threshold, flag.threshold)
    evidence = words.write_evidence(flag.metric, flag.evidence)
    seen = f"{METRICS[flag.metric].label.lower()} {words.write_measured(flag.metric, flag.observed)}, should be {limit}"
    return f"{version.rule.name}{words.say_target(flag.target, flag.target_key)}: {seen}{f' ({evidence})' if evidence else ''}"


def say_cause(card: Scorecard) -> str:
    """
    Why a partner falls behind: its diagnosis where there is one, else its flags and their evidence, else its score.

    Shape: one or more sentences.
    """
    flags = sorted(card.flags.all(), key=lambda flag: (words.GRAVITY[Severity(flag.rule_version.severity)], flag.pk))
    parts = [f"{say_flag(flag)}." for flag in flags[:2]]
    if len(flags) > 2:
        parts.append(f"{len(flags) - 2} more flags.")
    if flags and card.diagnosis:
        parts.insert(0, f"{Cause(card.diagnosis['cause']).label}. {card.diagnosis['sentence']}")
    if not parts:
        worst = min(card.evidence.get("score", []), key=lambda part: part["points"], default=None)
        score = f"Score {card.score:.0f} of 100" if card.score is not None else "No score"
        weakest = f", weakest in {METRICS[worst['metric']].label.lower()}" if worst else ""
        parts.append(f"{score}{weakest}; no rule was crossed for certain.")
    return " ".join(parts)


def _name_of(card: Scorecard, cycle: ReviewCycle) -> str:
    """The partner's name as the review froze it."""
    frozen = cycle.config.get("partners", {}).get(card.partner.external_id, {})
    return " ".join(str(frozen.get("name", card.partner.name)).split())


def _standing(card: Scorecard) -> str:
    return Standing(card.standing).label


def _gravest(cards: Sequence[Scorecard]) -> dict[int, str]:
    gravest = {}
    for index, card in enumerate(cards):
        severities = [flag.rule_version.severity for flag in card.flags.all()]
        if severities:
            gravest[index] = min(severities, key=lambda severity: words.GRAVITY[Severity(severity)])
    return gravest


def _headline(
    key: str,
    totals: Mapping[str, Any],
    before: Mapping[str, Any],
    cards: Sequence[Scorecard],
    stages: Sequence[str],
    currency: str,
    previous_month: str,
) -> Headline:
    """One of the four metrics, as figures and as a sentence."""
    label = METRICS[key].label
    value = words.write_figure(key, totals.get(key), stages, currency)
    then = words.write_figure(key, before.get(key), stages, currency)
    expected = words.expect_total(cards, key) if METRICS[key].is_recorded(stages) else None
    expected_text = words.write_count(expected) if expected is not None else ""
    if value in (words.NOT_RECORDED, words.NO_DATA):
        return Headline(key, label, value, then, expected_text, f"{label}: {value}.")
    if METRICS[key].unit == Unit.MONEY:
        sentence = words.write_money_change(totals.get(key) or {}, before.get(key) or {}, currency, previous_month)
        return Headline(key, label, value, then, expected_text, f"{label}: {sentence}.")
    change = words.write_change(words.change_of(key, totals.get(key), before.get(key), currency), previous_month)
    parts = [f"{label}: {value}"]
    if then != words.NO_DATA:
        parts.append(f"{change} ({then})" if change else f"{then} in {previous_month}")
    if expected is not None:
        parts.append(words.write_distance(words.change_of(key, totals.get(key), expected, currency), expected_text))
    return Headline(key, label, value, then, expected_text, f"{', '.join(parts)}.")


def _say_driver(card: Scorecard, totals: Mapping[str, Any], currency: str, previous_month: str) -> str:
    """What one partner brings in."""
    parts = []
    if card.metrics.get("redemptions"):
        number = words.write_count(card.metrics["redemptions"])
        share = divide(int(card.metrics["redemptions"]), int(totals.get("redemptions") or 0))
        of_all = f", {words.write_rate(share)} of all" if share is not None else ""
        change = words.change_of("redemptions", card.metrics["redemptions"], (card.previous or {}).get("redemptions"), currency)
        said = words.write_change(change, previous_month)
        noun = "redemption" if number == "1" else "redemptions"
        parts.append(f"{number} {noun}{of_all}{f', {said}' if said else ''}")
    if card.metrics.get("net_spend"):
        parts.append(f"net spend {words.write_money(card.metrics['net_spend'], currency)}")
    return f"{'; '.join(parts)}."


def _list_commitments(cycle: ReviewCycle, cards: Sequence[Scorecard], names: Mapping[int, str]) -> list[str]:
    """What was decided to be acted upon or watched the month before, and how these partners stand now."""
    before = next_month(cycle.month_start_date, -1)
    older = Scorecard.objects.filter(
        cycle__in=list_valid_cycles(cycle.program_id).filter(month_start_date=before),
        decision__kind__in=(DecisionKind.ACT, DecisionKind.MONITOR),
        decision__is_by_rule=False,
        partner_id__in=[card.partner_id for card in cards],
    ).select_related("decision")
    kinds = {card.partner_id: (DecisionKind(card.decision.kind), Standing(card.standing).label) for card in older}
    lines = []
    for card in sorted(
        cards, key=lambda card: (kinds.get(card.partner_id, ("zzz",))[0] != DecisionKind.ACT, names[card.partner_id])
    ):
        if card.partner_id in kinds:
            kind, then = kinds[card.partner_id]
            now = _standing(card)
            moved = f"still {now.lower()}" if now == then else f"{then.lower()} then, {now.lower()} now"
            lines.append(f"{names[card.partner_id]} (decided: {kind.label.lower()}): {moved}.")
    return lines


def _list_moved(cycle: ReviewCycle, names: Mapping[int, str]) -> list[str]:
    """Whom the ladder moved when the month was closed, whom it would have, and who is due to be replaced."""
    lines = []
    for move in list_moves_in(cycle.program_id, cycle.month_start_date):
        if move.partner_id in names:
            step = LadderName(move.name)
            held = f"held, though the rule asks for: {step.label.lower()}"
            done = held if move.outcome == LadderOutcome.HELD else MOVED[step]
            lines.append(f"{names[move.partner_id]}: {done}. {say_judgement(move.evidence)}")
    return lines


def _say_gaps(cycle: ReviewCycle, cards: Sequence[Scorecard], names: Mapping[int, str], is_whole: bool) -> list[str]:
    """The silences of sources that the review has frozen, of whom they keep what, and whether somebody accepted them."""
    gaps = [one for one in list_gaps_of_month(cycle) if one.frozen is not None]
    people = names_of(one.row.accepted_by for one in gaps if one.row and one.row.accepted_by)
    lines = []
    for one in gaps:
        frozen = one.frozen or {}
        concerned = [names[card.partner_id] for card in cards if card.partner.external_id in frozen["partners"]]
        if not concerned and not is_whole:
            continue
        silence = say_gap(frozen["source"], *read_span(frozen), cycle.config["program"]["time_zone"])
        lacking = "it feeds no partner of the month"
        if concerned:
            lacking = f"what {words.write_names(concerned)} had of it is missing"
        lines.append(f"The source {silence}; {lacking}. {_say_accepted(one.row, people)}")
    return lines


def _say_accepted(gap: DataGap | None, people: Mapping[str, str]) -> str:
    if gap is None:
        return "It has arrived since: the review is to be consolidated again."
    if gap.accepted_at is None:
        return "Nobody has accepted that yet; the month cannot be closed before."
    return f"{people.get(gap.accepted_by, gap.accepted_by)} accepted that: {' '.join(gap.reason.split())}"


def _say_late(cards: Sequence[Scorecard]) -> list[str]:
    """Events that arrived after the month they belong to was cut off."""
    late: dict[str, int] = {}
    for card in cards:
        for entry in card.evidence.get("late", []):
            late[entry["month"]] = late.get(entry["month"], 0) + entry["events"]
    return [
        f"{words.write_count(number)} events of {month} arrived after that month was cut off; its review does not count them."
        for month, number in sorted(late.items())
    ]


def _rows(
    cards: Sequence[Scorecard], names: Mapping[int, str], stages: Sequence[str], currency: str, previous_month: str
) -> list[Row]:
    """Every partner, those with the most redemptions first."""
    most = max((int(card.metrics.get("redemptions") or 0) for card in cards), default=0)
    ordered = sorted(cards, key=lambda card: (-int(card.metrics.get("redemptions") or 0), names[card.partner_id], card.pk))
    rows = []
    for card in ordered:
        redemptions = int(card.metrics.get("redemptions") or 0)
        change = words.change_of("redemptions", redemptions, (card.previous or {}).get("redemptions"), currency)
        decision = getattr(card, "decision", None)
        rows.append(
            Row(
                card=card,
                name=names[card.partner_id],
                standing=_standing(card),
                redemptions=words.write_figure("redemptions", card.metrics.get("redemptions"), stages),
                share=int(Decimal(100 * redemptions) / most) if most else 0,
                change=_signed(change),
                net_spend=words.write_figure("net_spend", card.metrics.get("net_spend"), stages, currency),
                flags=len(card.flags.all()),
                decision=f"{decision.get_kind_display()}{' by rule' if decision.is_by_rule else ''}" if decision else "waits",
            )
        )
    return rows


def _signed(change: Decimal | None) -> str:
    if change is None:
        return ""
    return f"{'+' if change > 0 else ''}{words.write_rate(change, 0)}"
