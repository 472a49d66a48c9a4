"""Bringing files in: chosen, checked, confirmed, applied with progress, and what was not taken to be downloaded."""

import csv
import io
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from activity.admin.import_tables import list_count_cards, list_tables
from activity.choices import ImportKind, ImportState
from activity.forms import FolderForm, PeopleForm
from activity.models import Import
from activity.rules.people import PERSON_COLUMNS
from activity.services.import_files import has_rejects, open_rejects, read_report
from activity.services.imports import OPEN, confirm_import, discard_import, find_job, start_import
from plum_site.lib.admin import (
    Button,
    KeysetModelAdmin,
    allowed,
    console_admin,
    go,
    person_of,
    program_of,
    refuse,
    show,
    show_progress,
)
from plum_site.lib.choices import JobState
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.present import badge, link, words
from plum_site.lib.resources import safe_cell

TONES = {
    ImportState.RECEIVING: "idle",
    ImportState.CHECKING: "info",
    ImportState.READY: "warn",
    ImportState.REFUSED: "bad",
    ImportState.APPLYING: "info",
    ImportState.APPLIED: "good",
    ImportState.DISCARDED: "idle",
    ImportState.EXPIRED: "idle",
}
EXAMPLES = {
    "external_id": ("1001", "1002"),
    "email": ("ann@example.org", ""),
    "display_name": ("Ann", ""),
    "language": ("en", "de"),
    "push_opt_out": ("no", "yes"),
    "joined_on": ("2026-03-01", ""),
    "status": ("active", "inactive"),
}


class ConfirmForm(forms.Form):
    """Asked for only where many would be deactivated."""

    allow_leavers = forms.BooleanField(required=False)


@console_admin(Import)
class ImportAdmin(KeysetModelAdmin):
    """What was brought in files, and what became of it."""

    read_operation = "import.read"
    list_display = ["named", "kind", "state_now", "created_by", "created_at", "finished_at"]
    list_filter = ["kind", "state"]
    list_select_related = ["created_by"]
    change_form_template = "activity/import.html"
    intro = "Files that were brought to the console. They are checked first and removed once applied, at the latest after a day."
    empty_text = "Nothing was brought yet. Choose above what to bring."
    fields = ["kind", "state_now", "brought", "created_by", "created_at", "confirmed_by", "confirmed_at", "finished_at"]
    readonly_fields = ["state_now", "brought"]

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("people/", self.ask_for_people, "people", "member.import", "GET"),
            self.act("people/bring/", self.bring_people, "bring_people", "member.import"),
            self.act("people/template.csv", self.download_template, "template", "member.import", "GET"),
            self.act("folder/", self.ask_for_folder, "folder", "event.load", "GET"),
            self.act("folder/bring/", self.bring_folder, "bring_folder", "event.load"),
            self.act("<int:pk>/confirm/", self.confirm, "confirm", "event.load"),
            self.act("<int:pk>/discard/", self.discard, "discard", "event.load"),
            self.act("<int:pk>/rejects.csv", self.download_rejects, "rejects", "event.load", "GET"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {"buttons": list_bring_buttons(request), **(extra_context or {})})

    # --- bringing ---

    def ask_for_people(self, request: HttpRequest, form: PeopleForm | None = None) -> HttpResponse:
        """The page with the template and the choice between some people and everyone."""
        kept = program_of(request).member_attributes
        return self.show_form(
            request,
            form or PeopleForm(),
            title="Import people",
            intro="Nothing changes until you have seen what would change and confirmed it.",
            action=reverse("admin:activity_import_bring_people"),
            template_url=reverse("admin:activity_import_template"),
            kept=words(kept, empty="none yet"),
        )

    def bring_people(self, request: HttpRequest) -> HttpResponse:
        """Keep the file and have it checked."""
        form = PeopleForm(request.POST, request.FILES)
        if not form.is_valid():
            return self.ask_for_people(request, form)
        return self.bring(
            request, form, ImportKind.PEOPLE, form.files_given(), self.ask_for_people, mode=form.cleaned_data["mode"]
        )

    def ask_for_folder(self, request: HttpRequest, form: FolderForm | None = None) -> HttpResponse:
        """The page with one field a file."""
        return self.show_form(
            request,
            form or FolderForm(),
            title="Load files",
            intro="Bring any of these; a file is not needed where the program already has what is in it. They are checked first, "
            "and nothing changes until you confirm. Loading the same files again changes nothing.",
            action=reverse("admin:activity_import_bring_folder"),
        )

    def bring_folder(self, request: HttpRequest) -> HttpResponse:
        """Keep the files and have them checked."""
        form = FolderForm(request.POST, request.FILES)
        if not form.is_valid():
            return self.ask_for_folder(request, form)
        source = form.cleaned_data["source"].strip()
        return self.bring(request, form, ImportKind.FOLDER, form.files_given(), self.ask_for_folder, source=source)

    def bring(
        self, request: HttpRequest, form: forms.Form, kind: str, files: dict[str, Any], ask: Any, **options: Any
    ) -> HttpResponse:
        """One service call; the page of the import then shows how far the check is."""
        try:
            brought = start_import(
                program=program_of(request), kind=kind, files=files, actor=person_of(request), at=now(), **options
            )
        except DomainError as error:
            refuse(form, error)
            answer: HttpResponse = ask(request, form)
            return answer
        return go(request, "activity_import_change", brought.pk)

    def show_form(self, request: HttpRequest, form: forms.Form, **context: Any) -> HttpResponse:
        """A form that takes files."""
        return show(
            request,
            "activity/import_form.html",
            form=form,
            submit="Check",
            back_url=reverse("admin:activity_import_changelist"),
            back_label="Imports",
            opts=self.opts,
            **context,
        )

    def download_template(self, request: HttpRequest) -> HttpResponse:
        """The columns of a people file of this program, with two rows as an example."""
        attributes = program_of(request).member_attributes
        own = [name for name in PERSON_COLUMNS if name not in attributes and name != "active"]
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([*own, *(safe_cell(name) for name in attributes)])
        for index in range(2):
            writer.writerow([*(EXAMPLES[name][index] for name in own), *("" for _ in attributes)])
        headers = {"Content-Disposition": 'attachment; filename="members.csv"'}
        return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)

    # --- one import ---

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        brought = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if brought is not None and self.has_view_permission(request, brought):
            context = self.describe(brought, may_load=allowed(request, "event.load"))
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def describe(self, brought: Import, *, may_load: bool) -> dict[str, Any]:
        """What the page of one import says; who is in the files is only for those who may load them."""
        report = read_report(brought=brought) if brought.has_files and may_load else {}
        job = find_job(brought=brought)
        findings = brought.findings or {}
        changes = sum(
            counts.get(name, 0)
            for counts in findings.get("counts", {}).values()
            for name in ("created", "changed", "deactivated", "accepted")
        )
        return {
            "brought": brought,
            "state": badge(brought.get_state_display(), TONES[ImportState(brought.state)]),
            "progress": show_progress(job) if job and job.state in (JobState.DUE, JobState.RUNNING) else "",
            "dead_job": job if job and job.state == JobState.DEAD else None,
            "problem": report.get("problem") or report.get("refusal") or (explain(brought) if brought.problem else ""),
            "cards": list_count_cards(brought),
            "import_tables": list_tables(brought, report),
            "is_ready": brought.state == ImportState.READY and may_load,
            "has_changes": changes > 0,
            "needs_leavers": findings.get("refusal") == "too_many_leavers",
            "leavers": findings.get("counts", {}).get("members.csv", {}).get("deactivated", 0),
            "active_before": findings.get("active_before", 0),
            "missing_offers": findings.get("missing_offers"),
            "confirm_url": reverse("admin:activity_import_confirm", args=[brought.pk]),
            "rejects_url": reverse("admin:activity_import_rejects", args=[brought.pk])
            if may_load and has_rejects(brought=brought)
            else "",
            "rejected": (brought.result or findings).get("rejected", 0),
            "ignored": (brought.result or {}).get("ignored") or findings.get("ignored", []),
            "outside": (brought.result or findings).get("warnings", {}).get("outside_offer_dates", 0),
            "withdrawn": (brought.result or findings).get("warnings", {}).get("after_withdrawal", 0),
            "was_resumed": bool((brought.result or {}).get("attempt")),
        }

    def buttons(self, request: HttpRequest, row: Import) -> list[Button]:
        buttons = []
        if row.state in OPEN and allowed(request, "event.load"):
            asks = "Discard these files? Nothing of the program changes."
            buttons.append(Button("Discard", reverse("admin:activity_import_discard", args=[row.pk]), posts=True, asks=asks))
        if row.state not in (ImportState.RECEIVING, ImportState.CHECKING, ImportState.APPLYING, ImportState.READY):
            buttons += list_bring_buttons(request)
        return buttons

    def confirm(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call; confirming twice applies once."""
        brought, form = self.row_or_404(request, pk), ConfirmForm(request.POST)
        allow = form.is_valid() and form.cleaned_data["allow_leavers"]
        try:
            confirm_import(import_id=brought.pk, allow_leavers=allow, actor=person_of(request), at=now())
        except DomainError as error:
            self.message_user(request, error.detail, "error")
        return go(request, "activity_import_change", pk)

    def discard(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        brought = self.row_or_404(request, pk)
        try:
            discard_import(import_id=brought.pk, actor=person_of(request), at=now())
        except DomainError as error:
            self.message_user(request, error.detail, "error")
            return go(request, "activity_import_change", pk)
        self.message_user(request, "The files were discarded. Nothing of the program was changed.")
        return go(request, "activity_import_changelist")

    def download_rejects(self, request: HttpRequest, pk: int) -> Any:
        """The rows that were not taken, each with its line, column and reason."""
        brought = self.row_or_404(request, pk)
        file = open_rejects(brought=brought) if brought.has_files else None
        if file is None:
            self.message_user(request, "There is nothing to download: every row was taken, or the day is over.", "warning")
            return go(request, "activity_import_change", pk)
        return FileResponse(
            file, as_attachment=True, filename=f"rejects-{brought.pk}.csv", content_type="text/csv; charset=utf-8"
        )

    # --- cells ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[Import]:
        return super().get_queryset(request).select_related("created_by", "confirmed_by")

    def named(self, row: Import) -> SafeString:
        return link(reverse("admin:activity_import_change", args=[row.pk]), str(row))

    named.short_description = "import"  # type: ignore[attr-defined]

    def state_now(self, row: Import) -> SafeString:
        return badge(row.get_state_display(), TONES[ImportState(row.state)])

    state_now.short_description = "state"  # type: ignore[attr-defined]

    def brought(self, row: Import) -> str:
        return words(f"{told['name']} ({describe_size(told['size'])})" for told in row.files.values())

    brought.short_description = "files"  # type: ignore[attr-defined]


def list_bring_buttons(request: HttpRequest) -> list[Button]:
    """The two ways to bring files, for those who may."""
    buttons = []
    if allowed(request, "member.import"):
        buttons.append(Button("Import people…", reverse("admin:activity_import_people"), is_primary=True))
    if allowed(request, "event.load"):
        buttons.append(Button("Load files…", reverse("admin:activity_import_folder")))
    return buttons


def explain(brought: Import) -> str:
    """Why files were refused, once the words that came with them are gone."""
    return f"The files were refused ({brought.problem.replace('_', ' ')}). Nothing was changed."


def describe_size(size: int) -> str:
    """Bytes in the largest unit that fits."""
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
