"""The audit log: who changed what, narrowed by person, object, act and days; in words, with links, and as CSV."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.apps import apps
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, reverse
from django.utils import formats, timezone
from django.utils.safestring import SafeString
from django.utils.text import capfirst, slugify
from django_filters import CharFilter, ChoiceFilter, DateFilter, FilterSet

from plum_site.lib import trail
from plum_site.lib.admin import ADMINS, Button, KeysetModelAdmin, console_admin, person_of, program_of
from plum_site.lib.admin.keyset import AFTER, BEFORE, KeysetChangeList
from plum_site.lib.api import later_than
from plum_site.lib.clock import now
from plum_site.lib.models import AuditEvent
from plum_site.lib.people import names_of
from plum_site.lib.present import NO_DATA, Table, instant, link
from plum_site.lib.resources import safe_cell

CHUNK = 1000
SHOWN_FIELDS, SHOWN_LENGTH = 3, 60
# Row ids among the values before and after: what they stand for.
REFERS = {
    "owner": "plum.User",
    "segment": "offers.Segment",
    "excluded_segments": "offers.Segment",
    "revision": "offers.RankingRevision",
}
CODES = {"state", "transition"}  # values that are words of ours
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
CSV_COLUMNS = ("at", "who", "what", "object", "object_name", "before", "after", "comment")
SEARCHED = ("partners.Partner", "offers.Offer", "offers.Segment", "plum.User", "plum.ApiToken")


def act_in_words(action: str) -> str:
    """ "partners.save_partner" as "Save partner"."""
    return capfirst(action.partition(".")[2].replace("_", " ")) or action


def kinds() -> list[tuple[str, str]]:
    """What an entry may be about, by label: everything that the console has a page for."""
    rows = [(model._meta.label, capfirst(str(model._meta.verbose_name))) for model in ADMINS]
    return sorted(rows, key=lambda row: row[1])


class AuditFilter(FilterSet):
    """Entries by who, what, about what, and when. Who and what offer those that are there."""

    actor = ChoiceFilter(label="Who", empty_label="Anyone")
    action = ChoiceFilter(label="Did what", empty_label="Anything")
    kind = ChoiceFilter(label="To what", choices=kinds, empty_label="Anything", method="take")
    object = CharFilter(label="Its name or id", method="take")
    first = DateFilter(label="From", method="take", widget=forms.DateInput(attrs={"type": "date"}))
    last = DateFilter(label="To, included", method="take", widget=forms.DateInput(attrs={"type": "date"}))

    class Meta:
        model = AuditEvent
        fields: list[str] = []

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.program = program_of(self.request)
        actors = names_of(trail.list_actors(self.program.pk))
        actions = trail.list_actions(self.program.pk)
        self.filters["actor"].extra["choices"] = sorted(actors.items(), key=lambda row: row[1].lower())
        self.filters["action"].extra["choices"] = sorted(
            ((action, act_in_words(action)) for action in actions), key=lambda row: row[1]
        )

    def take(self, entries: QuerySet[AuditEvent], name: str, value: Any) -> QuerySet[AuditEvent]:
        """Filters that depend on the program or on each other; see filter_queryset."""
        return entries

    def filter_queryset(self, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """All conditions together."""
        entries, given = super().filter_queryset(queryset), self.form.cleaned_data
        entries = trail.within(entries, self.program.time_zone, given["first"], given["last"], includes_last=True)
        if given["kind"] or given["object"]:
            labels = [given["kind"]] if given["kind"] else SEARCHED
            entries = trail.about(entries, labels, given["object"], self.program.pk)
        return entries


class Names:
    """What the actors, objects and row ids in some entries are called: a few queries for all of them."""

    def __init__(self, entries: Iterable[AuditEvent]) -> None:
        entries = list(entries)
        values = [pair for entry in entries for side in (entry.before, entry.after) for pair in flatten(side)]
        spoken = {value for _, value in values if isinstance(value, str) and value.startswith(("user:", "token:"))}
        self.actors = names_of({entry.actor for entry in entries} | spoken)
        referred = {f"{REFERS[name]}:{value}" for name, value in values if name in REFERS and type(value) is int}
        self.objects = trail.name_objects({entry.object_ref for entry in entries} | referred)

    def object(self, entry: AuditEvent) -> SafeString | str:
        """What an entry is about, by kind and name, with a link to its page where it has one."""
        label, _, number = entry.object_ref.partition(":")
        name = self.objects.get(entry.object_ref)
        kind = dict(kinds()).get(label) or capfirst(label.partition(".")[2])
        if name is None:
            return f"{kind} {number}, which is gone"
        if not any(model._meta.label == label for model in ADMINS):
            return f"{kind} {name}"
        model = apps.get_model(label)
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[int(number)])
        return link(url, f"{kind} {name}")

    def value(self, name: str, value: Any) -> str:
        """A value of an entry as people read it."""
        match value:
            case None | "":
                return "–"
            case bool():
                return "yes" if value else "no"
            case int() if name in REFERS:
                return self.objects.get(f"{REFERS[name]}:{value}", str(value))
            case str() if name in CODES:
                return value.replace("_", " ")
            case str() if INSTANT.match(value):
                return instant_in_words(value)
            case str():
                return self.actors.get(value, value)
            case list():
                return ", ".join(self.value(name, one) for one in value) or "none"
            case dict():
                return ", ".join(f"{field_in_words(key)}: {self.value(key, one)}" for key, one in value.items()) or "none"
            case _:
                return str(value)

    def changes(self, entry: AuditEvent) -> list[tuple[str, str, str]]:
        """Every field of an entry: name, before, after."""
        before, after = entry.before or {}, entry.after or {}
        fields = list(dict.fromkeys([*after, *before]))
        return [(field_in_words(name), self.value(name, before.get(name)), self.value(name, after.get(name))) for name in fields]

    def sentence(self, entry: AuditEvent) -> str:
        """What changed, short enough for a list."""
        changes = self.changes(entry)
        said = [
            f"{name}: {shorten(before)} → {shorten(after)}" if entry.before else f"{name}: {shorten(after)}"
            for name, before, after in changes[:SHOWN_FIELDS]
        ]
        return "; ".join(said) + (f"; {len(changes) - SHOWN_FIELDS} more" if len(changes) > SHOWN_FIELDS else "")


def instant_in_words(text: str) -> str:
    """An instant as the log writes it, in the zone of the page; as it is where it is none after all."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return str(formats.date_format(timezone.localtime(at), "DATETIME_FORMAT")) if at.tzinfo else text


def field_in_words(name: str) -> str:
    """ "ends_date" as "ends date"."""
    return str(name).replace("_", " ")


def flatten(values: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value in a JSON value, with the name under which it stands."""
    if isinstance(values, Mapping):
        for key, inner in values.items():
            yield from flatten(inner, key)
    elif isinstance(values, list):
        for inner in values:
            yield from flatten(inner, name)
    elif values is not None:
        yield name, values


def shorten(text: str) -> str:
    """At most SHOWN_LENGTH characters."""
    return text if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 1]}…"


class AuditChangeList(KeysetChangeList):
    """One page of entries, with the names of all that is on it."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        names = Names(self.result_list)
        for entry in self.result_list:
            vars(entry)["names"] = names


@console_admin(AuditEvent)
class AuditEventAdmin(KeysetModelAdmin):
    """Every change of this program, newest first."""

    program_path = "program_id"
    has_history = False
    keyset_field = "at"
    read_operation = "audit.read"
    list_display = ["when", "who", "what", "about", "changed", "comment"]
    filterset_class = AuditFilter
    fields = ["when", "who", "what", "about", "comment"]
    readonly_fields = ["when", "who", "what", "about"]
    intro = "Who changed what, and when. Written with the change itself; the database refuses to edit or delete a line."
    empty_text = "Nothing has been changed in this program yet."

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return AuditChangeList

    def get_urls(self) -> list[URLPattern]:
        return [self.act("csv/", self.download, "csv", "audit.read", "GET"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        kept = [(name, value) for name, value in request.GET.items() if name not in (BEFORE, AFTER)]
        url = reverse("admin:plum_auditevent_csv") + (f"?{urlencode(kept)}" if kept else "")
        return super().changelist_view(request, {"buttons": [Button("Download as CSV", url)], **(extra_context or {})})

    def download(self, request: HttpRequest) -> HttpResponse:
        """What the list shows, all pages of it, as CSV; that a copy was taken stands in the log itself."""
        program, at = program_of(request), now()
        filters = AuditFilter(request.GET, queryset=trail.list_entries(program.pk), request=request)
        if not filters.is_valid():  # the list says what is wrong with them
            return HttpResponseRedirect(f"{reverse('admin:plum_auditevent_changelist')}?{request.GET.urlencode()}")
        entries = filters.qs
        said = {name: str(value) for name, value in request.GET.items() if value and name in AuditFilter.base_filters}
        trail.note_export(program=program, filters=said, actor=person_of(request), at=at)
        name = f"audit-{slugify(program.code)}-{at:%Y-%m-%d}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        lines: Any = StreamingHttpResponse(write_csv(entries), content_type="text/csv; charset=utf-8", headers=headers)
        return lines

    download.logs_reading = True  # type: ignore[attr-defined]

    def tables(self, request: HttpRequest, row: AuditEvent) -> list[Table]:
        rows: list[list[Any]] = [list(change) for change in names_for(row).changes(row)]
        return [Table("What changed", ["Field", "Before", "After"], rows, "This entry records that it happened, no values.")]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        entry = self.get_object(request, object_id)
        title = {"title": act_in_words(entry.action)} if entry is not None else {}
        return super().change_view(request, object_id, form_url, {**title, **(extra_context or {})})

    def when(self, row: AuditEvent) -> SafeString | str:
        return instant(row.at)

    def who(self, row: AuditEvent) -> str:
        return names_for(row).actors[row.actor]

    def what(self, row: AuditEvent) -> str:
        return act_in_words(row.action)

    def about(self, row: AuditEvent) -> SafeString | str:
        return names_for(row).object(row)

    about.short_description = "to what"  # type: ignore[attr-defined]

    def changed(self, row: AuditEvent) -> SafeString | str:
        return names_for(row).sentence(row) or NO_DATA


def names_for(entry: Any) -> Names:
    """The names of the page that an entry is on, or of the entry alone."""
    if "names" not in vars(entry):
        vars(entry)["names"] = Names([entry])
    names: Names = vars(entry)["names"]
    return names


class Line:
    """A file that gives back what is written to it, for the csv module."""

    def write(self, text: str) -> str:
        """The text itself."""
        return text


def write_csv(entries: QuerySet[AuditEvent]) -> Iterator[str]:
    """The lines of a table of entries, read a few at a time, whatever comes in meanwhile."""
    writer = csv.writer(Line())
    yield writer.writerow(CSV_COLUMNS)
    page = list(entries[:CHUNK])
    while page:
        names = Names(page)
        for entry in page:
            before, after = ("; ".join(f"{name}: {change}" for name, change in side) for side in sides(names, entry))
            who, thing = names.actors[entry.actor], names.objects.get(entry.object_ref, "")
            cells = [entry.at.isoformat(), who, entry.action, entry.object_ref, thing, before, after, entry.comment]
            yield writer.writerow([safe_cell(cell) for cell in cells])
        last = page[-1]
        page = list(entries.filter(later_than(trail.ORDER, [last.at, last.pk]))[:CHUNK]) if len(page) == CHUNK else []


def sides(names: Names, entry: AuditEvent) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The fields before and after, in words, each side on its own."""
    return (
        [(field_in_words(name), names.value(name, value)) for name, value in (entry.before or {}).items()],
        [(field_in_words(name), names.value(name, value)) for name, value in (entry.after or {}).items()],
    )
