"""
Lists and detail pages within one program.

Read-only is the default: creation and change follow rules above the model layer, so an editable admin saves through one
service call. Every row is seen through the program's wall, every page names the operation of permissions.yaml it needs.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from django import forms
from django.contrib import admin
from django.contrib.admin.filters import FieldListFilter, RelatedFieldListFilter
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.text import capfirst

from plum_site.lib.access import actor_of, check
from plum_site.lib.admin.frame import Button, View, allowed, guarded, program_of, show, url_of
from plum_site.lib.models import AuditEvent
from plum_site.lib.panels import Column, columns_for, filters_for, panels_for
from plum_site.lib.people import names_of
from plum_site.lib.present import NO_DATA, Table, instant

A = TypeVar("A", bound="type[ProgramModelAdmin]")
ADMINS: dict[type[models.Model], "type[ProgramModelAdmin]"] = {}


def console_admin(model: type[models.Model]) -> Callable[[A], A]:
    """Register an admin class for the console, which mounts everything that is registered."""

    def register(cls: A) -> A:
        ADMINS[model] = cls
        return cls

    return register


def within(request: HttpRequest, model: type[models.Model]) -> QuerySet[Any]:
    """The rows of `model` that belong to the current program; every row of a model without a program."""
    program, registered = program_of(request), ADMINS.get(model)
    rows = model._default_manager.all()
    if registered is None or not registered.program_path:
        return rows
    return rows.filter(**{registered.program_path: program.pk}) if program is not None else rows.none()


class WithinProgramFilter(RelatedFieldListFilter):
    """A list filter over a foreign key that offers only rows of the current program."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        ordering = self.field_admin_ordering(field, request, model_admin)
        ids = within(request, field.remote_field.model).values("pk")
        choices: list[tuple[Any, str]] = field.get_choices(
            include_blank=False, ordering=ordering, limit_choices_to={"pk__in": ids}
        )
        return choices


FieldListFilter.register(lambda field: bool(field.remote_field), WithinProgramFilter, take_priority=True)


class ColumnedChangeList(ChangeList):
    """A list whose rows carry the cells that apps higher up add, worked out for the whole page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        self.add_cells(request)

    def add_cells(self, request: HttpRequest) -> None:
        """Work out the added columns for the rows of this page."""
        for column in columns_for(request, self.model._meta.label, program_of(request).pk):
            cells = column.values(request, self.result_list)
            for row in self.result_list:
                vars(row).setdefault("plum_cells", {})[column.title] = cells.get(row.pk, NO_DATA)


def cell_of(column: Column) -> Callable[[Any], Any]:
    """A column of a list that shows what ColumnedChangeList put on the row."""

    def show_cell(row: Any) -> Any:
        return row.plum_cells[column.title]

    show_cell.short_description = column.title  # type: ignore[attr-defined]
    return show_cell


class ProgramModelAdmin(admin.ModelAdmin):
    """
    A list and detail pages within one program.

    program_path: the look-up from a row to its program. read_operation, add_operation, change_operation: ids in
    permissions.yaml; "" means nobody. tables(), buttons() and panels fill the detail page below the fields.
    """

    program_path: ClassVar[str] = "program"
    read_operation: ClassVar[str] = ""
    add_operation: ClassVar[str] = ""
    change_operation: ClassVar[str] = ""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they would count the whole table, once for each choice
    list_per_page = 50
    list_max_show_all = 200
    actions = None
    change_form_template = "plum/detail.html"
    change_list_template = "plum/list.html"
    formfield_overrides = {models.DateField: {"widget": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})}}
    leading: ClassVar[int | None] = None  # how many columns stand before those that apps higher up add; None: all
    intro: ClassVar[str] = ""
    has_history: ClassVar[bool] = True
    empty_text: ClassVar[str] = "Nothing here yet."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Only rows of the current program: a foreign id is an unknown id."""
        program = program_of(request)
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.filter(**{self.program_path: program.pk}) if program is not None else rows.none()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ColumnedChangeList

    def get_list_display(self, request: HttpRequest) -> Any:
        """The columns of the class, and those that apps higher up add after the first `leading` of them."""
        program = program_of(request)
        added = columns_for(request, self.model._meta.label, program.pk) if program is not None else []
        own = list(self.list_display)
        leading = len(own) if self.leading is None else self.leading
        return [*own[:leading], *(cell_of(column) for column in added), *own[leading:]]

    def get_list_filter(self, request: HttpRequest) -> Any:
        """The filters of the class, and those that apps higher up add."""
        program = program_of(request)
        added = filters_for(request, self.model._meta.label, program.pk) if program is not None else []
        return [*super().get_list_filter(request), *added]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs.setdefault("queryset", within(request, db_field.remote_field.model))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return allowed(request, self.read_operation)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return allowed(request, self.add_operation)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return allowed(request, self.change_operation)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        raise Http404(f"There is no {opts.verbose_name} {object_id} in this program.")

    # What changed is in the audit log, written by the service; Django's own log would be a second truth.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:  # type: ignore[override]
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:  # type: ignore[override]
        return None

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The audit entries of one row."""
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            raise Http404("There is no such row in this program.")
        check(actor_of(request), "audit.read", program_of(request).pk)
        entries = AuditEvent.objects.filter(object_ref=f"{row._meta.label}:{row.pk}").order_by("-id")[:200]
        names = names_of(entry.actor for entry in entries)
        lines = [[instant(entry.at), names[entry.actor], entry.action, entry.after or "", entry.comment] for entry in entries]
        table = Table("Changes, newest first", ["When", "Who", "What", "New values", "Comment"], lines, "No change was recorded.")
        return show(request, "plum/page.html", title=f"History of {row}", tables=[table], back_url=url_of(row), opts=self.opts)

    def get_urls(self) -> list[URLPattern]:
        """Django's addresses without those that nobody may use: deleting, and adding where there is no operation for it."""
        stem = f"{self.opts.app_label}_{self.opts.model_name}"
        kept = {f"{stem}_changelist", f"{stem}_change", f"{stem}_history"} | ({f"{stem}_add"} if self.add_operation else set())
        return [url for url in super().get_urls() if url.name in kept]

    def tables(self, request: HttpRequest, row: Any) -> Sequence[Table]:
        """Tables below the fields of the detail page."""
        return ()

    def buttons(self, request: HttpRequest, row: Any) -> Sequence[Button]:
        """What can be done with this row, here and now, by this person."""
        return ()

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        row = self.get_object(request, object_id)
        context: dict[str, Any] = {
            "may_read_audit": self.has_history and allowed(request, "audit.read"),
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
        }
        if row is not None and self.has_view_permission(request, row):
            context |= {
                "tables": self.tables(request, row),
                "buttons": self.buttons(request, row),
                "panels": panels_for(request, row, program_of(request).pk),
                "title": str(row),
                "subtitle": None,
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        one = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**one, **(extra_context or {})})

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {"intro": self.intro, "empty_text": self.empty_text, "title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def act(self, address: str, view: View, name: str, operation: str, method: str = "POST") -> URLPattern:
        """A URL of this admin beyond Django's own; like a page, it names its operation."""
        inner = guarded(view, operation, method)

        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            return self.admin_site.admin_view(inner)(request, *args, **kwargs)

        wrapped.operation = operation  # type: ignore[attr-defined]
        wrapped.method = method  # type: ignore[attr-defined]
        return path(address, wrapped, name=f"{self.opts.app_label}_{self.opts.model_name}_{name}")

    def row_or_404(self, request: HttpRequest, pk: int) -> Any:
        """The row behind a custom URL, through the program's wall."""
        row = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404(f"There is no {self.opts.verbose_name} {pk} in this program.")
        return row


class ReadOnlyModelAdmin(ProgramModelAdmin):
    """The default: seen, never edited here. What may change has a button that calls a service."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
