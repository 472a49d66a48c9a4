"""A new program, made in the console: its settings, its first admin, its first rules."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.text import slugify

from partners.choices import ProgramKind, StageOrder
from partners.models import Program
from partners.selectors import find_program
from partners.services import create_program
from plum_site.lib.admin import SuggestInput, go, page, person_of, refuse, show
from plum_site.lib.choices import Role
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.models import User
from plum_site.lib.money import EXPONENTS
from plum_site.lib.people import grant_role
from plum_site.lib.periods import time_zones
from reviews.services import install_default_rules

SESSION_KEY = "program"
LONGEST_CODE = 40
LAST_DAY = 28


class NewProgramForm(forms.Form):
    """What a program starts with. What can never be changed later says so."""

    name = forms.CharField(max_length=200, help_text="As people read it, such as Acme Rewards.")
    code = forms.SlugField(
        max_length=LONGEST_CODE,
        required=False,
        widget=forms.TextInput(attrs={"data-codes": "id_name", "autocomplete": "off"}),
        help_text="Short name for addresses and commands: letters, digits, - and _. Fixed for ever. Empty: made from the name.",
    )
    kind = forms.ChoiceField(choices=ProgramKind.choices, help_text="Decides what members are called on screen.")
    time_zone = forms.CharField(
        widget=SuggestInput(sorted(time_zones()), {"autocomplete": "off"}),
        help_text="Type a city to search, such as Europe/Berlin. Fixed for ever: it decides where a day and a month begin.",
    )
    currency = forms.CharField(
        max_length=3,
        widget=SuggestInput(sorted(EXPONENTS), {"autocomplete": "off"}),
        help_text="The reporting currency, such as EUR. Fixed for ever; amounts in other currencies are shown beside it.",
    )
    stage_order = forms.ChoiceField(choices=StageOrder.choices, help_text="What members do first with an offer.")
    member_attributes = forms.CharField(
        required=False,
        help_text="What is kept about members beside their id, with commas between: business_unit, region, country. More can be "
        "added later; columns of a people file that are not named here are never stored.",
    )
    ready_day = forms.IntegerField(
        initial=3, min_value=1, max_value=LAST_DAY, help_text="Day of the next month on which a review is ready to be decided."
    )
    report_day = forms.IntegerField(
        initial=5,
        min_value=1,
        max_value=LAST_DAY,
        help_text="Day of the next month on which the report goes out; not before the review is ready.",
    )
    settlement_days = forms.IntegerField(
        initial=30, min_value=0, max_value=365, help_text="After so many days practically all reversals have arrived."
    )

    def clean_currency(self) -> str:
        """Upper case, whatever was typed."""
        return str(self.cleaned_data["currency"]).strip().upper()

    def clean_time_zone(self) -> str:
        """An IANA name; one that differs only in case, or in blanks for underscores, is taken as meant."""
        typed = str(self.cleaned_data["time_zone"]).strip()
        meant = {zone.lower(): zone for zone in time_zones()}
        return meant.get(typed.lower().replace(" ", "_"), typed)

    def clean_member_attributes(self) -> list[str]:
        """The names, once each, in their order."""
        return list(dict.fromkeys(name.strip() for name in self.cleaned_data["member_attributes"].split(",") if name.strip()))

    def clean(self) -> dict[str, Any]:
        """The code made from the name where none was given, with a number behind it where it is taken."""
        given: dict[str, Any] = super().clean() or {}
        if not given.get("code") and "code" not in self.errors:
            given["code"] = suggest_code(given.get("name", ""))
        if given.get("report_day", 28) < given.get("ready_day", 1):
            self.add_error("report_day", "The report cannot go out before the review is ready.")
        return given


def suggest_code(name: str) -> str:
    """A free code made from a name."""
    stem = slugify(name)[: LONGEST_CODE - 4].strip("-_") or "program"
    code, number = stem, 1
    while find_program(code) is not None:
        number += 1
        code = f"{stem}-{number}"
    return code


@transaction.atomic
def found_program(*, values: dict[str, Any], founder: User, at: datetime) -> Program:
    """A program with its founder as admin and the default rules and policy: all of it or nothing."""
    program = create_program(actor=founder, at=at, **values)
    grant_role(program_id=program.pk, user_id=founder.pk, role=Role.PROGRAM_ADMIN, actor="system", at=at)
    install_default_rules(program_id=program.pk, actor=founder, at=at)
    return program


@page("programs/new/", name="new_program", operation="program.create", needs_program=False)
def ask_for_program(request: HttpRequest, form: NewProgramForm | None = None) -> HttpResponse:
    """The form."""
    return show(
        request,
        "plum/ask.html",
        title="New program",
        intro="A program is a wall: its partners, members, figures and people are its own. You become its first program admin, "
        "and it starts with the default rules and review policy, which you can change.",
        form=form or NewProgramForm(),
        action=reverse("admin:create_program"),
        submit="Make the program",
        cancel_url=reverse("admin:index"),
    )


@page("programs/made/", name="create_program", operation="program.create", method="POST", needs_program=False)
def make_program(request: HttpRequest) -> HttpResponse:
    """Make it, switch to it and show its first steps; what is refused stands beside its field."""
    form = NewProgramForm(request.POST)
    if not form.is_valid():
        return ask_for_program(request, form)
    try:
        program = found_program(values=form.cleaned_data, founder=person_of(request), at=now())
    except DomainError as error:
        if error.code == "program_exists":
            form.add_error("code", error.detail)
        else:
            refuse(form, error)
        return ask_for_program(request, form)
    request.session[SESSION_KEY] = program.pk
    messages.success(request, f"{program.name} was made. You are its program admin.")
    return go(request, "index")
