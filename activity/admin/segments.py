"""What activity adds to the page of a segment: how many members are in it, on any day, and its figures."""

from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from activity.selectors.groups import count_in_segment, list_known_values
from partners.selectors import get_program_by_id
from plum_site.lib.admin import allowed, program_of
from plum_site.lib.clock import now
from plum_site.lib.panels import panel
from plum_site.lib.periods import local_date
from plum_site.lib.present import count, rate
from plum_site.lib.suggestions import suggests


@panel("offers.Segment", title="Members", template="activity/segment_panel.html", operation="catalog.read")
def fill_segment_panel(request: HttpRequest, row: Any) -> dict[str, Any]:
    """Members as of today, and as of the day that the address names; too few to show are not shown."""
    program = program_of(request)
    today = local_date(now(), program.time_zone)
    asked = request.GET.get("on", "")
    days, problem = [("today", today)], ""
    try:
        if asked:
            days.append(("that day", date.fromisoformat(asked)))
    except ValueError:
        problem = f"{asked!r} is not a day, such as 2026-03-01."
    rows = [describe_day(label, day, row, program) for label, day in days]
    inside = rows[0]["inside"]
    return {
        "rows": rows,
        "on": asked,
        "problem": problem,
        "minimum": program.minimum_group,
        "is_small": inside < program.minimum_group,
        "is_empty": inside == 0,
        "dashboard_url": find_dashboard(row.code) if allowed(request, "metric.read") else "",
    }


def describe_day(label: str, day: date, segment: Any, program: Any) -> dict[str, Any]:
    """One day: the count, and its share of the program's active members."""
    inside, everyone = count_in_segment(segment, program, day)
    return {
        "label": label,
        "inside": inside,
        "day": day,
        "members": count(inside),
        "everyone": count(everyone),
        "share": rate(inside / everyone) if everyone else rate(None),
    }


def find_dashboard(code: str) -> str:
    """The dashboard, filtered by a segment."""
    return f"{reverse('admin:activity_dashboard')}?{urlencode({'segment': code})}"


@suggests("member_attributes")
def suggest_values(program_id: int) -> dict[str, list[str]]:
    """Values that members have, by attribute."""
    return list_known_values(get_program_by_id(program_id))
