"""Forms of comparing, deciding and working on flags, and of who gets the report: they collect, services decide."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from partners.models import Program
from plum_site.lib.admin import SuggestInput
from plum_site.lib.models import RoleGrant, User
from reviews.choices import ActionKind, DecisionKind, SubscriptionScope
from reviews.forms.people import list_people
from reviews.models import Subscription


class CompareForm(forms.Form):
    """Which partners are compared by what, over which days. What a program does not have is not offered."""

    metric = forms.ChoiceField(label="Rate")
    month = forms.ChoiceField(label="Month", required=False)
    first = forms.DateField(label="or from", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    last = forms.DateField(
        label="to, included", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    by = forms.ChoiceField(label="Grouped by", required=False)
    category = forms.ChoiceField(label="Category", required=False)
    country = forms.ChoiceField(label="Partner's country", required=False)
    offer_type = forms.ChoiceField(label="Offer type", required=False)
    segment = forms.ChoiceField(label="Segment", required=False)
    members = forms.ChoiceField(label="Members", required=False)
    minimum = forms.IntegerField(label="Smallest sample", required=False, min_value=1, max_value=1_000_000)

    def __init__(self, data: Any, *, offered: Mapping[str, Sequence[tuple[str, Any]]], initial: Mapping[str, Any]) -> None:
        """offered: by field, (value, words); a filter without a value to choose is left out."""
        super().__init__({**initial, **{name: value for name, value in data.items() if value}})
        for name, choices in offered.items():
            needed = name in ("metric", "month")
            self.fields[name].choices = choices if needed else [("", "–"), *choices]  # type: ignore[attr-defined]
            if not choices:
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        """Own days are both ends, in order; they win over the month."""
        given: dict[str, Any] = super().clean() or {}
        first, last = given.get("first"), given.get("last")
        if first and last and last < first:
            self.add_error("last", "This lies before the first day.")
        elif bool(first) != bool(last) and not {"first", "last"} & set(self.errors):
            self.add_error("last" if first else "first", "Write both days, or choose a month.")
        return given


class VerdictsForm(forms.Form):
    """Of which measured actions is asked what worked. What a program does not have is not offered."""

    kind = forms.ChoiceField(label="Kind", required=False, choices=[("", "–"), *ActionKind.choices])
    category = forms.ChoiceField(label="Partner's category", required=False)
    segment = forms.ChoiceField(label="Segment", required=False)
    first = forms.DateField(
        label="Measured from", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    last = forms.DateField(
        label="to, included", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, data: Any, *, offered: Mapping[str, Sequence[tuple[str, Any]]]) -> None:
        """offered: by field, (value, words); a filter without a value to choose is left out."""
        super().__init__(data)
        for name, choices in offered.items():
            self.fields[name].choices = [("", "–"), *choices]  # type: ignore[attr-defined]
            if not choices:
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        """The days are in order."""
        given: dict[str, Any] = super().clean() or {}
        if given.get("first") and given.get("last") and given["last"] < given["first"]:
            self.add_error("last", "This lies before the first day.")
        return given


class DecisionForm(forms.Form):
    """What is decided, and why."""

    kind = forms.ChoiceField(choices=DecisionKind.choices, label="Decision")
    comment = forms.CharField(required=False, max_length=2000, help_text="Needed to exempt someone.")


class WithdrawalForm(forms.Form):
    """Why decisions are taken back."""

    comment = forms.CharField(required=False, max_length=2000, help_text="Kept in the audit log.")


class FlagStepForm(forms.Form):
    """Why."""

    comment = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}), required=False, max_length=2000, help_text="Kept with each of them."
    )


class FlagOwnerForm(forms.Form):
    """Who works on a flag."""

    owner = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="nobody")

    def __init__(self, *args: Any, program: Program, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].queryset = list_people(program)  # type: ignore[attr-defined] # mypy knows it as a plain field


class SubscriptionForm(forms.ModelForm):
    """Who gets the monthly report, and about which partners."""

    user = forms.ModelChoiceField(
        User.objects.none(),
        required=False,
        label="Person with a login",
        empty_label="nobody: somebody without a login",
        help_text="People with a role here. Their report links to the console. Admins and partner operations usually want it.",
    )
    email = forms.EmailField(required=False, label="E-mail address", help_text="Leave empty for a person with an address here.")
    name = forms.CharField(required=False, max_length=200, help_text="How the mail greets them.")
    scope = forms.ChoiceField(choices=SubscriptionScope.choices, initial=SubscriptionScope.WHOLE, label="About")
    scope_value = forms.CharField(
        required=False,
        max_length=100,
        label="Category or country",
        help_text="Only for these two: the category, or a code such as DE.",
    )

    class Meta:
        model = Subscription
        fields = ["user", "email", "name", "scope", "scope_value"]

    @classmethod
    def within(cls, program: Program) -> type["SubscriptionForm"]:
        """The form for one program: its people, and suggestions of its categories and countries."""
        people = RoleGrant.objects.filter(program_id=program.pk).values("user_id")
        categories = program.categories.exclude(code="").order_by("code").values_list("code", flat=True)
        countries = program.partners.exclude(country="").order_by("country").values_list("country", flat=True).distinct()

        class Bound(cls):  # type: ignore[valid-type, misc]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self.fields["user"].queryset = User.objects.filter(pk__in=people, is_active=True).order_by("username")
                self.fields["scope_value"].widget = SuggestInput([*categories, *countries])

        return Bound

    def clean(self) -> dict[str, Any]:
        """An address, or a person who has one."""
        given: dict[str, Any] = super().clean() or {}
        person = given.get("user")
        if not given.get("email") and not (person and person.email):
            self.add_error("email", "Write an address, or choose a person who has one.")
        return given

    def validate_unique(self) -> None:
        """Nothing: adding somebody again resumes what they had."""

    def _get_validation_exclusions(self) -> set[str]:
        """What does not fit together is said by the service, in words; the constraint's own message says nothing."""
        return {*super()._get_validation_exclusions(), "scope_value"}  # type: ignore[misc] # no stub knows it
