"""Forms with which people bring files."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from activity.choices import PeopleMode
from activity.services.canonical import EVENT_FILES

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
