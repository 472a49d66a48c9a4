"""Forms of rules and policies: they collect, services decide."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, ClassVar

from django import forms

from activity.metrics import METRICS
from partners.models import Program
from plum_site.lib.models import User
from reviews.choices import Direction, Reference, RuleTarget, Severity, Standing, TimeUnit
from reviews.forms.people import list_people
from reviews.rules import COUNTS, LONGEST_RECENCY, RATES, PolicySpec, RuleSpec, say_threshold

METRIC_CHOICES = [
    ("Rates", [(key, f"{METRICS[key].label} ({METRICS[key].formula})") for key in RATES]),
    ("Counts", [(key, METRICS[key].label) for key in COUNTS]),
]
# What a rule says besides its code and its threshold.
SPEC_FIELDS = (
    "target",
    "metric",
    "direction",
    "reference",
    "lookback_months",
    "window_days",
    "minimum_denominator",
    "persistence",
    "persistence_unit",
    "cooldown",
    "cooldown_unit",
    "is_strict",
    "severity",
)
WHOLE = 100  # what the weights of a policy add up to
UNDER = Standing.UNDERPERFORMING
LARGEST_SHARE = 10  # a share written as a plain number from here on is per cent without its sign
BANDS = (Standing.EXCELLENT, Standing.ON_TRACK, Standing.WATCH)  # the last band, underperforming, begins at 0


class ThresholdField(forms.CharField):
    """A number as people write it: 60 %, 0.6 or 1,200. Cleans to (Decimal, whether it was written as per cent)."""

    NUMBER = re.compile(r"(-?)(\d{1,3}(?:,\d{3})+|\d{1,18})(\.\d{1,12})?\s*(%?)")

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if text in self.empty_values:
            return None
        match = self.NUMBER.fullmatch(str(text).strip())
        if match is None:
            raise forms.ValidationError(f"{text!r} is no number. Write one such as 60 %, 0.6 or 1200, with a decimal point.")
        number = Decimal(f"{match[1]}{match[2].replace(',', '')}{match[3] or ''}")
        return (number / 100 if match[4] else number), bool(match[4])


class RuleForm(forms.Form):
    """Everything that a rule says, in the order of its sentence."""

    target = forms.ChoiceField(
        choices=RuleTarget.choices,
        initial=RuleTarget.PARTNER,
        label="What is looked at",
        help_text="Every partner as a whole, every offer by itself, or every partner within each group of members (by the "
        "program's reporting attributes): a fault that is confined to one offer or one region is lost in the whole.",
    )
    metric = forms.ChoiceField(
        choices=METRIC_CHOICES, help_text="Behind each rate stands what is divided by what; only confirmed events count."
    )
    window_days = forms.IntegerField(
        required=False,
        label="Over the last … days",
        help_text="7 to 92 days, up to the present day. Leave it empty for the calendar month.",
    )
    direction = forms.ChoiceField(choices=Direction.choices, label="Is crossed when it")
    threshold = ThresholdField(
        max_length=30,
        label="Threshold",
        help_text="Of a fixed value the value itself: 5 % for a rate, 200 for a number. Else the share: 60 % of what it is "
        "measured against.",
    )
    reference = forms.ChoiceField(
        choices=Reference.choices,
        initial=Reference.PREVIOUS,
        label="Measured against",
        help_text="A fixed value; the time just before; the median of the partners of the same category; or the level of the "
        "months before, which forgives a single odd month.",
    )
    lookback_months = forms.IntegerField(
        initial=6,
        label="Trailing months",
        help_text="How many months the level is made of, 1 to 12; only for the trailing months.",
    )
    minimum_denominator = forms.IntegerField(
        initial=50,
        label="With at least",
        help_text="So many of what the rate is divided by (a redemption rate: activations). A number of events needs so many "
        "before, or active members where the value is fixed. With less, the rule says nothing.",
    )
    persistence = forms.IntegerField(
        initial=1,
        label="Times in a row",
        help_text="How often it must be crossed one after the other before it is a flag. 1: at once.",
    )
    persistence_unit = forms.ChoiceField(
        choices=TimeUnit.choices, label="Counted in", help_text="Months, or days where the rule looks at the last days."
    )
    is_strict = forms.BooleanField(
        required=False,
        label="Flag even what may be chance",
        help_text="Off: a crossing that is not certain shows as crossed, not confirmed, and nobody is told. "
        "On: it is a flag at once.",
    )
    cooldown = forms.IntegerField(
        initial=0, label="Then silent for", help_text="After a flag, no second one of the same rule for so long. 0: never silent."
    )
    cooldown_unit = forms.ChoiceField(choices=TimeUnit.choices, label="Silence counted in")
    severity = forms.ChoiceField(
        choices=Severity.choices,
        initial=Severity.WARNING,
        help_text="Decides the order of lists; a flag of any severity is told.",
    )
    owner = forms.ModelChoiceField(
        User.objects.none(),
        required=False,
        empty_label="the owner of the partner",
        label="Who is told",
        help_text="Whoever is told of its flags by mail within seconds.",
    )
    name = forms.CharField(max_length=200, help_text="What people call it, such as Redemption rate fell.")
    code = forms.CharField(
        max_length=60,
        help_text="What programs call it, for ever: small letters and underscores, such as redemption_rate_fall.",
    )
    GROUPS: ClassVar[Sequence[tuple[str, Sequence[str]]]] = (
        ("What it looks at", ("target", "metric", "window_days")),
        ("When it is crossed", ("direction", "threshold", "reference", "lookback_months")),
        (
            "When it is a flag",
            ("minimum_denominator", "persistence", "persistence_unit", "is_strict", "cooldown", "cooldown_unit"),
        ),
        ("Who is told, and what it is called", ("severity", "owner", "name", "code")),
    )

    def __init__(self, data: Any = None, *, program: Program, rule: "WrittenRule | None" = None, code: str = "") -> None:
        """rule: what the form begins with. code: of the rule that is changed; it cannot be changed itself."""
        super().__init__(data)
        self.fields["owner"].queryset = list_people(program)  # type: ignore[attr-defined] # mypy knows it as a plain field
        self.code_kept = code
        if code:
            del self.fields["code"]
        if rule is not None:
            self.initial = {
                **{name: getattr(rule.spec, name) for name in SPEC_FIELDS},
                "threshold": say_threshold(rule.spec.metric, rule.spec.reference, rule.spec.threshold),
                "name": rule.name,
                "owner": rule.owner_id,
                "code": rule.spec.code,
            }

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields under their headings."""
        return [(title, [self[name] for name in names if name in self.fields]) for title, names in self.GROUPS]

    def clean(self) -> dict[str, Any]:
        """A threshold that fits what it is compared with; the rest is for the service to judge."""
        given: dict[str, Any] = super().clean() or {}
        if isinstance(given.get("threshold"), tuple):
            number, is_percent = given["threshold"]
            given["threshold"] = number
            is_number = given.get("reference") == Reference.FIXED and given.get("metric") in COUNTS
            if is_percent and is_number:
                self.add_error("threshold", "A number of events is compared with a number: write it without %.")
            elif not is_percent and not is_number and number >= LARGEST_SHARE:
                self.add_error("threshold", f"{number} would be {number * 100} %. Write {number} % or {number / 100}.")
        return given

    def spec(self) -> RuleSpec:
        """The version as the service takes it."""
        given = self.cleaned_data
        return RuleSpec(
            code=self.code_kept or given["code"],
            threshold=given["threshold"],
            **{name: given[name] for name in SPEC_FIELDS},
        )


@dataclass(frozen=True)
class WrittenRule:
    """What a form of a rule begins with."""

    name: str
    spec: RuleSpec
    owner_id: int | None


class PolicyForm(forms.Form):
    """Weights of the rates, where the bands begin, how far back it looks, and how much a partner must have done to be scored."""

    minimum_events = forms.IntegerField(
        min_value=1, help_text="With fewer views, unlocks, activations and redemptions together there is insufficient data."
    )
    recency_months = forms.IntegerField(
        min_value=0,
        max_value=LONGEST_RECENCY,
        initial=0,
        label="Months before that count too",
        help_text="0: the month alone. With 3, the month before counts three quarters as much as the month, the one before that "
        "half, the third a quarter. One odd month moves a standing less; falls and recoveries show later.",
    )

    def __init__(self, data: Any = None, *, policy: PolicySpec | None = None) -> None:
        super().__init__(data, initial=vars(policy) if policy else None)
        weights, bands = (dict(policy.weights), dict(policy.bands)) if policy else ({}, {})
        for key in RATES:
            self.fields[f"weight_{key}"] = forms.IntegerField(
                label=f"Weight of {METRICS[key].label.lower()}", min_value=0, max_value=100, initial=weights.get(key, 0)
            )
        for standing in BANDS:
            self.fields[f"band_{standing.value}"] = forms.IntegerField(
                label=f"{standing.label} from a score of", min_value=1, max_value=100, initial=bands.get(standing.value)
            )

    def groups(self) -> list[tuple[str, str, list[forms.BoundField]]]:
        """The fields under their headings, each group with what is to be known about it."""
        by_start = {start: [self[name] for name in self.fields if name.startswith(start)] for start in ("weight_", "band_")}
        weights = "What a rate counts for, in points of 100. One that counts for nothing has weight 0."
        bands = f"The lowest score of each standing, best first. Below the last one a partner is {UNDER.label.lower()}."
        return [
            ("Weights", weights, by_start["weight_"]),
            ("Bands", bands, by_start["band_"]),
            (
                "Recency",
                "What a partner did before may count beside the month; flags do not look at it.",
                [self["recency_months"]],
            ),
            ("Enough to judge", "Of the month itself, whatever counts beside it.", [self["minimum_events"]]),
        ]

    def sum(self) -> int:
        """What the weights add up to, as they are written."""
        texts = [str(self[name].value() or 0) for name in self.fields if name.startswith("weight_")]
        return sum(int(text) for text in texts if text.isdecimal())

    def clean(self) -> dict[str, Any]:
        """Weights that add up, and bands that follow each other."""
        given: dict[str, Any] = super().clean() or {}
        weights = [given[f"weight_{key}"] for key in RATES if f"weight_{key}" in given]
        total = sum(weights)
        if len(weights) == len(RATES) and total != WHOLE:
            by = f"{total - WHOLE} too many" if total > WHOLE else f"{WHOLE - total} are missing"
            self.add_error(None, f"The weights add up to {total}; they must add up to {WHOLE}: {by}. Nothing was saved.")
        for better, worse in pairwise(BANDS):
            above, below = given.get(f"band_{better.value}"), given.get(f"band_{worse.value}")
            if above is not None and below is not None and below >= above:
                self.add_error(f"band_{worse.value}", f"Must begin below {above}, where {better.label.lower()} begins.")
        return given

    def policy(self) -> PolicySpec:
        """The policy as the service takes it."""
        given = self.cleaned_data
        weights = {key: given[f"weight_{key}"] for key in RATES if given[f"weight_{key}"]}
        bands = [*((standing.value, given[f"band_{standing.value}"]) for standing in BANDS), (UNDER.value, 0)]
        return PolicySpec(weights, bands, given["minimum_events"], given["recency_months"])
