"""What an export can be narrowed to in a program: ready-made periods, filters and the values they have."""

from datetime import date, timedelta

from activity.choices import Kind, Status
from activity.models import AttributeSet, Event, EventSource
from activity.selectors.dimensions import COHORTS, MEMBER_PREFIX, RESERVED
from offers.models import Offer, Segment
from partners.models import Category, Partner, Program
from plum_site.lib.periods import month_start, next_month

UNKNOWN = "unknown"


def list_periods(program: Program, today: date) -> dict[str, tuple[str, date, date]]:
    """
    Ready-made periods, their last day included.

    Shape: key to (words, first day, last day).
    """
    this = month_start(today)
    last, quarter, year = (next_month(this, -back) for back in (1, 2, 11))
    # The keys and their meaning are those of the dashboard's address.
    periods = {
        "last_month": (f"Last month ({last:%B %Y})", last, this - timedelta(days=1)),
        "this_month": (f"This month so far ({this:%B %Y})", this, today),
        "last_3_months": (f"Last 3 months ({quarter:%B} to {this:%B %Y})", quarter, today),
        "last_12_months": (f"Last 12 months ({year:%B %Y} to {this:%B %Y})", year, today),
    }
    days = Event.objects.filter(program=program)
    first = days.order_by("occurred_at").values_list("local_date", flat=True).first()
    newest = days.order_by("-occurred_at").values_list("local_date", flat=True).first()
    if first is not None and newest is not None:
        periods["everything"] = (f"Everything ({first} to {newest})", first, newest)
    return periods


def list_filters(program: Program) -> dict[str, tuple[str, dict[str, str]]]:
    """
    Every filter of a program's exports, in the order in which a form offers them.

    Shape: name to (words, value to words); no values where there are too many to list: then any text.
    """
    partners = Partner.objects.filter(program=program).order_by("name", "id").values_list("external_id", "name", "country")
    types = Offer.objects.filter(program=program).order_by("offer_type").values_list("offer_type", flat=True).distinct()
    segments = Segment.objects.filter(program=program).order_by("name", "id").values_list("code", "name")
    sources = EventSource.objects.filter(program=program).order_by("code").values_list("code", flat=True)
    categories = Category.objects.filter(program=program).order_by("code")
    found: dict[str, tuple[str, dict[str, str]]] = {
        "kind": ("What happened", {kind.label: kind.label for kind in Kind}),
        "status": ("How it ended", {status.label: status.label for status in Status}),
        "segment": ("Segment", dict(segments)),
        "partner": ("Partner", {external_id: name for external_id, name, _country in partners}),
        "category": ("Category", {row.code: str(row) for row in categories}),
        "country": ("Partner's country", {value or UNKNOWN: value or UNKNOWN for value in sorted({row[2] for row in partners})}),
        "offer_type": ("Offer type", {value: value for value in types}),
        "offer": ("Offer ids", {}),
        "source": ("Source", {value: value for value in sources}),
    }
    sets = list(AttributeSet.objects.filter(program=program).values_list("values", flat=True))
    for name in program.member_attributes:
        known = sorted({row.get(name, "") for row in sets} if name in program.reporting_attributes else [])
        values = {value or UNKNOWN: value or UNKNOWN for value in known}
        found[_filter_name(name)] = (f"Member's {name.replace('_', ' ')}", values)
    found |= {name: (name.replace("_", " ").capitalize() + " (YYYY-MM)", {}) for name in COHORTS}
    lists = {
        "segment",
        "partner",
        "category",
        "country",
        "offer_type",
        "source",
        *(_filter_name(a) for a in program.reporting_attributes),
    }
    # A list with nothing to choose from would look like a field that takes any text.
    return {name: row for name, row in found.items() if row[1] or name not in lists}


def _filter_name(attribute: str) -> str:
    """How figures name a member attribute: with a prefix where the plain name means something else."""
    return f"{MEMBER_PREFIX}{attribute}" if attribute in RESERVED else attribute
