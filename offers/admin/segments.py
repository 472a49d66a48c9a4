"""Segments: rules over member attributes, in words."""

from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from offers.choices import SegmentOperator
from offers.forms import SegmentForm
from offers.models import Segment
from offers.services import save_segment
from plum_site.lib.admin import ServiceModelAdmin, console_admin, person_of, program_of, url_of
from plum_site.lib.clock import now
from plum_site.lib.present import Table, day, link, words
from plum_site.lib.suggestions import suggestions_for

SHOWN_VALUES = 20
SHOWN_USES = 50


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
            program = program_of(request)
            known = suggestions_for("member_attributes", program.pk)
            self.form = SegmentForm.with_conditions(program.member_attributes, obj.rule if obj else [], known)
        return super().get_form(request, obj, change, **{"fields": None, **kwargs} if editable else kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["name", "code", "who"]})]
        form = SegmentForm.with_conditions(program_of(request).member_attributes, obj.rule if obj else [])
        rows = [tuple(f"{part}_{index}" for part in ("attribute", "operator", "values")) for index in range(count_rows(form))]
        return [
            (None, {"fields": ["name", "code", *(["who"] if obj else [])]}),
            ("Who is in it: all of these must hold", {"fields": rows, "description": self.describe_values(request)}),
        ]

    def describe_values(self, request: HttpRequest) -> SafeString:
        """What there is to choose from."""
        known = suggestions_for("member_attributes", program_of(request).pk)
        lines = ((name.replace("_", " "), words(values[:SHOWN_VALUES])) for name, values in known.items() if values)
        return format_html("No condition: every member.{}", format_html_join("", "<br>Known values of {}: {}.", lines))

    def tables(self, request: HttpRequest, row: Segment) -> list[Table]:
        """Where the segment is used."""
        audiences = row.audiences.select_related("offer").order_by("-starts_date", "-id")[:SHOWN_USES]
        uses: list[list[Any]] = [
            ["Audience", link(url_of(one.offer), one.offer), f"from {day(one.starts_date)}" if one.starts_date else "always"]
            for one in audiences
        ]
        excluding = row.excluding_audiences.select_related("offer").order_by("-starts_date", "-id")[:SHOWN_USES]
        uses += [
            ["Left out of", link(url_of(one.offer), one.offer), f"from {day(one.starts_date)}" if one.starts_date else "always"]
            for one in excluding
        ]
        newest = row.ranking_revisions.order_by("-number").first()
        if newest is not None:
            uses.append(["Ranking", link(url_of(newest), f"Revision {newest.number}"), f"made {day(newest.made_at.date())}"])
        empty = "Nowhere yet: no offer is open to it alone or leaves it out, and it has no ranking of its own."
        return [Table("Where it is used", ["As", "What", "Since"], uses, empty)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return []
        return ["code", "who"] if self.has_change_permission(request, obj) else ["who"]

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

    who.short_description = "who is in it"  # type: ignore[attr-defined]


def count_rows(form: type[SegmentForm]) -> int:
    """How many conditions a form offers."""
    return sum(1 for name in form.base_fields if name.startswith("attribute_"))
