"""Attributes of members: what is kept, what figures are broken down by, and how large the groups would be."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from activity.selectors.groups import MOST_GROUPS, Groups, has_events, measure_groups, suggest_reporting
from activity.services.attributes import change_kept_attributes, change_reporting_attributes
from plum_site.lib.admin import allowed, go, page, person_of, program_of, refuse, show
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.panels import panel
from plum_site.lib.periods import local_date
from plum_site.lib.present import Table, badge, count, words

SHOWN_GROUPS = 12


class KeptForm(forms.Form):
    """The kept attributes, with commas between."""

    member_attributes = forms.CharField(
        label="Kept attributes",
        required=False,
        widget=forms.TextInput(attrs={"class": "vLargeTextField"}),
        help_text="With commas between. Adding one is harmless. Taking one out removes its values from every member, for good.",
    )


@page("program/attributes/", name="member_attributes", operation="program.read")
def show_attributes(request: HttpRequest, kept_form: KeptForm | None = None) -> HttpResponse:
    """What is kept, what is reported by, and the groups that the boxes ticked would make."""
    program = program_of(request)
    today = local_date(now(), program.time_zone)
    is_fixed = has_events(program)
    asked = [name for name in request.GET.getlist("report") if name in program.member_attributes]
    was_asked = "look" in request.GET
    chosen = asked if was_asked and not is_fixed else program.reporting_attributes
    suggested = [] if was_asked or chosen or is_fixed else suggest_reporting(program, today)
    groups = measure_groups(program, chosen or suggested, today) if program.member_attributes else None
    return show(
        request,
        "activity/attributes.html",
        title="Attributes of members",
        intro="Only what is named here is kept about members; other columns of a people file are never stored.",
        form=kept_form or KeptForm(initial={"member_attributes": ", ".join(program.member_attributes)}),
        may_edit=allowed(request, "program.edit"),
        is_fixed=is_fixed,
        choices=[(name, name in (chosen or suggested)) for name in program.member_attributes],
        reporting=words(program.reporting_attributes, empty="none"),
        is_suggestion=bool(suggested),
        differs=(chosen or suggested) != program.reporting_attributes,
        groups=groups,
        most_groups=MOST_GROUPS,
        group_table=make_table(groups, program.minimum_group) if groups and groups.names else None,
        back_url=reverse("admin:partners_program_change", args=[program.pk]),
        back_label=program.name,
    )


@page("program/attributes/keep/", name="keep_attributes", operation="program.edit", method="POST")
def keep_attributes(request: HttpRequest) -> HttpResponse:
    """One service call for what is kept."""
    form = KeptForm(request.POST)
    names = form.data.get("member_attributes", "").split(",") if form.is_valid() else []
    try:
        change_kept_attributes(program_id=program_of(request).pk, names=names, actor=person_of(request), at=now())
    except DomainError as error:
        refuse(form, error)
        return show_attributes(request, form)
    messages.success(request, "What is kept about members was saved.")
    return go(request, "member_attributes")


@page("program/attributes/report/", name="choose_reporting", operation="program.edit", method="POST")
def choose_reporting(request: HttpRequest) -> HttpResponse:
    """One service call for what is reported by."""
    names = request.POST.getlist("report")
    try:
        change_reporting_attributes(program_id=program_of(request).pk, names=names, actor=person_of(request), at=now())
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, f"Figures are broken down by {words(names, empty='nothing')} at once.")
    return go(request, "member_attributes")


def make_table(groups: Groups, minimum: int) -> Table:
    """The smallest groups first."""
    rows: list[list[Any]] = [
        [
            words(f"{name.replace('_', ' ')}: {value or 'unknown'}" for name, value in zip(groups.names, values, strict=True)),
            count(size),
            badge("suppressed", "warn") if size < minimum else badge("shown", "good"),
        ]
        for values, size in groups.sizes[:SHOWN_GROUPS]
    ]
    rest = len(groups.sizes) - len(rows)
    note = f"The smallest {len(rows)} of {len(groups.sizes)} groups." if rest > 0 else ""
    headers = ["Group", "Active members", f"Minimum group {minimum}"]
    return Table("Groups as of today", headers, rows, "No member yet.", frozenset({1}), note)


@panel("partners.Program", title="Attributes of members", template="activity/attributes_panel.html", operation="program.read")
def fill_program_panel(request: HttpRequest, row: models.Model) -> dict[str, Any]:
    """What is kept and reported by, with the way to change it."""
    program = program_of(request)
    return {
        "kept": words(program.member_attributes, empty="none yet"),
        "reporting": words(program.reporting_attributes, empty="none"),
        "url": reverse("admin:member_attributes"),
    }
