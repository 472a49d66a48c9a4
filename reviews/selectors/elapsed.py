"""How much of a running month's volume is to be expected by now."""

from datetime import date, datetime, timedelta

from django.db.models import Max

from activity.models import Event
from activity.selectors import count_by
from partners.models import Program
from plum_site.lib.periods import first_instant, local_date, next_month

WEEKS = 8  # before the month, from which the weekdays' shares are learnt
FEWEST_EVENTS = 500  # of these weeks; with fewer, all weekdays count alike


def read_elapsed(program: Program, month_start_date: date, cutoff: int, at: datetime) -> float:
    """
    The share of a month's volume that is to be expected by its newest event, or by `at` if that is earlier; 1 once it is over.

    Days weigh as much as their weekday did in the 8 weeks before. The newest event and not the clock, because what a source
    has not delivered yet is not missing.

    Shape: 0 to 1.
    Source: docs/rules/flags.md
    """
    ends_date = next_month(month_start_date)
    if at >= first_instant(ends_date, program.time_zone):
        return 1.0
    starts_at = first_instant(month_start_date, program.time_zone)
    seen = Event.objects.filter(program=program, occurred_at__gte=starts_at, occurred_at__lte=at).aggregate(
        last=Max("occurred_at")
    )
    until = seen["last"]
    if until is None:
        return 0.0
    weights = _weekday_weights(program, month_start_date, cutoff)
    days = [month_start_date + timedelta(days=number) for number in range((ends_date - month_start_date).days)]
    today = local_date(until, program.time_zone)
    passed = sum(weights[day.weekday()] for day in days if day < today)
    begun = first_instant(today, program.time_zone)
    length = first_instant(today + timedelta(days=1), program.time_zone) - begun
    passed += weights[today.weekday()] * ((until - begun) / length)
    return round(min(1.0, passed / sum(weights[day.weekday()] for day in days)), 6)


def _weekday_weights(program: Program, month_start_date: date, cutoff: int) -> list[float]:
    """How much volume each weekday has, Monday first."""
    starts_date = month_start_date - timedelta(weeks=WEEKS)
    counted = count_by(program=program, starts_date=starts_date, ends_date=month_start_date, by=["day"], cutoff=cutoff)
    weights = [0] * 7
    for (day,), counts in counted.items():
        weights[date.fromisoformat(day).weekday()] += (
            counts["views"] + counts["unlocks"] + counts["activations"] + counts["redemptions"]
        )
    return [float(weight) for weight in weights] if sum(weights) >= FEWEST_EVENTS and min(weights) >= 0 else [1.0] * 7
