"""Segments: rules over member attributes, in words."""

from typing import Any

from django.http import HttpRequest

from offers.choices import SegmentOperator
from offers.forms import SegmentForm
from offers.models import Segment
from offers.services import save_segment
from plum_site.lib.admin import ServiceModelAdmin, console_admin, person_of, program_of
from plum_site.lib.clock import now
from plum_site.lib.present import words


def rule_in_words(rule: list[dict[str, Any]]) -> str:
    """A segment rule as a sentence."""
    labels = dict(SegmentOperator.choices)
    parts = [
        f"{one['attribute'].replace('_', ' ')} {labels[one['operator']]} {words(value or 'unknown' for value in one['values'])}"
        for one in rule
    ]
    return " and ".join(parts) or "every member"


@console_admin(Segment)
class SegmentAdmin(ServiceModelAdmin):
    """Named groups of members."""

    read_operation = "catalog.read"
    add_operation = change_operation = "catalog.edit"
    form = SegmentForm
    list_display = ["name", "code", "who", "created_at"]
    search_fields = ["name", "code"]
    ordering = ["name", "id"]
    intro = "Named groups of members, by rule. An offer can be open to one, and a ranking can be made for one."
    empty_text = "No segment yet. Everyone sees every offer, in one order."

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        editable = self.has_change_permission(request, obj) if obj else True
        if editable:
            self.form = SegmentForm.with_conditions(program_of(request).member_attributes, obj.rule if obj else [])
        return super().get_form(request, obj, change, **{"fields": None, **kwargs} if editable else kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["name", "code", "who"]})]
        form = SegmentForm.with_conditions(program_of(request).member_attributes, obj.rule if obj else [])
        rows = [tuple(f"{part}_{index}" for part in ("attribute", "operator", "values")) for index in range(count_rows(form))]
        return [
            (None, {"fields": ["name", "code"]}),
            ("Who is in it: all of these must hold", {"fields": rows, "description": "No condition: every member."}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return []
        return ["code"] if self.has_change_permission(request, obj) else ["who"]

    def save_through(self, request: HttpRequest, row: Segment, form: Any, is_new: bool) -> Segment:
        segment, _ = save_segment(
            program_id=program_of(request).pk,
            code=form.cleaned_data["code"] if is_new else row.code,
            name=form.cleaned_data["name"],
            rule=form.rule(),
            actor=person_of(request),
            at=now(),
        )
        return segment

    def who(self, row: Segment) -> str:
        return rule_in_words(row.rule)


def count_rows(form: type[SegmentForm]) -> int:
    """How many conditions a form offers."""
    return sum(1 for name in form.base_fields if name.startswith("attribute_"))
