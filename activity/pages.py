"""A member's timeline: found and read with a reason, and every reading is logged."""

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from activity.choices import Kind
from activity.models import Member
from activity.selectors.timeline import list_timeline
from activity.services.people import find_member
from activity.services.readings import log_reading
from plum_site.lib.admin import page, person_of, program_of, refuse, show
from plum_site.lib.clock import now
from plum_site.lib.errors import InvalidInput
from plum_site.lib.present import NO_DATA, Table, badge, count, instant

TONES = {"confirmed": "good", "failed": "warn", "reversed": "bad"}


class FindForm(forms.Form):
    """The id that the organisation's own systems use, and why."""

    external_id = forms.CharField(
        label="Outside id", max_length=200, help_text="The id of the member in your own systems. It is not kept."
    )
    reason = forms.CharField(max_length=500, help_text="Logged with your name.")


class ReasonForm(forms.Form):
    """Why a timeline is read."""

    reason = forms.CharField(max_length=500, help_text="Logged with your name.")


@page("members/find/", name="find_member", operation="timeline.read")
def ask_for_member(request: HttpRequest) -> HttpResponse:
    """Ask for the outside id and the reason."""
    return show_find(request, FindForm())


@page("members/found/", name="show_found_member", operation="timeline.read", method="POST")
def find_and_show(request: HttpRequest) -> HttpResponse:
    """Find the member, log the reading, show the timeline; an unknown id finds nothing and says so."""
    form = FindForm(request.POST)
    if not form.is_valid():
        return show_find(request, form)
    member = find_member(program=program_of(request), external_id=form.cleaned_data["external_id"].strip())
    if member is None:
        form.add_error("external_id", "No member of this program has this id. Nothing was read.")
        return show_find(request, form)
    return read_timeline(request, member, form)


@page("members/<int:pk>/timeline/", name="ask_timeline", operation="timeline.read")
def ask_for_reason(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask why."""
    return show_reason(request, get_member(request, pk), ReasonForm())


@page("members/<int:pk>/timeline/read/", name="show_timeline", operation="timeline.read", method="POST")
def show_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """Log the reading and show the timeline."""
    member, form = get_member(request, pk), ReasonForm(request.POST)
    return read_timeline(request, member, form) if form.is_valid() else show_reason(request, member, form)


def get_member(request: HttpRequest, pk: int) -> Member:
    """A member of the current program; others are unknown."""
    member = Member.objects.filter(program=program_of(request), pk=pk).first()
    if member is None:
        raise Http404(f"There is no member {pk} in this program.")
    return member


def read_timeline(request: HttpRequest, member: Member, form: forms.Form) -> HttpResponse:
    """The timeline, after the reading was logged."""
    try:
        log_reading(member=member, reason=form.cleaned_data["reason"], actor=person_of(request), at=now())
    except InvalidInput as error:
        refuse(form, error)
        return show_reason(request, member, form) if isinstance(form, ReasonForm) else show_find(request, form)
    events = list_timeline(program=program_of(request), member=member)
    return show(
        request,
        "activity/timeline.html",
        title=f"Timeline of member {member.pk}",
        member=member,
        stages=make_stages(events),
        table=make_table(events),
        back_url=reverse("admin:activity_member_change", args=[member.pk]),
        back_label=f"Member {member.pk}",
    )


def make_stages(events: list[dict[str, Any]]) -> Table:
    """How far the member came with each offer: first time and number of each confirmed stage."""
    offers: dict[tuple[str, str], dict[str, list[Any]]] = {}
    for event in events:
        stages = offers.setdefault((event["partner"], event["offer"]), {})
        if event["status"] == "confirmed":
            stages.setdefault(event["kind"], []).append(event["occurred_at"])
    labels = [kind.label for kind in Kind]
    rows = [
        [offer, partner, *(show_stage(stages.get(label, [])) for label in labels)]
        for (partner, offer), stages in sorted(offers.items())
    ]
    headers = ["Offer", "Partner", *(label.capitalize() for label in labels)]
    return Table("How far with each offer", headers, rows, "This member has done nothing yet.")


def show_stage(times: list[Any]) -> Any:
    """The first time of a stage, and how often where more than once."""
    if not times:
        return NO_DATA
    return instant(min(times)) if len(times) == 1 else f"{count(len(times))} times"


def make_table(events: list[dict[str, Any]]) -> Table:
    """Every event, newest first."""
    rows = [
        [
            instant(event["occurred_at"]),
            event["kind"],
            badge(event["status"], TONES[event["status"]]),
            event["offer"],
            event["partner"],
            f"{event['spend_amount']} {event['spend_currency']}" if event["spend_amount"] else NO_DATA,
            event["reason_code"] or "",
            event["transaction_ref"] or "",
            event["source"] or "",
        ]
        for event in reversed(events)
    ]
    headers = ["Occurred", "What", "Status", "Offer", "Partner", "Spend", "Reason", "Transaction", "Source"]
    return Table("Everything, newest first", headers, rows, "Nothing.")


def show_find(request: HttpRequest, form: forms.Form) -> HttpResponse:
    """The page that asks for the outside id."""
    return show(
        request,
        "plum/transition.html",
        title="Look up a member",
        intro="Give the id that your own systems use. Looking at a named member's timeline is logged, with the reason.",
        form=form,
        action=reverse("admin:show_found_member"),
        submit="Find and read",
        back_url=reverse("admin:activity_member_changelist"),
        back_label="Members",
    )


def show_reason(request: HttpRequest, member: Member, form: forms.Form) -> HttpResponse:
    """The page that asks why."""
    return show(
        request,
        "plum/transition.html",
        title=f"Read the timeline of member {member.pk}",
        intro="Reading what one member did is logged, with the reason.",
        form=form,
        action=reverse("admin:show_timeline", args=[member.pk]),
        submit="Read",
        back_url=reverse("admin:activity_member_change", args=[member.pk]),
        back_label=f"Member {member.pk}",
    )
