"""One member is looked up, with a reason: by the outside id, or from the member's page. Then the timeline is shown, or
the dashboard for this member alone."""

from urllib.parse import urlencode, urlsplit

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from activity.models import Member
from activity.pages.choices import member_noun
from activity.pages.questions import MEMBER, key_of
from activity.pages.timeline import render_timeline
from activity.services.people import find_member
from activity.services.readings import log_reading
from plum_site.lib.admin import page, person_of, program_of, refuse, show
from plum_site.lib.clock import now
from plum_site.lib.errors import InvalidInput

NEXT = "next"
AGAIN = "For the dashboard it is asked once in eight hours."
INTRO = "Looking at what one person did is logged, with your name and the reason. "


class ReasonForm(forms.Form):
    """Why a member is looked at, and where to go afterwards."""

    reason = forms.CharField(max_length=500, help_text="Logged with your name.")
    next = forms.CharField(required=False, widget=forms.HiddenInput)


class FindForm(ReasonForm):
    """The id that the organisation's own systems use, and why."""

    external_id = forms.CharField(
        label="Outside id", max_length=200, help_text="The id of the member in your own systems. It is not kept."
    )
    field_order = ["external_id", "reason", NEXT]


@page("members/find/", name="find_member", operation="timeline.read")
def ask_for_member(request: HttpRequest) -> HttpResponse:
    """Ask for the outside id and the reason."""
    return show_find(request, FindForm(initial={NEXT: request.GET.get(NEXT, "")}))


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
    return read_member(request, member, form)


@page("members/<int:pk>/timeline/", name="ask_timeline", operation="timeline.read")
def ask_for_reason(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask why."""
    return show_reason(request, get_member(request, pk), ReasonForm(initial={NEXT: request.GET.get(NEXT, "")}))


@page("members/<int:pk>/timeline/read/", name="show_timeline", operation="timeline.read", method="POST")
def show_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """Log the reading and show the timeline."""
    member, form = get_member(request, pk), ReasonForm(request.POST)
    return read_member(request, member, form) if form.is_valid() else show_reason(request, member, form)


def get_member(request: HttpRequest, pk: int) -> Member:
    """A member of the current program; others are unknown."""
    member = Member.objects.filter(program=program_of(request), pk=pk).first()
    if member is None:
        raise Http404(f"There is no member {pk} in this program.")
    return member


def read_member(request: HttpRequest, member: Member, form: forms.Form) -> HttpResponse:
    """Log the reading, then the timeline, or the dashboard that asked for the member."""
    try:
        log_reading(member=member, reason=form.cleaned_data["reason"], actor=person_of(request), at=now())
    except InvalidInput as error:
        refuse(form, error)
        return show_find(request, form) if isinstance(form, FindForm) else show_reason(request, member, form)
    wanted = dashboard_for(form.cleaned_data[NEXT], member)
    return HttpResponseRedirect(wanted) if wanted else render_timeline(request, member)


def dashboard_for(address: str, member: Member) -> str:
    """The dashboard that led here, for this member alone; "" where it was no dashboard of ours."""
    parts, url = urlsplit(address), reverse("admin:activity_dashboard")
    if parts.scheme or parts.netloc or parts.path not in (url, reverse("admin:activity_csv")):
        return ""
    query = QueryDict(parts.query)
    pairs = [(name, value) for name, values in query.lists() if name != MEMBER for value in values]
    return f"{parts.path}?{urlencode([*pairs, (MEMBER, key_of(member))])}"


def show_find(request: HttpRequest, form: forms.Form) -> HttpResponse:
    """The page that asks for the outside id."""
    noun = member_noun(program_of(request))
    return show(
        request,
        "plum/ask.html",
        title=f"Look up one {noun}",
        intro=f"{INTRO}Give the id that your own systems use.",
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
        "plum/ask.html",
        title=f"Read what member {member.pk} did",
        intro=f"{INTRO}{AGAIN if form[NEXT].value() else ''}",
        form=form,
        action=reverse("admin:show_timeline", args=[member.pk]),
        submit="Read",
        back_url=reverse("admin:activity_member_change", args=[member.pk]),
        back_label=f"Member {member.pk}",
    )
