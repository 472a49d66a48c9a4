"""Exports: ask for data, see how far it is, take it, and see who took it."""

import json
from typing import Any, ClassVar, cast

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from exports.choices import ExportState
from exports.forms import ExportForm, read_address
from exports.models import Export
from exports.rules import MANIFEST
from exports.selectors import list_filters
from exports.services import (
    UnableToTakeExport,
    expire_export,
    file_name,
    list_files,
    open_file,
    request_export,
    retry_export,
    stream_zip,
    take_export,
)
from exports.services.downloads import PACKAGE
from plum_site.lib.access import Actor, actor_of, check
from plum_site.lib.admin import (
    Button,
    ProgramModelAdmin,
    allowed,
    console_admin,
    go,
    person_of,
    program_of,
    refuse,
    show,
    show_progress,
    try_to,
    url_of,
)
from plum_site.lib.audit import SYSTEM
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError, NotAllowed
from plum_site.lib.models import Job
from plum_site.lib.people import names_of, person_behind
from plum_site.lib.periods import local_date
from plum_site.lib.present import BREAK, NO_DATA, Table, badge, count, day, instant, link

TONES = {
    ExportState.REQUESTED: "idle",
    ExportState.RUNNING: "info",
    ExportState.READY: "good",
    ExportState.FAILED: "bad",
    ExportState.EXPIRED: "idle",
}
WORKING = (ExportState.REQUESTED, ExportState.RUNNING)
FEW_FILES = 6  # with a button each
SUM_LABELS = {
    "spend": "Spend",
    "reversed_spend": "Reversed spend",
    "failed_spend": "Spend of failed attempts",
    "reward_cost": "Reward cost",
    "reversed_reward_cost": "Reversed reward cost",
    "failed_reward_cost": "Reward cost of failed attempts",
}
INTRO = (
    "One package with every event of the period, each with all its fields, as it stands in the ledger when a worker begins to "
    "write it. You download it on the next page; the files are removed after 7 days."
)


@console_admin(Export)
class ExportAdmin(ProgramModelAdmin):
    """Raw exports of the program."""

    read_operation = "export.read"
    add_operation = "export.request"
    list_display = [
        "named",
        "state_now",
        "rows_shown",
        "filters_shown",
        "members_shown",
        "asked_by_shown",
        "asked_at",
        "expires_at",
    ]
    list_filter = ["state", "is_identified", "format"]
    ordering = ["-asked_at", "-id"]
    intro = (
        "Every event of a period as files: for analysts, data teams and auditors. Members are pseudonyms; program admins may "
        "take outside ids, with a reason. Whoever asked for an export downloads it, and each download is logged."
    )
    empty_text = "No export yet. Choose New export, or Take the data on the dashboard."
    shown: ClassVar[list[str]] = [
        "state_now", "progress", "why_failed", "period", "filters_shown", "format", "members_shown", "reason", "rows_shown",
        "size", "as_of", "asked_by_shown", "asked_at", "finished_at", "expires_at", "uuid",
    ]  # fmt: skip
    readonly_fields = shown
    change_form_template = "exports/export.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("program").annotate(person=person_behind("asked_by"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # type: ignore[override]
        left_out = set()
        if obj is not None:
            left_out |= {"why_failed"} if obj.state != ExportState.FAILED else set()
            left_out |= {"progress"} if obj.state not in WORKING else {"rows_shown", "size", "as_of", "finished_at", "expires_at"}
            left_out |= {"reason"} if not obj.reason else set()
        return [name for name in self.shown if name not in left_out]

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("<int:pk>/download/", self.download, "download", "export.download"),
            self.act("<int:pk>/retry/", self.retry, "retry", "export.request"),
            self.act("<int:pk>/remove/", self.remove, "remove", "export.remove"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        may = allowed(request, self.add_operation)
        buttons = [Button("New export", reverse("admin:exports_export_add"), is_primary=True)] if may else []
        return super().changelist_view(request, {"buttons": buttons, "has_add_permission": False, **(extra_context or {})})

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The form, filled from the address; one service call, then the page that shows its progress."""
        if not self.has_add_permission(request):
            raise PermissionDenied("Exporting needs a role in this program that may.")
        program, at = program_of(request), now()
        known = {
            "program": program,
            "today": local_date(at, program.time_zone),
            "may_identify": allowed(request, "export.identified"),
        }
        if request.method != "POST":
            initial = read_address(request.GET, list_filters(program))
            return self.show_form(request, ExportForm(initial=initial or {"period": "last_month"}, **known))
        form = ExportForm(request.POST, **known)
        if not form.is_valid():
            return self.show_form(request, form)
        given = form.cleaned_data
        try:
            export = request_export(
                program_id=program.pk,
                starts_date=given["first"],
                ends_date=type(given["last"]).fromordinal(given["last"].toordinal() + 1),
                format=given["format"],
                filters=form.kept(),
                is_identified=given.get("is_identified", False),
                reason=given.get("reason", ""),
                actor=person_of(request),
                at=at,
            )
        except DomainError as error:
            refuse(form, error)
            return self.show_form(request, form)
        self.message_user(request, "The export is being written. This page shows how far it is; you may leave it.")
        return go(request, "exports_export_change", export.pk)

    def show_form(self, request: HttpRequest, form: ExportForm) -> HttpResponse:
        """The page that asks what is wanted."""
        return show(
            request,
            "exports/new.html",
            title="New export",
            intro=INTRO,
            form=form,
            main=[field for field in form if not field.name.startswith("filter_")],
            filters=[field for field in form if field.name.startswith("filter_")],
            is_filtered=any(form[name].value() for name in form.fields if name.startswith("filter_")),
            submit="Export",
            back_url=reverse("admin:exports_export_changelist"),
            back_label="Exports",
            opts=self.opts,
        )

    def buttons(self, request: HttpRequest, row: Export) -> list[Button]:
        buttons = []
        if may_take(request, row):
            url = reverse("admin:exports_export_download", args=[row.pk])
            buttons.append(Button("Download all as zip", url, posts=True, is_primary=True))
            files = list_files(export=row)
            if len(files) <= FEW_FILES:
                buttons += [
                    Button(f"Download {name.rpartition('/')[2]}", url, posts=True, name="file", value=name) for name in files
                ]
        if row.state == ExportState.FAILED and allowed(request, "export.request"):
            buttons.append(Button("Try again", reverse("admin:exports_export_retry", args=[row.pk]), posts=True, is_primary=True))
        if row.state == ExportState.READY and allowed(request, "export.remove"):
            asks = "Remove the files now? Nobody can download them afterwards; the log of this export stays."
            buttons.append(
                Button("Remove the files", reverse("admin:exports_export_remove", args=[row.pk]), posts=True, asks=asks)
            )
        return buttons

    def tables(self, request: HttpRequest, row: Export) -> list[Table]:
        return [*content_tables(row), taken_table(row)]

    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Log it, then send it; what refuses is shown on the export's page."""
        export = self.row_or_404(request, pk)
        check_taker(request, export)
        what = request.POST.get("file") or PACKAGE

        def act() -> str:
            take_export(export_id=export.pk, what=what, actor=person_of(request), at=now())
            return ""

        try:
            act()
        except UnableToTakeExport as error:
            self.message_user(request, error.detail, "error")
            return go(request, "exports_export_change", pk)
        return cast(HttpResponse, send(export, what))

    def retry(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call: all its attempts again."""
        export = self.row_or_404(request, pk)
        if export.is_identified:
            check(actor_of(request), "export.identified", export.program_id)

        def act() -> str:
            retry_export(export_id=export.pk, actor=person_of(request), at=now())
            return "The export is written again, with everything recorded by now."

        try_to(request, act)
        return go(request, "exports_export_change", pk)

    def remove(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call: the files go, the row stays."""
        export = self.row_or_404(request, pk)

        def act() -> str:
            expire_export(export_id=export.pk, actor=person_of(request), at=now())
            return "The files are removed. Who downloaded them before stays on record below."

        try_to(request, act)
        return go(request, "exports_export_change", pk)

    def named(self, row: Export) -> SafeString:
        return link(url_of(row), f"{row.starts_date} – {last_day(row)}")

    named.short_description = "period"  # type: ignore[attr-defined]

    def period(self, row: Export) -> SafeString:
        return format_html("{} – {} ({})", day(row.starts_date), day(last_day(row)), row.program.time_zone)

    def state_now(self, row: Export) -> SafeString:
        return badge(row.get_state_display(), TONES[ExportState(row.state)])

    state_now.short_description = "state"  # type: ignore[attr-defined]

    def progress(self, row: Export) -> SafeString:
        job = Job.objects.filter(pk=row.job_id).first() if row.job_id is not None else None
        return show_progress(job) if job is not None else NO_DATA

    def why_failed(self, row: Export) -> str:
        return row.error

    def rows_shown(self, row: Export) -> SafeString | str:
        return count(row.rows)

    rows_shown.short_description = "events"  # type: ignore[attr-defined]

    def size(self, row: Export) -> SafeString | str:
        return NO_DATA if row.bytes is None else filesizeformat(row.bytes)

    def as_of(self, row: Export) -> SafeString | str:
        return instant(row.started_at)

    as_of.short_description = "recorded until"  # type: ignore[attr-defined]

    def filters_shown(self, row: Export) -> SafeString | str:
        if not row.filters:
            return "everything"
        lines = (
            (name.replace("_", " "), ", ".join(value or "unknown" for value in values)) for name, values in row.filters.items()
        )
        return format_html_join(BREAK, "{}: {}", lines)

    filters_shown.short_description = "what"  # type: ignore[attr-defined]

    def members_shown(self, row: Export) -> SafeString | str:
        return badge("Outside ids", "warn") if row.is_identified else "pseudonyms"

    members_shown.short_description = "members"  # type: ignore[attr-defined]

    def asked_by_shown(self, row: Any) -> str:
        return row.person or row.asked_by

    asked_by_shown.short_description = "asked for by"  # type: ignore[attr-defined]


def may_take(request: HttpRequest, export: Export) -> bool:
    """Whether the person may download this export, and there is something to download."""
    if export.state != ExportState.READY or not allowed(request, "export.download"):
        return False
    return is_takers(actor_of(request), export) and (not export.is_identified or allowed(request, "export.identified"))


def is_takers(actor: Actor, export: Export) -> bool:
    """Whether the export is the person's own; what the system asked for is everybody's who may download."""
    return export.asked_by in (actor.name, SYSTEM)


def check_taker(request: HttpRequest, export: Export) -> None:
    """NotAllowed unless the person may download this export; the rights of this moment count."""
    actor = actor_of(request)
    if not is_takers(actor, export):
        raise NotAllowed("not_yours", "Whoever asked for an export downloads it. Nothing was sent. Ask for one of your own.")
    if export.is_identified:
        check(actor, "export.identified", export.program_id)


def last_day(export: Export) -> Any:
    """The last program day that is in it."""
    return type(export.ends_date).fromordinal(export.ends_date.toordinal() - 1)


def content_tables(export: Export) -> list[Table]:
    """What a package holds, from its manifest: events, sums, files."""
    if not list_files(export=export):
        return []
    with open_file(export=export, what=MANIFEST) as file:
        manifest = json.load(file)
    events, sums = manifest["plum"]["events"], manifest["plum"]["sums"]
    rows = [[kind, status, count(number)] for kind, statuses in events.items() for status, number in statuses.items()]
    money = [[SUM_LABELS[name], code, amount] for name, amounts in sums.items() for code, amount in amounts.items()]
    files = [
        [row["path"], count(row["rows"]), filesizeformat(row["bytes"]), format_html("<code>{}</code>", row["hash"][7:])]
        for row in manifest["resources"]
    ]
    return [
        Table(
            "What is in it",
            ["Event", "Status", "Number"],
            rows,
            "No event fits. The files hold the header alone.",
            frozenset({2}),
        ),
        Table("Sums", ["Of", "Currency", "Amount"], money, "No event in it carries an amount.", frozenset({2})),
        Table("Files", ["File", "Events", "Size", "SHA-256"], files, numeric=frozenset({1})),
    ]


def taken_table(export: Export) -> Table:
    """Who downloaded what."""
    downloads = list(export.downloads.all()[:200])
    names = names_of(download.downloaded_by for download in downloads)
    rows = [
        [instant(row.downloaded_at), names[row.downloaded_by], "everything" if row.what == PACKAGE else row.what]
        for row in downloads
    ]
    return Table("Downloads", ["When", "Who", "What"], rows, "Nobody has downloaded it yet.")


def send(export: Export, what: str) -> HttpResponseBase:
    """The answer that carries a file or the whole package."""
    name = file_name(export=export, what=what)
    if what != PACKAGE:
        file = open_file(export=export, what=what)
        return FileResponse(file, as_attachment=True, filename=name, content_type="application/octet-stream")
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(stream_zip(export=export), content_type="application/zip", headers=headers)
