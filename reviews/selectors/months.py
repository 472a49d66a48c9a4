"""Which months a program must have reviewed, and which of them something is due for."""

from datetime import UTC, date, datetime

from django.db.models import Min

from activity.models import Event
from offers.models import Offer
from partners.models import Program
from plum_site.lib.periods import local_date, month_start, months_between, next_month
from reviews.choices import CycleState
from reviews.models import ReviewCycle

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)  # no older event is accepted as one of a program's own


def list_months_back(month_start_date: date, count: int) -> list[date]:
    """
    A month and those before it.

    Shape: `count` first days of months, newest first.
    """
    return [next_month(month_start_date, -back) for back in range(count)]


def find_first_month(program: Program) -> date:
    """
    The month in which a program began: that of its first event or of its creation, whichever is earlier.

    Shape: the first day of a month.
    """
    first_event = Event.objects.filter(program=program, occurred_at__gte=EARLIEST).aggregate(first=Min("occurred_at"))["first"]
    first = min(program.created_at, first_event) if first_event else program.created_at
    return month_start(local_date(first, program.time_zone))


def find_first_reviewable_month(program: Program) -> date:
    """
    The earliest month that can be reviewed: that of the first event, of the creation, or of the first offer's first day.

    Shape: the first day of a month.
    """
    first_offer = Offer.objects.filter(program=program).aggregate(first=Min("starts_date"))["first"]
    first = find_first_month(program)
    return min(first, month_start(first_offer)) if first_offer else first


def list_reviewed_months(program: Program, on: date) -> list[date]:
    """
    Every month that must have a cycle by a program day: from the program's first to the last complete one, or to the
    month in which it ended.

    Shape: first days of months, oldest first.
    Source: docs/rules/coverage.md
    """
    last = next_month(month_start(on), -1)
    if program.ended_date is not None:
        last = min(last, month_start(program.ended_date))
    return months_between(find_first_month(program), last)


def list_due_months(program: Program, on: date) -> list[date]:
    """
    The months that must be consolidated on a program day: those without a cycle, the open ones that were not
    consolidated on this day yet, and the present one (unless the program has ended).

    Frozen and closed months are not among them: nothing but a person consolidates those anew.

    Shape: first days of months, oldest first.
    Source: docs/rules/coverage.md
    """
    months = list_reviewed_months(program, on)
    if program.ended_date is None or on <= program.ended_date:
        months.append(month_start(on))
    newest: dict[date, ReviewCycle] = {}
    for cycle in ReviewCycle.objects.filter(program=program, month_start_date__in=months).order_by("revision"):
        newest[cycle.month_start_date] = cycle
    return [month for month in months if month not in newest or _is_due(newest[month], program, on)]


def _is_due(cycle: ReviewCycle, program: Program, on: date) -> bool:
    if cycle.state != CycleState.OPEN:
        return False
    return cycle.consolidated_at is None or local_date(cycle.consolidated_at, program.time_zone) < on
