"""The exports API: ask for a raw export, see how far it is, download it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from exports.api.serializers import DownloadQuery, ExportInput, ExportOutput
from exports.models import Export
from exports.selectors import get_export, list_exports
from exports.services import file_name, open_file, request_export, stream_zip, take_export
from exports.services.downloads import PACKAGE
from plum_site.lib import clock
from plum_site.lib.access import actor_of
from plum_site.lib.api import ApiView, ListView
from plum_site.lib.api_writes import WritingView
from plum_site.lib.audit import SYSTEM
from plum_site.lib.errors import NotAllowed

EXAMPLE = {"from": "2026-10-01", "to": "2026-11-01", "format": "csv", "filters": {"partner": ["P-17"], "kind": ["redeemed"]}}
ANSWER = {
    "from": "2026-10-01",
    "to": "2026-11-01",
    "id": "0198f3a2-7c1e-7d7c-9a4b-3f6f0d1e2b10",
    "state": "requested",
    "format": "csv",
    "filters": {"kind": ["redeemed"], "partner": ["P-17"]},
    "identified": False,
    "asked_by": "token:7",
    "asked_at": "2026-11-03T08:00:00Z",
    "finished_at": None,
    "expires_at": None,
    "rows": None,
    "bytes": None,
    "sha256": "",
    "error": "",
    "files": [],
    "download_url": None,
}


class ExportsView(WritingView, ListView):
    """
    Raw exports of the token's program, newest first; ask for one with POST.

    A worker writes the package; see how far it is at its own address, or listen for the webhook `export.ready`.
    Members are pseudonyms of that export: outside ids are given to people alone, in the console.
    """

    operations: ClassVar = {"GET": "export.read", "POST": "export.request"}
    Output = ExportOutput
    order = ("-id",)
    problems = (422,)
    bodies: ClassVar = {"POST": ExportInput}
    outcomes: ClassVar = {"POST": {202: "It waits for a worker."}}
    examples: ClassVar = {"POST": (EXAMPLE, ANSWER)}
    renamed: ClassVar = {"starts_date": "from", "ends_date": "to"}

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Export]:
        """Everybody's of the program."""
        return list_exports(self.program_id)

    def describe(self, row: Export) -> dict[str, Any]:
        """As the list has it."""
        return dict(ExportOutput(row).data)

    def post(self, request: Request) -> Response:
        """Ask; answered at once, with the export that waits."""

        def act(given: dict[str, Any]) -> Response:
            export = request_export(
                program_id=self.program_id,
                starts_date=given["from"],
                ends_date=given["to"],
                format=given["format"],
                filters=given["filters"],
                actor=self.actor,
                at=clock.now(),
            )
            return self.answer(export, 202, {"Location": f"/api/v1/exports/{export.uuid}"})

        return self.write(request, act)


class ExportView(ApiView):
    """One raw export: how far it is, what it holds, until when it can be downloaded."""

    operations: ClassVar = {"GET": "export.read"}
    Output = ExportOutput

    def get(self, request: Request, uuid: str) -> Response:
        """By its id."""
        self.read_query(request)
        return Response(ExportOutput(get_export(self.program_id, uuid)).data)


class ExportDownloadView(ApiView):
    """
    The package of an export that this token asked for, as a zip, or one file of it. Each download is logged.
    """

    operations: ClassVar = {"GET": "export.download"}
    Query = DownloadQuery
    problems = (409,)
    successes: ClassVar = {200: "A zip, or the file."}

    def get(self, request: Request, uuid: str) -> HttpResponseBase:
        """Log it, then send it."""
        query = self.read_query(request)
        actor = actor_of(request).name
        export = get_export(self.program_id, uuid)
        if export.asked_by not in (actor, SYSTEM) or export.is_identified:
            sentence = "Only the token that asked for an export downloads it. Nothing was sent. Ask for one of your own."
            raise NotAllowed("not_yours", sentence)
        what = query.get("file", PACKAGE)
        take_export(export_id=export.pk, what=what, actor=actor, at=clock.now())
        return send(export, what)


def send(export: Export, what: str) -> HttpResponseBase:
    """The answer that carries a file or the whole package."""
    name = file_name(export=export, what=what)
    if what != PACKAGE:
        file = open_file(export=export, what=what)
        return FileResponse(file, as_attachment=True, filename=name, content_type="application/octet-stream")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(stream_zip(export=export), content_type="application/zip", headers=headers)
