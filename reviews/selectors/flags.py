"""Reads of flags over the months: which are open, what is known of one, and the month to evaluate while it runs."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from activity.metrics import METRICS
from activity.models import Seal
from activity.selectors import head_of
from partners.models import Program
from plum_site.lib.errors import NotFound
from plum_site.lib.periods import local_date, month_bounds, month_start, parse_month
from reviews.models import Flag, FlagCase, FlagTransition, Scorecard
from reviews.rules import ACTIVE
from reviews.rules import report as words
from reviews.selectors.cycles import find_cycle


def list_flag_cases(program_id: int) -> QuerySet[FlagCase]:
    """
    The flags of a program, whatever became of them.

    Shape: FlagCases with rule, partner and owner, newest first.
    """
    cases = FlagCase.objects.filter(program_id=program_id)
    return cases.select_related("rule", "partner__category", "owner", "program").order_by("-id")


def list_open_flags(program_id: int) -> QuerySet[FlagCase]:
    """
    The flags that nobody and nothing has ended yet: open and acknowledged ones.

    Shape: FlagCases, as list_flag_cases gives them.
    """
    return list_flag_cases(program_id).filter(state__in=ACTIVE)


def get_flag_case(program_id: int, case_id: int) -> FlagCase:
    """
    One flag.

    Shape: one FlagCase, as list_flag_cases gives it.
    Raises: NotFound.
    """
    case = list_flag_cases(program_id).filter(pk=case_id).first()
    if case is None:
        raise NotFound("flag", case_id)
    return case


def list_flag_transitions(case_id: int) -> QuerySet[FlagTransition]:
    """
    What happened to one flag.

    Shape: FlagTransitions, oldest first.
    """
    return FlagTransition.objects.filter(case_id=case_id).order_by("id")


def list_sightings(case: FlagCase) -> QuerySet[Flag]:
    """
    The months in which a flag stood, with what each saw.

    Shape: Flags with rule version, scorecard, partner and cycle, newest month first.
    """
    return (
        Flag.objects.filter(
            rule_version__rule_id=case.rule_id,
            scorecard__partner_id=case.partner_id,
            target_key=case.target_key,
            scorecard__cycle__month_start_date__gte=case.first_month_date,
            scorecard__cycle__month_start_date__lte=case.newest_month_date,
        )
        .select_related("rule_version__rule", "scorecard__partner", "scorecard__cycle")
        .order_by("-scorecard__cycle__month_start_date", "-scorecard__cycle__revision")
    )


def find_cases(flags: Iterable[Flag]) -> dict[int, FlagCase]:
    """
    Which flag over the months the flags of scorecards belong to.

    flags: with rule version, scorecard and cycle.

    Shape: id of the Flag to its FlagCase, where there is one.
    """
    flags = list(flags)
    if not flags:
        return {}
    cases: dict[tuple[int, int, str], list[FlagCase]] = {}
    partners = {flag.scorecard.partner_id for flag in flags}
    for case in FlagCase.objects.filter(partner_id__in=partners).order_by("first_month_date", "id"):
        cases.setdefault((case.rule_id, case.partner_id, case.target_key), []).append(case)
    found = {}
    for flag in flags:
        month = flag.scorecard.cycle.month_start_date
        for case in cases.get((flag.rule_version.rule_id, flag.scorecard.partner_id, flag.target_key), ()):
            if case.first_month_date <= month:
                found[flag.pk] = case
    return found


def find_card(case: FlagCase) -> Scorecard | None:
    """
    The scorecard on which a flag was seen last.

    Shape: one Scorecard with its cycle, or None.
    """
    cards = Scorecard.objects.filter(partner_id=case.partner_id, cycle__month_start_date=parse_month(case.seen["month"]))
    return cards.select_related("cycle", "decision").order_by("-cycle__revision").first()


def say_flag_case(case: FlagCase) -> str:
    """
    What a flag saw last in words: what was seen, what is allowed, what it rests on.

    Shape: one sentence without its full stop.
    """
    where = f" ({case.target_key})" if case.target_key else ""
    return f"{case.rule.name}{where}: {say_seen(case.seen)}"


def say_allowed(seen: Mapping[str, Any]) -> str:
    """
    What a rule allows, from the figures that a flag keeps.

    Shape: one clause without its full stop.
    """
    return words.write_limit(seen["metric"], seen["direction"], seen["reference"], Decimal(str(seen["share"])), seen["threshold"])


def say_seen(seen: Mapping[str, Any]) -> str:
    """
    What was seen, from the figures that a flag keeps.

    Shape: one clause without its full stop.
    """
    metric, evidence = seen["metric"], seen["evidence"]
    rests_on = words.write_evidence(metric, evidence)
    said = f"{METRICS[metric].label.lower()} {words.write_measured(metric, seen['observed'])}, should be {say_allowed(seen)}"
    return f"{said}{f' ({rests_on})' if rests_on else ''}"


def find_month_to_evaluate(program: Program, at: datetime) -> date | None:
    """
    The present month of a program, if events of it were sealed that its review does not count yet.

    Shape: the first day of a month, or None.
    """
    today = local_date(at, program.time_zone)
    if program.ended_date is not None and program.ended_date < today:
        return None
    head = head_of(program.pk)
    if head is None:
        return None
    month = month_start(today)
    cycle = find_cycle(program.pk, month)
    counted = (cycle.cutoff or 0) if cycle is not None else 0
    if counted >= head.number:
        return None
    starts_at, _ = month_bounds(month, program.time_zone)
    newer = Seal.objects.filter(program=program, number__gt=counted, batch__latest_occurred_at__gte=starts_at)
    return month if newer.exists() else None
