"""What people fill in about what leaves Plum."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms
from django.http import QueryDict

from exports.choices import ExportFormat
from exports.models import WebhookEndpoint
from exports.selectors import choosable_types, list_filters, list_periods
from partners.models import Program


class EndpointForm(forms.ModelForm):
    """A webhook: who listens, where, and to what."""

    types = forms.MultipleChoiceField(
        label="Is told when", widget=forms.CheckboxSelectMultiple, help_text="Nothing else is sent to it, apart from tests."
    )

    class Meta:
        model = WebhookEndpoint
        fields = ["name", "url", "types"]
        widgets = {"url": forms.URLInput(attrs={"class": "vURLField", "placeholder": "https://hooks.example.org/plum"})}
        help_texts = {
            "name": "By which people recognise who listens, such as Warehouse.",
            "url": "https on port 443 or 8443, on the public internet. It is looked up now and before each message.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "types" in self.fields:
            field: Any = self.fields["types"]
            field.choices = [(kind.name, f"{kind.title} ({kind.name})") for kind in choosable_types()]


class DayInput(forms.DateInput):
    """A day of one's own; once it is chosen, no ready-made period is any more."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d", attrs={"data-clears": "id_period"})


OWN_DAYS = ""
UNKNOWN = "unknown"
FEW = 8  # rows that a list of choices shows at once


class ExportForm(forms.Form):
    """Which events, and how they are written; made for one program, whose values it offers."""

    period = forms.ChoiceField(required=False, help_text="Or choose the days yourself below.")
    first = forms.DateField(label="First day", required=False, widget=DayInput())
    last = forms.DateField(label="Last day", required=False, widget=DayInput(), help_text="It is in the export.")
    format = forms.ChoiceField(
        choices=ExportFormat.choices,
        initial=ExportFormat.CSV,
        help_text="CSV opens in a spreadsheet and in any tool; JSON Lines is easier for programs.",
    )
    is_identified = forms.BooleanField(
        label="With outside ids",
        required=False,
        help_text="Members by the id of your own systems instead of a pseudonym. It needs a reason and is logged.",
    )
    reason = forms.CharField(
        required=False, max_length=500, help_text="Why outside ids are needed; logged with your name. Empty without them."
    )

    def __init__(self, *args: Any, program: Program, today: date, may_identify: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.periods = list_periods(program, today)
        choices = [(key, label) for key, (label, _first, _last) in self.periods.items()]
        self.fields["period"].choices = [(OWN_DAYS, "The days below"), *choices]  # type: ignore[attr-defined]
        if not may_identify:
            del self.fields["is_identified"], self.fields["reason"]
        self.filters = list_filters(program)
        for name, (label, values) in self.filters.items():
            self.fields[filter_field(name)] = make_filter(label, values)

    def clean(self) -> dict[str, Any]:
        """One period: a ready-made one, or two days."""
        given: dict[str, Any] = super().clean() or {}
        if given.get("period"):
            label, first, last = self.periods[given["period"]]
            if (given.get("first") or first, given.get("last") or last) != (first, last):
                self.add_error(
                    "period", f"{label} is not the days below. Choose “The days below”, or empty them. Nothing was started."
                )
            given["first"], given["last"] = first, last
        elif not self.errors and not (given.get("first") and given.get("last")):
            self.add_error("period", "Choose a period, or a first and a last day. Nothing was started.")
        return given

    def kept(self) -> dict[str, list[str]]:
        """The filters as the service takes them."""
        found = {}
        for name, (_label, values) in self.filters.items():
            given = self.cleaned_data[filter_field(name)]
            listed = given if values else [part.strip() for part in given.split(",") if part.strip()]
            if listed:
                found[name] = ["" if value == UNKNOWN else value for value in listed]
        return found


def filter_field(name: str) -> str:
    """The form's field for a filter: apart from the form's own, whatever an attribute is called."""
    return f"filter_{name}"


def make_filter(label: str, values: Mapping[str, str]) -> forms.Field:
    """A list where the values are known, else a text."""
    if not values:
        return forms.CharField(label=label, required=False, help_text="Several with commas between.")
    widget = forms.SelectMultiple(attrs={"size": min(len(values), FEW), "class": "plum-multiple"})
    return forms.MultipleChoiceField(label=label, required=False, choices=list(values.items()), widget=widget)


def read_address(query: QueryDict, filters: Mapping[str, Any]) -> dict[str, Any]:
    """
    What an address fills the form with: `period`, or `first` and `last`, `format`, and filters by their names.

    The dashboard's address has the same names, so that its data is taken with one click. What the form does not know
    is left out.
    """
    initial: dict[str, Any] = {}
    days = {name: query[name] for name in ("first", "last") if query.get(name)}
    initial |= days or ({"period": query["period"]} if query.get("period") else {})
    if query.get("format") in ExportFormat.values:
        initial["format"] = query["format"]
    for name, (_label, values) in filters.items():
        given = [value or UNKNOWN for value in query.getlist(name)]
        if given:
            initial[filter_field(name)] = given if values else ", ".join(given)
    return initial
