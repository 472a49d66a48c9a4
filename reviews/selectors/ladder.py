"""Reads of the ladder: its rule, what closed reviews say about partners, who moved and who is held."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Max, Q, QuerySet

from partners.choices import PartnerState
from partners.models import Partner, PartnerTransition
from plum_site.lib.periods import local_date, month_start, month_text, months_between, next_month
from reviews.choices import CycleState, DecisionKind, FlagState, LadderOutcome, Resolution, Verdict
from reviews.models import CorrectiveAction, FlagCase, LadderHold, LadderMove, LadderVersion, ReviewCycle, Scorecard
from reviews.rules.ladder import LONGEST, RUNGS, Judgement, LadderRule, MonthSeen, Tried, climb, judge

BEGINNINGS = ("create", "onboard", "activate")  # what went before these is no record that was left behind


@dataclass(frozen=True)
class LadderInForce:
    """The ladder's rule in force. number 0, row None: the one that every program begins with."""

    rule: LadderRule
    number: int = 0
    row: LadderVersion | None = None


@dataclass(frozen=True)
class Rung:
    """
    Where a partner stands and since when what it does counts: since it came there, since replacing it was last due, or (None)
    ever. months: the closed reviews that count, oldest first. next: the step that they bring, if a rule brings one.
    """

    partner: Partner
    since: datetime | None
    months: list[MonthSeen]
    next: Judgement | None


def read_ladder(program_id: int) -> LadderInForce:
    """
    When partners move on the ladder now.

    Shape: one LadderInForce.
    """
    row = LadderVersion.objects.filter(program_id=program_id).order_by("-number").first()
    return LadderInForce(LadderRule.from_json(row.rule), row.number, row) if row else LadderInForce(LadderRule())


def list_ladder_versions(program_id: int) -> QuerySet[LadderVersion]:
    """
    Every version of the ladder's rule that somebody saved.

    Shape: LadderVersions, newest first.
    """
    return LadderVersion.objects.filter(program_id=program_id).order_by("-number")


def list_closed_in_a_row(program_id: int) -> list[ReviewCycle]:
    """
    The newest closed review of each month, back from the newest such month to the first one that is not closed.

    Shape: ReviewCycles, oldest first, at most LONGEST.
    """
    newest: dict[date, ReviewCycle] = {}
    closed = ReviewCycle.objects.filter(program_id=program_id, state=CycleState.CLOSED).select_related("program")
    for cycle in closed.order_by("revision").defer("config"):
        newest[cycle.month_start_date] = cycle
    row: list[ReviewCycle] = []
    for month in sorted(newest, reverse=True):
        if row and next_month(month) != row[-1].month_start_date:
            break
        row.append(newest[month])
    return row[:LONGEST][::-1]


def read_rungs(program_id: int, rule: LadderRule, partner_ids: Collection[int] | None = None) -> list[Rung]:
    """
    Where the partners on the ladder stand, an active one at its foot, and what the closed reviews since bring.

    Shape: Rungs, by the partner's name, then row id.
    Source: docs/rules/ladder.md
    """
    partners = Partner.objects.filter(program_id=program_id, state__in=RUNGS).select_related("category", "program")
    if partner_ids is not None:
        partners = partners.filter(pk__in=partner_ids)
    ordered = list(partners.order_by("name", "pk"))
    cycles = list_closed_in_a_row(program_id)
    since = _read_since(ordered)
    seen = read_months(cycles, [partner.pk for partner in ordered], since)
    rungs = []
    for partner in ordered:
        months = [month for month, cycle in zip(seen[partner.pk], cycles, strict=True) if _counts(cycle, since.get(partner.pk))]
        rungs.append(Rung(partner, since.get(partner.pk), months, judge(rule, partner.state, months)))
    return rungs


def preview_rungs(program_id: int, rule: LadderRule) -> dict[int, tuple[str, bool]]:
    """
    On which rung each partner would be had a rule been in force over all closed reviews in a row.

    Shape: {partner row id: (state, whether replacing it would be due)}; partners that are not on the ladder are left out.
    Source: docs/rules/ladder.md
    """
    partner_ids = list(Partner.objects.filter(program_id=program_id, state__in=RUNGS).values_list("pk", flat=True))
    seen = read_months(list_closed_in_a_row(program_id), partner_ids, {})
    return {partner_id: climb(rule, months) for partner_id, months in seen.items()}


def read_months(
    cycles: Sequence[ReviewCycle], partner_ids: Collection[int], since: dict[int, datetime]
) -> dict[int, list[MonthSeen]]:
    """
    What closed reviews say about some partners: one MonthSeen a cycle, in their order.

    since: from when a partner's measured actions count. The newest month has what was measured until it was closed.

    Shape: {partner row id: MonthSeens}.
    """
    cards = Scorecard.objects.filter(cycle__in=[cycle.pk for cycle in cycles], partner_id__in=partner_ids)
    columns = ("cycle_id", "partner_id", "standing", "diagnosis__cause", "decision__kind")
    said = {(cycle, partner): rest for cycle, partner, *rest in cards.order_by().values_list(*columns)}
    flags = _read_flags(cycles, partner_ids)
    tried = _read_tried(cycles, partner_ids, since)
    seen: dict[int, list[MonthSeen]] = {}
    for partner_id in partner_ids:
        months = []
        for cycle in cycles:
            standing, cause, kind = said.get((cycle.pk, partner_id), ("", None, None))
            flag_months, flag = _longest(flags.get(partner_id, ()), cycle)
            months.append(
                MonthSeen(
                    month=month_text(cycle.month_start_date),
                    standing=standing,
                    cause=cause or "",
                    is_exempt=kind == DecisionKind.EXEMPT,
                    flag_months=flag_months,
                    flag=flag,
                    tried=tuple(tried.get((partner_id, cycle.month_start_date), ())),
                )
            )
        seen[partner_id] = months
    return seen


def list_moves(program_id: int) -> QuerySet[LadderMove]:
    """
    What the ladder did, and what it would have done with those that are held.

    Shape: LadderMoves with partner, cycle and action, newest first.
    """
    moves = LadderMove.objects.filter(cycle__program_id=program_id).select_related("partner", "cycle", "action")
    return moves.order_by("-at", "-id")


def list_moves_of(partner_id: int) -> QuerySet[LadderMove]:
    """
    How a partner came to its rung.

    Shape: LadderMoves with cycle and action, newest first.
    """
    return LadderMove.objects.filter(partner_id=partner_id).select_related("cycle", "action").order_by("-at", "-id")


def list_moves_in(program_id: int, month_start_date: date) -> list[LadderMove]:
    """
    Who moved when a month was closed, whichever of its revisions is asked about.

    Shape: LadderMoves, those that moved first, then by the partner's name.
    """
    found = list(list_moves(program_id).filter(cycle__month_start_date=month_start_date))
    order = list(LadderOutcome)
    return sorted(found, key=lambda move: (order.index(LadderOutcome(move.outcome)), move.partner.name, move.partner_id))


def find_hold(partner_id: int, on: date) -> LadderHold | None:
    """
    What keeps a partner from being moved up on a program day.

    Shape: one LadderHold or None.
    """
    return LadderHold.objects.filter(partner_id=partner_id, ended_at__isnull=True, until_date__gte=on).first()


def list_holds(program_id: int, on: date) -> QuerySet[LadderHold]:
    """
    Who is held on a program day.

    Shape: LadderHolds with partner, by the partner's name.
    """
    holds = LadderHold.objects.filter(partner__program_id=program_id, ended_at__isnull=True, until_date__gte=on)
    return holds.select_related("partner").order_by("partner__name", "pk")


def _counts(cycle: ReviewCycle, since: datetime | None) -> bool:
    """Whether a month ended after a partner came to its rung: what went before has brought it there."""
    return since is None or cycle.ends_at > since


def _read_since(partners: Sequence[Partner]) -> dict[int, datetime]:
    """When each partner came to the state that it is in, or replacing it was last due; nothing for those that began there."""
    ids = [partner.pk for partner in partners]
    states = {partner.pk: partner.state for partner in partners}
    found: dict[int, datetime] = {}
    steps = PartnerTransition.objects.filter(partner_id__in=ids).order_by("at", "pk")
    for partner_id, name, state, at in steps.values_list("partner_id", "name", "to_state", "at"):
        if state == states[partner_id]:
            found.pop(partner_id, None)
            if name not in BEGINNINGS:
                found[partner_id] = at
    due = LadderMove.objects.filter(partner_id__in=ids, outcome=LadderOutcome.DUE).order_by()
    for partner_id, at in due.values_list("partner_id").annotate(newest=Max("at")):
        if states[partner_id] == PartnerState.IMPROVEMENT_PLAN:
            found[partner_id] = max(at, found.get(partner_id, at))
    return found


def _read_flags(cycles: Sequence[ReviewCycle], partner_ids: Collection[int]) -> dict[int, list[FlagCase]]:
    """The flags that may have stood in some months, by partner."""
    if not cycles:
        return {}
    cases = FlagCase.objects.filter(partner_id__in=partner_ids, newest_month_date__gte=cycles[0].month_start_date)
    found: dict[int, list[FlagCase]] = defaultdict(list)
    for case in cases.select_related("rule").defer("seen").order_by("pk"):
        found[case.partner_id].append(case)
    return found


def _longest(cases: Sequence[FlagCase], cycle: ReviewCycle) -> tuple[int, str]:
    """For how many months the flag that had stood longest stood when a month was closed, and its name; (0, "") for none."""
    month, best = cycle.month_start_date, (0, "")
    for case in cases:
        if case.first_month_date <= month <= case.newest_month_date and not _was_ended(case, cycle):
            stood = len(months_between(case.first_month_date, month))
            best = max(best, (stood, case.rule.name), key=lambda one: one[0])
    return best


def _was_ended(case: FlagCase, cycle: ReviewCycle) -> bool:
    """Whether a person had ended a flag by then; what later months ended stood until they did."""
    if case.state == FlagState.DISMISSED:
        return True
    if case.resolution != Resolution.ACTION or case.ended_at is None:
        return False
    return cycle.closed_at is None or case.ended_at <= cycle.closed_at


def _read_tried(
    cycles: Sequence[ReviewCycle], partner_ids: Collection[int], since: dict[int, datetime]
) -> dict[tuple[int, date], list[Tried]]:
    """The actions that were measured and did not work, by partner and the program month of the measurement."""
    if not cycles:
        return {}
    newest = cycles[-1]
    actions = CorrectiveAction.objects.filter(
        ~Q(verdict__in=["", Verdict.WORKED]),
        partner_id__in=partner_ids,
        measured_at__gte=cycles[0].starts_at,
        measured_at__lte=newest.closed_at,
    )
    found: dict[tuple[int, date], list[Tried]] = defaultdict(list)
    zone = newest.program.time_zone
    columns = ("pk", "partner_id", "kind", "verdict", "measured_at")
    for pk, partner_id, kind, verdict, measured_at in actions.order_by("pk").values_list(*columns):
        if partner_id in since and measured_at <= since[partner_id]:
            continue
        month = min(month_start(local_date(measured_at, zone)), newest.month_start_date)
        found[partner_id, month].append(Tried(pk, str(kind), str(verdict)))
    return found
