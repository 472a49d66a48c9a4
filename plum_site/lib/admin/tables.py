"""Tables in and out of a list: import with preview and per-row errors, export, and the template of a file."""

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from import_export.admin import ImportExportMixin
from import_export.formats.base_formats import XLSX
from import_export.forms import ExportForm

from plum_site.lib.admin.frame import allowed, person_of, program_of
from plum_site.lib.admin.rows import ProgramModelAdmin
from plum_site.lib.clock import now
from plum_site.lib.resources import LinedCSV, ServiceResource


class TablesMixin(ImportExportMixin, ProgramModelAdmin):
    """A list that can be imported and exported as one table of the program; rows go through the resource's service."""

    tables_operation: ClassVar[str] = "catalog.import"
    resource_classes: ClassVar[list[type[ServiceResource]]]
    formats = [LinedCSV, XLSX]
    skip_admin_log = True
    show_change_form_export = False
    import_export_change_list_template = "plum/list_with_tables.html"
    import_template_name = "plum/import.html"
    export_template_name = "plum/export.html"
    export_form_class = ExportForm

    def has_import_permission(self, request: HttpRequest) -> bool:
        return allowed(request, self.tables_operation)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return allowed(request, self.tables_operation)

    def get_resource_kwargs(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {"program_id": program_of(request).pk, "actor": person_of(request), "at": now()}

    def get_import_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        return self.get_resource_kwargs(request)

    def get_export_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        return self.get_resource_kwargs(request)

    def get_urls(self) -> list[URLPattern]:
        """Import-export's addresses and the template's; the rest as in every list."""
        template = self.act("template/<slug:kind>/", self.download_template, "template", self.tables_operation, "GET")
        urls: list[URLPattern] = [template, *super().get_urls()]
        return urls

    def download_template(self, request: HttpRequest, kind: str) -> HttpResponse:
        """The columns and two example rows, as CSV or XLSX."""
        format_class = XLSX if kind == "xlsx" else LinedCSV
        table = format_class()
        contents = table.export_data(self.resource_classes[0].template())
        name = f"{self.opts.model_name}s-template.{table.get_extension()}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(contents, content_type=table.get_content_type(), headers=headers)
