"""What the dashboard can be filtered and broken down by, in a program: names, words for them, and the values there are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from activity.models import AttributeSet, EventSource
from activity.selectors.dimensions import MEMBER_PREFIX, RESERVED
from offers.models import Offer, Segment
from partners.choices import MEMBER_NOUNS
from partners.models import Category, Partner, Program
from plum_site.lib.periods import MONTH, next_month, parse_month
from plum_site.lib.present import month

LIST, TEXT, MONTHS = "list", "text", "month"
COHORT_MONTHS = ("join_month", "first_activation_month")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Choice:
    """
    One filter. name: as in the API. kind: a list of all values (LIST), any text (TEXT) or any month (MONTHS).

    labels: value to what people call it; of a TEXT or MONTHS filter there may be values beside them.
    """

    name: str
    label: str
    kind: str
    labels: Mapping[str, str]

    def say(self, value: str) -> str:
        """A value in words."""
        if self.kind == MONTHS and MONTH.fullmatch(value):
            return month(parse_month(value))
        return self.labels.get(value) or value or UNKNOWN

    def takes(self, value: str) -> bool:
        """Whether this can be a value at all."""
        if self.kind == MONTHS:
            return not value or MONTH.fullmatch(value) is not None
        return self.kind == TEXT or value in self.labels


def member_noun(program: Program) -> str:
    """What one member is called on screen: employee, participant or customer."""
    return MEMBER_NOUNS[program.kind].removesuffix("s")  # type: ignore[index]


def name_of_attribute(attribute: str) -> str:
    """How figures name a member attribute: with a prefix where the plain name means something else."""
    return f"{MEMBER_PREFIX}{attribute}" if attribute in RESERVED else attribute


def attribute_label(program: Program, attribute: str) -> str:
    """A member attribute in words; one that is called like something else says whose it is."""
    words = attribute.replace("_", " ")
    return f"{member_noun(program)} {words}".capitalize() if attribute in RESERVED else words.capitalize()


def list_choices(program: Program) -> dict[str, Choice]:
    """Every filter of a program by name, in the order in which the page offers them."""
    partners = Partner.objects.filter(program=program).order_by("name", "id").values_list("external_id", "name", "country")
    countries = sorted({country for _id, _name, country in partners})
    types = Offer.objects.filter(program=program).order_by("offer_type").values_list("offer_type", flat=True).distinct()
    categories = Category.objects.filter(program=program).order_by("code")
    segments = Segment.objects.filter(program=program).order_by("name", "id").values_list("code", "name")
    sources = EventSource.objects.filter(program=program).order_by("code").values_list("code", flat=True)
    found = [
        Choice("segment", "Segment", LIST, dict(segments)),
        Choice("join_month", "Joined in", MONTHS, {"": UNKNOWN}),
        Choice("first_activation_month", "First activated in", MONTHS, {"": "not yet"}),
        Choice("offer_type", "Offer type", LIST, same(types)),
        Choice("partner", "Partner", LIST, {external_id: name for external_id, name, _country in partners}),
        Choice("category", "Category", LIST, {row.code: str(row) for row in categories}),
        Choice("country", "Partner's country", LIST, same(countries)),
        Choice("offer", "Offer", TEXT, {}),
        Choice("source", "Source", LIST, same(sources)),
        *list_attributes(program),
    ]
    return {choice.name: choice for choice in found}


def list_attributes(program: Program) -> list[Choice]:
    """One filter for each kept attribute; of the reporting ones the values are known."""
    sets = list(AttributeSet.objects.filter(program=program).values_list("values", flat=True))
    ordered = [*program.reporting_attributes, *(a for a in program.member_attributes if a not in program.reporting_attributes)]
    found = []
    for attribute in ordered:
        is_reporting = attribute in program.reporting_attributes
        values = same(sorted({row.get(attribute, "") for row in sets})) if is_reporting else {"": UNKNOWN}
        found.append(
            Choice(name_of_attribute(attribute), attribute_label(program, attribute), LIST if is_reporting else TEXT, values)
        )
    return found


def same(values: Iterable[str]) -> dict[str, str]:
    """Values that are their own label; the empty one is the unknown."""
    return {value: value or UNKNOWN for value in values}


def list_dimensions(choices: Mapping[str, Choice]) -> dict[str, str]:
    """What the table can be broken down by: name to words, in the order in which the page offers them."""
    first = ("partner", "offer_type", "category", "country")
    rest = [name for name in choices if name not in (*first, "offer", "source")]
    names = {name: choices[name].label for name in (*first, "offer")}
    return {**names, "month": "Month", "day": "Day", **{name: choices[name].label for name in rest}, "source": "Source"}


def say_key(choices: Mapping[str, Choice], name: str, value: str) -> Any:
    """A row key of the table in words."""
    if name in ("month", "day"):
        return month(parse_month(value)) if name == "month" else value
    return choices[name].say(value)


def month_values(value: str) -> tuple[str, str]:
    """The first and the last program day of a month, as an address has them."""
    first = parse_month(value)
    return first.isoformat(), (next_month(first) - timedelta(days=1)).isoformat()
