"""Forms of replacements: of each step with what it asks for, and of the work between steps. They collect, services judge."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from django import forms
from django.utils import timezone

from offers.models.trials import LARGEST_SHARE
from plum_site.lib.admin import SuggestInput
from plum_site.lib.models import User
from reviews.choices import ContactKind, ReplacementStep
from reviews.forms.actions import INSTANT
from reviews.forms.people import list_people
from reviews.models import Replacement
from reviews.rules.replacements import LARGEST_FILE, Pair
from reviews.rules.replacements.files import KINDS

Choices = Sequence[tuple[str, str]]
NOTHING = "-"  # no external id: what a line of the mapping says where nothing follows


class StepForm(forms.Form):
    """Why; and which revision was looked at."""

    comment = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}), required=False, max_length=2000, help_text="Kept in the log of the replacement."
    )
    replaces = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def fields_to_pass(self) -> dict[str, Any]:
        """What the service of the step is told beside the comment."""
        return {name: value for name, value in self.cleaned_data.items() if name not in ("comment", "replaces")}


class ChooseForm(StepForm):
    """Who takes the place."""

    field_order = ["partner"]

    def __init__(self, *args: Any, partners: Choices = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["partner"] = forms.ChoiceField(
            label="Who takes the place", choices=partners, widget=forms.RadioSelect, help_text="By coverage, the best first."
        )
        self.order_fields(["partner", "comment"])


class AgreeForm(StepForm):
    """What was agreed."""

    terms = forms.CharField(
        label="What was agreed",
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="In words. Signed papers are kept as files of the replacement.",
    )
    last_activation_days = forms.IntegerField(
        label="Days to activate",
        min_value=1,
        max_value=365,
        help_text="For so many days after the cutover members still activate what they have unlocked of the old offers.",
    )
    field_order = ["terms", "last_activation_days", "comment"]


class GapsForm(StepForm):
    """What nobody offers any more: each line is ticked by somebody who read it."""

    def __init__(self, *args: Any, gaps: Choices = (), **kwargs: Any) -> None:
        """gaps: (key, words), those that there are now."""
        super().__init__(*args, **kwargs)
        if gaps:
            self.fields["gaps"] = forms.MultipleChoiceField(
                label="Accept what is missing then",
                choices=[(quote(key), f"{words[:1].upper()}{words[1:]}") for key, words in gaps],  # keys hold line breaks
                required=False,
                widget=forms.CheckboxSelectMultiple,
                help_text="Nobody would offer this any more. Tick every line: by this you accept it.",
            )
            self.order_fields(["gaps", "comment"])

    def fields_to_pass(self) -> dict[str, Any]:
        return {"gaps": [unquote(key) for key in self.cleaned_data.get("gaps", ())]}


class TrialForm(StepForm):
    """How many try it."""

    share_percent = forms.IntegerField(
        label="Share of members in percent",
        initial=10,
        min_value=1,
        max_value=LARGEST_SHARE,
        help_text=f"1 to {LARGEST_SHARE}. A small share risks little, a large one tells sooner which offers do better.",
    )
    field_order = ["share_percent", "comment"]


class ScheduleForm(StepForm):
    """When the cutover is."""

    scheduled_at = forms.DateTimeField(
        label="When",
        input_formats=[INSTANT],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=INSTANT),
        help_text="In the program's time zone. A quiet hour: members see the new offers from this minute on.",
    )
    tells_partners = forms.BooleanField(
        label="Write to both partners now", required=False, initial=True, help_text="What they read is shown above."
    )
    field_order = ["scheduled_at", "tells_partners", "comment"]


# --- the work between steps ---


class PlanForm(forms.Form):
    """Who does a step, and by when."""

    step = forms.ChoiceField(choices=ReplacementStep.choices, widget=forms.HiddenInput)
    owner = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="the owner of the replacement")
    due_date = forms.DateField(
        label="Due",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Whoever does it is reminded on this day; the program's admins three days later.",
    )

    def __init__(self, *args: Any, replacement: Replacement, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].queryset = list_people(replacement.program)  # type: ignore[attr-defined] # as FlagOwnerForm


class CandidateForm(forms.Form):
    """A partner that is there already."""

    def __init__(self, *args: Any, partners: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["partner"] = forms.ChoiceField(
            label="Partner",
            choices=[("", "–"), *partners],
            help_text="Partners of the same category are compared anyway. One that refused is asked again by this.",
        )


class ProspectForm(forms.Form):
    """A partner that is not there yet."""

    name = forms.CharField(label="Name", max_length=200, widget=forms.TextInput(attrs={"class": "vLargeTextField"}))
    external_id = forms.CharField(label="Id", max_length=100, help_text="As your own systems know it; it stays as it is.")
    category = forms.CharField(label="Category", required=False, max_length=100)
    country = forms.CharField(label="Country", required=False, max_length=2, help_text="A code such as DE. Empty: none.")

    def __init__(self, *args: Any, categories: list[str], usual: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["category"].widget = SuggestInput(categories)
        self.fields["category"].help_text = f"Its code. Empty: that of the partner who goes, {usual or 'none'}."


class ContactLogForm(forms.Form):
    """What was spoken."""

    kind = forms.ChoiceField(label="How", choices=ContactKind.choices)
    text = forms.CharField(label="What was said", max_length=20_000, widget=forms.Textarea(attrs={"rows": 6}))

    def __init__(self, *args: Any, partners: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["partner"] = forms.ChoiceField(label="With", choices=partners)
        self.order_fields(["partner", "kind", "text"])


class FileForm(forms.Form):
    """A file, such as signed terms."""

    file = forms.FileField(
        label="File",
        max_length=1000,
        widget=forms.FileInput(attrs={"accept": ",".join(KINDS)}),
        help_text=f"{', '.join(kind[1:] for kind in KINDS)}; at most {LARGEST_FILE // 1024 // 1024} MB. It is kept as it is, and "
        "everybody who may read reviews here can download it; each download is logged.",
    )


class MappingForm(forms.Form):
    """For every old offer the one that follows it, or that nothing does; and offers that go live beside."""

    replaces = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, olds: Choices, news: Choices, besides: Choices, **kwargs: Any) -> None:
        """olds, news, besides (those of the new ones that are not live yet): (external id, words)."""
        super().__init__(*args, **kwargs)
        self.olds = {f"follows_{number}": name for number, (name, _words) in enumerate(olds)}
        choices = [("", "– choose –"), *news, (NOTHING, "Nothing follows")]
        for field, (_name, words) in zip(self.olds, olds, strict=True):
            self.fields[field] = forms.ChoiceField(label=words, choices=choices, required=False)
        if besides:
            self.fields["beside"] = forms.MultipleChoiceField(
                label="Go live beside",
                choices=besides,
                required=False,
                widget=forms.CheckboxSelectMultiple,
                help_text="Offers of the successor that follow none of the old ones and go live at the cutover too.",
            )

    @classmethod
    def begin_with(cls, pairs: Iterable[Pair], olds: Choices) -> dict[str, Any]:
        """What the form of a saved mapping begins with."""
        found = list(pairs)
        followers = {pair.old: pair.new or NOTHING for pair in found if pair.old is not None}
        begins: dict[str, Any] = {f"follows_{number}": followers.get(name, "") for number, (name, _words) in enumerate(olds)}
        return {**begins, "beside": [pair.new for pair in found if pair.old is None]}

    def clean(self) -> dict[str, Any]:
        """Every old offer has its line."""
        given: dict[str, Any] = super().clean() or {}
        for field in self.olds:
            if not given.get(field) and field not in self.errors:
                self.add_error(field, "Say which offer follows this one, or that nothing does.")
        return given

    def pairs(self) -> list[Pair]:
        """The mapping as the service takes it; an offer that follows one already does not go live beside as well."""
        given = self.cleaned_data
        pairs = [Pair(name, None if given[field] == NOTHING else given[field]) for field, name in self.olds.items()]
        followers = {pair.new for pair in pairs}
        return [*pairs, *(Pair(None, name) for name in given.get("beside", ()) if name not in followers)]

    def point_at(self, faults: Mapping[str, str]) -> None:
        """Put what the service said about offers, by external id, beside their lines; the rest above the form."""
        fields = {name: field for field, name in self.olds.items()}
        for name, sentence in faults.items():
            self.add_error(fields.get(name), sentence if name in fields else f"{name}: {sentence}")


def suggest_time(replacement: Replacement, due: date | None, at: datetime) -> datetime:
    """When a cutover could be: as it is planned, else at six in the morning of the day it is due; at least tomorrow."""
    if replacement.scheduled_at is not None:
        return timezone.localtime(replacement.scheduled_at)
    tomorrow = timezone.localtime(at) + timedelta(days=1)
    early = tomorrow.replace(hour=6, minute=0, second=0, microsecond=0)
    return early.replace(year=due.year, month=due.month, day=due.day) if due and due > early.date() else early
