"""The forms of the ladder: its rule, and keeping a partner from being moved up."""

from typing import Any

from django import forms

from reviews.rules.ladder import LONGEST, MOST_TRIED, STEPS, LadderRule, Step

STEP_LABELS = {
    "notice": ("Active → on notice", "put on notice"),
    "plan": ("On notice → improvement plan", "given an improvement plan"),
    "replacement": ("Improvement plan → replacing is due", "due to be replaced"),
}


class LadderForm(forms.Form):
    """When partners move."""

    is_on = forms.BooleanField(label="Partners move by rule", required=False)
    counts_watch = forms.BooleanField(
        label="A standing of watch counts against a partner too",
        required=False,
        help_text="Otherwise underperforming alone counts, and a month of watch begins the row anew.",
    )
    recovery_months = forms.IntegerField(
        label="Good reviews in a row that bring it back",
        min_value=1,
        max_value=LONGEST,
        help_text="On track or excellent. From either rung it is active again.",
    )
    writes = forms.BooleanField(
        label="Propose a letter to the partner with a step up",
        required=False,
        help_text="Its words are left to the person who takes it up.",
    )

    def __init__(self, data: Any = None, *, rule: LadderRule) -> None:
        """rule: what is in force."""
        initial = rule.as_json()
        for name in STEPS:
            initial |= {f"{name}_{field}": value for field, value in initial.pop(name).items()}
        super().__init__(data, initial=initial)
        for name in STEPS:
            title, done = STEP_LABELS[name]
            self.fields[f"{name}_months"] = forms.IntegerField(
                label=f"{title}: poor reviews in a row",
                min_value=1,
                max_value=LONGEST,
                help_text=f"Closed since it came to its rung, before it is {done}. All three of a step must hold.",
            )
            self.fields[f"{name}_flag_months"] = forms.IntegerField(
                label=f"{title}: months that a flag has stood",
                min_value=0,
                max_value=LONGEST,
                help_text="0: no flag is needed.",
            )
            self.fields[f"{name}_tried"] = forms.IntegerField(
                label=f"{title}: actions that did not work",
                min_value=0,
                max_value=MOST_TRIED,
                help_text="Measured in these months, with any verdict but worked. 0: none is needed.",
            )
        self.order_fields(["is_on", *(f"{name}_{part}" for name in STEPS for part in ("months", "flag_months", "tried"))])

    def read(self) -> LadderRule:
        """The version as the service takes it."""
        given = self.cleaned_data
        steps = {
            name: Step(given[f"{name}_months"], flag_months=given[f"{name}_flag_months"], tried=given[f"{name}_tried"])
            for name in STEPS
        }
        return LadderRule(
            is_on=given["is_on"],
            counts_watch=given["counts_watch"],
            recovery_months=given["recovery_months"],
            writes=given["writes"],
            **steps,
        )


class HoldForm(forms.Form):
    """Until when, and why."""

    until = forms.DateField(
        label="Until",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="The last day on which it holds; at most a year ahead.",
    )
    reason = forms.CharField(
        label="Because", widget=forms.Textarea(attrs={"rows": 3}), max_length=2000, help_text="Kept, and shown with each review."
    )
