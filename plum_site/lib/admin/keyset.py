"""Lists over tables too long to count: pages by row id, or by instant and row id, newest first, no COUNT, no OFFSET."""

from typing import Any, ClassVar
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django_filters import FilterSet

from plum_site.lib.admin.rows import ColumnedChangeList, ReadOnlyModelAdmin

BEFORE, AFTER = "before", "after"


class KeysetChangeList(ColumnedChangeList):
    """One page of rows below (before=ID) or above (after=ID) a row id; `older_url` and `newer_url` lead on."""

    model_admin: "KeysetModelAdmin"

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Only what list_filter knows: places and the fields of the filter form are ours."""
        own = {BEFORE, AFTER, *(self.model_admin.filterset_class.base_filters if self.model_admin.filterset_class else ())}
        return {name: value for name, value in super().get_filters_params(params).items() if name not in own}

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows = super().get_queryset(request, exclude_parameters).order_by(*self.newest_first())
        self.filterset = None
        if self.model_admin.filterset_class is not None:
            self.filterset = self.model_admin.filterset_class(request.GET, queryset=rows, request=request)
            rows = self.filterset.qs if self.filterset.is_valid() else rows.none()
        return rows

    def newest_first(self) -> list[str]:
        """The order of the list; within one instant by row id."""
        instant = self.model_admin.keyset_field
        return [*([f"-{instant}"] if instant else []), "-pk"]

    def beyond(self, request: HttpRequest, pk: int, comparison: str) -> Q:
        """Rows on one side ("lt": older, "gt": newer) of a row of this list; all where it has left the list."""
        instant = self.model_admin.keyset_field
        if not instant:
            return Q(**{f"pk__{comparison}": pk})
        place = self.root_queryset.filter(pk=pk).values_list(instant, flat=True).first()
        if place is None:
            return Q()
        same = Q(**{instant: place, f"pk__{comparison}": pk})
        return Q(**{f"{instant}__{comparison}e": place}) & (Q(**{f"{instant}__{comparison}": place}) | same)

    def get_results(self, request: HttpRequest) -> None:
        size, rows = self.list_per_page, self.queryset
        before, after = request.GET.get(BEFORE, ""), request.GET.get(AFTER, "")
        if after.isdecimal():
            page = list(rows.filter(self.beyond(request, int(after), "gt")).reverse()[: size + 1])
            has_newer, has_older = len(page) > size, True
            page = page[:size][::-1]
        else:
            older = self.beyond(request, int(before), "lt") if before.isdecimal() else Q()
            page = list(rows.filter(older)[: size + 1])
            has_newer, has_older = before.isdecimal(), len(page) > size
            page = page[:size]
        self.result_list = page
        self.result_count, self.full_result_count = len(page), None
        self.show_full_result_count = self.show_admin_actions = self.can_show_all = self.multi_page = False
        self.paginator = Paginator(page, size)
        self.older_url = self._link(request, BEFORE, page[-1].pk) if page and has_older else ""
        self.newer_url = self._link(request, AFTER, page[0].pk) if page and has_newer else ""
        self.newest_url = self._link(request, "", None) if before or after else ""
        self.add_cells(request)

    def _link(self, request: HttpRequest, name: str, value: Any) -> str:
        kept = [(key, text) for key, texts in request.GET.lists() if key not in (BEFORE, AFTER) for text in texts]
        return "?" + urlencode([*kept, (name, value)] if name else kept)


class KeysetModelAdmin(ReadOnlyModelAdmin):
    """A read-only list that never counts its rows. keyset_field: the instant by which it is in order; "": by row id."""

    keyset_field: ClassVar[str] = ""
    filterset_class: ClassVar[type[FilterSet] | None] = None
    change_list_template = "plum/keyset_list.html"
    ordering = ["-pk"]
    sortable_by = ()
    search_fields = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList
