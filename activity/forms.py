"""Forms of activity: files that people bring, days that they ask about, what they discard."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from activity.choices import PeopleMode
from activity.selectors.quarantine import SourceWaiting
from activity.services.canonical import EVENT_FILES
from plum_site.lib.models import ApiToken

SPREADSHEET = b"PK\x03\x04"
TABLES = ("partners.csv", "offers.csv", "members.csv", "seasonal_index.csv")


def check_upload(file: UploadedFile, suffixes: tuple[str, ...]) -> None:
    """ValidationError, with a remedy, for a file that is not of the kind that its field takes."""
    name = str(file.name)
    if file.size == 0:
        raise forms.ValidationError(f"{name} is empty. Nothing was kept.", code="empty")
    start = file.read(4)
    file.seek(0)
    if start == SPREADSHEET:
        raise forms.ValidationError(
            f"{name} is a spreadsheet or an archive. Save its sheet as CSV (UTF-8, commas) and bring that.", code="spreadsheet"
        )
    if not name.lower().endswith(suffixes):
        raise forms.ValidationError(f"{name} is none of {', '.join(suffixes)}. Nothing was kept.", code="suffix")


class PeopleForm(forms.Form):
    """A people file, and whether it names some people or everyone."""

    members = forms.FileField(
        label="People file",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        help_text="CSV, UTF-8, commas, a header in line 1.",
    )
    mode = forms.ChoiceField(
        label="It names",
        choices=PeopleMode.choices,
        initial=PeopleMode.DELTA,
        widget=forms.RadioSelect,
        help_text="With everyone in it, those who are missing are deactivated; you see the list before anything happens.",
    )

    def clean_members(self) -> UploadedFile:
        """A CSV file."""
        file: UploadedFile = self.cleaned_data["members"]
        check_upload(file, (".csv",))
        return file

    def files_given(self) -> dict[str, Any]:
        """By canonical name."""
        return {"members.csv": self.cleaned_data["members"]}


class FolderForm(forms.Form):
    """The files of a folder, each of them optional."""

    partners = forms.FileField(label="partners.csv", required=False, widget=forms.FileInput(attrs={"accept": ".csv"}))
    offers = forms.FileField(label="offers.csv", required=False, widget=forms.FileInput(attrs={"accept": ".csv"}))
    members = forms.FileField(
        label="members.csv",
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv"}),
        help_text="Taken as a delta: nobody leaves. For a full file, use Import people.",
    )
    events = forms.FileField(
        label="Events",
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv,.gz,.jsonl,.parquet"}),
        help_text="CSV or JSON Lines, plain or gzip, or Parquet.",
    )
    seasonal_index = forms.FileField(label="seasonal_index.csv", required=False, widget=forms.FileInput(attrs={"accept": ".csv"}))
    source = forms.CharField(
        label="Source of the events",
        max_length=200,
        initial="file",
        help_text="The system that they come from, where the file does not say. An event counts once per source and id.",
    )

    def clean(self) -> dict[str, Any]:
        """At least one file, each of the kind that its field takes."""
        given: dict[str, Any] = super().clean() or {}
        for name in ("partners", "offers", "members", "seasonal_index", "events"):
            file = given.get(name)
            suffixes = tuple(one.removeprefix("events") for one in EVENT_FILES) if name == "events" else (".csv",)
            try:
                if file:
                    check_upload(file, suffixes)
            except forms.ValidationError as error:
                self.add_error(name, error)
        if not self.errors and not self.files_given():
            raise forms.ValidationError("Choose at least one file. Nothing was kept.", code="no_files")
        return given

    def files_given(self) -> dict[str, Any]:
        """What was chosen, by canonical name."""
        given = self.cleaned_data
        found = {name: given[name.partition(".")[0]] for name in TABLES if given.get(name.partition(".")[0])}
        if events := given.get("events"):
            suffix = next(one for one in sorted(EVENT_FILES, key=len, reverse=True) if _ends_like(str(events.name), one))
            found[suffix] = events
        return found


def _ends_like(name: str, canonical: str) -> bool:
    return name.lower().endswith(canonical.removeprefix("events"))


class DaysForm(forms.Form):
    """Program days, both included."""

    LONGEST = 400

    first = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    last = forms.DateField(label="To, included", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))

    def clean(self) -> dict[str, Any]:
        """In order, and not so many that the answer takes long."""
        given: dict[str, Any] = super().clean() or {}
        first, last = given.get("first"), given.get("last")
        if first and last and last < first:
            self.add_error("last", "This lies before the first day.")
        elif first and last and (last - first).days >= self.LONGEST:
            self.add_error("last", f"At most {self.LONGEST} days at once.")
        return given

    def asked(self) -> dict[str, Any]:
        """What was asked for; what is shown at first where nothing was."""
        if self.is_bound:
            return self.cleaned_data
        return {name: self.initial.get(name) for name in self.fields}


class OutcomesForm(DaysForm):
    """Program days, and whose outcomes."""

    source = forms.ChoiceField(label="Source", required=False)
    token = forms.TypedChoiceField(label="Token", required=False, coerce=int, empty_value=None)

    def __init__(self, *args: Any, sources: Iterable[str], tokens: Sequence[ApiToken], **options: Any) -> None:
        super().__init__(*args, **options)
        self.initial.setdefault("source", "")
        self.fields["source"].choices = [("", "Every source"), *((code, code) for code in sources)]  # type: ignore[attr-defined]
        self.fields["token"].choices = [  # type: ignore[attr-defined]
            ("", "Every token"),
            *((token.pk, f"{token.name} ({token.prefix})") for token in tokens),
        ]


class DiscardForm(forms.Form):
    """Which events in quarantine are thrown away, and why."""

    which = forms.ChoiceField(label="Which", widget=forms.RadioSelect)
    reason = forms.CharField(label="Why", max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, *args: Any, waiting: Sequence[SourceWaiting], **options: Any) -> None:
        super().__init__(*args, **options)
        total = sum(one.waiting.count for one in waiting)
        refused = sum(one.waiting.refused for one in waiting)
        choices = [("all", f"All {total}")]
        if refused:
            choices.append(("refused", f"The {refused} that were refused although the person is there"))
        if len(waiting) > 1:
            choices += [(f"source-{one.source_id}", f"The {one.waiting.count} of {one.source}") for one in waiting]
        self.fields["which"].choices = choices  # type: ignore[attr-defined]

    def chosen(self) -> dict[str, Any]:
        """As arguments of the service."""
        which = self.cleaned_data["which"]
        source_id = int(which.removeprefix("source-")) if which.startswith("source-") else None
        return {"source_id": source_id, "only_refused": which == "refused"}
