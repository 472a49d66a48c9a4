"""Flags: which rules were crossed for certain, what they rest on, what became of them, and what to do about them."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Case, IntegerField, OrderBy, QuerySet, Value, When
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.metrics import METRICS
from plum_site.lib.admin import (
    Button,
    ReadOnlyModelAdmin,
    TransitionsMixin,
    allowed,
    console_admin,
    go,
    make_log,
    person_of,
    program_of,
    refuse,
    show,
    url_of,
)
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.present import NO_DATA, Table, count, link, month
from reviews.admin.proposals import propose_url
from reviews.choices import CycleState, FlagState, RuleTarget, Severity
from reviews.forms import FlagOwnerForm, FlagStepForm
from reviews.models import FlagCase, Scorecard
from reviews.pages import show_decision
from reviews.pages.actions import make_actions
from reviews.pages.flags import say_evidence, show_flag_state, show_measured, show_severity
from reviews.rules import ACTIVE
from reviews.selectors import find_card, list_flag_transitions, list_sightings, say_allowed, say_rule_of, say_seen
from reviews.selectors.actions import list_actions
from reviews.services import assign_flag, change_flag_state, change_flags_in_bulk
from reviews.workflow import FLAG_DATA_TRANSITIONS, FLAG_TRANSITIONS

WORST_FIRST = (Severity.CRITICAL, Severity.WARNING, Severity.NOTICE)
BULK = ("acknowledge", "dismiss", "resolve")
SAMPLES = 5


class StateFilter(SimpleListFilter):
    """What has become of it; those that are not ended unless something else is chosen."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("all", "All"), *FlagState.choices]

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        yield {**first, "display": "Open or acknowledged"}
        yield from rest

    def queryset(self, request: HttpRequest, queryset: QuerySet[FlagCase]) -> QuerySet[FlagCase]:
        state = self.value()
        if state in FlagState.values:
            return queryset.filter(state=state)
        return queryset if state == "all" else queryset.filter(state__in=ACTIVE)


class MineFilter(SimpleListFilter):
    """Whose it is."""

    title = "owner"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("me", "Mine"), ("nobody", "Nobody's")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[FlagCase]) -> QuerySet[FlagCase]:
        if self.value() == "me":
            return queryset.filter(owner=person_of(request))
        return queryset.filter(owner__isnull=True) if self.value() == "nobody" else queryset


class SeverityFilter(SimpleListFilter):
    """How much it matters, by the rule as it was when it was seen last."""

    title = "severity"
    parameter_name = "severity"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Severity.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[FlagCase]) -> QuerySet[FlagCase]:
        return queryset.filter(seen__severity=self.value()) if self.value() in Severity.values else queryset


def gravity() -> OrderBy:
    """The gravest severity first."""
    places = (When(seen__severity=severity, then=Value(place)) for place, severity in enumerate(WORST_FIRST))
    return OrderBy(Case(*places, default=Value(len(WORST_FIRST)), output_field=IntegerField()))


def order() -> list[Any]:
    """Open ones first, in them the gravest, then the newest."""
    states = (When(state=state, then=Value(place)) for place, state in enumerate(FlagState.values))
    return [OrderBy(Case(*states, output_field=IntegerField())), gravity(), "-newest_month_date", "-id"]


def worst_first(cases: QuerySet[FlagCase]) -> QuerySet[FlagCase]:
    """Open ones first, in them the gravest, then the newest."""
    return cases.order_by(*order())


def show_flag(case: FlagCase, card: Scorecard | None) -> dict[str, Any]:
    """Everything on the page of one flag, beside its history; card: the scorecard on which it was seen last."""
    seen, evidence = case.seen, case.seen["evidence"]
    metric = METRICS[seen["metric"]]
    low, high = evidence.get("interval", [None, None])
    facts: list[tuple[str, Any]] = [
        ("Observed", show_measured(seen["metric"], seen["observed"])),
        ("Allowed", say_allowed(seen)),
    ]
    if low is not None:
        between = f"{show_measured(seen['metric'], max(low, 0))} to {show_measured(seen['metric'], high)}"
        facts.append(("Where the true value lies", between))
    if evidence.get("expected_by_chance") is not None:
        of = f" of the {count(evidence['flagged'])} flags of the month" if "flagged" in evidence else ""
        facts.append(("Expected by chance", f"at most {count(evidence['expected_by_chance'], 2)}{of}"))
    facts += [
        ("Metric", f"{metric.label}: {metric.formula}"),
        ("Rests on", say_evidence(seen["metric"], evidence) or NO_DATA),
        ("About", RuleTarget(case.target).label + (f": {case.target_key}" if case.target_key else "")),
        ("Seen in", month_span(case)),
        ("Rule", link(url_of(case.rule), f"{case.rule.name}, version {seen['rule_number']}")),
        ("What the rule says", say_rule_of(case.rule_id, seen["rule_number"]) or NO_DATA),
        ("Partner", link(url_of(case.partner), case.partner)),
        ("Owner", (case.owner.get_full_name() or case.owner.username) if case.owner else NO_DATA),
    ]
    if card is not None:
        facts.append(("Scorecard", link(url_of(card), month(card.cycle.month_start_date))))
        facts.append(("Decision about the partner", show_decision(card)))
    return {
        "case": case,
        "state_badge": show_flag_state(case.state),
        "severity": show_severity(seen["severity"]),
        "sentence": f"{case.partner.name}: {say_seen(seen)}.",
        "facts": facts,
        "how_ended": case.get_resolution_display().lower() if case.resolution else "",
        "is_running": card is not None and card.cycle.state == CycleState.OPEN,
    }


def month_span(case: FlagCase) -> str:
    """The months in which a flag was seen."""
    first, newest = month(case.first_month_date), month(case.newest_month_date)
    return first if first == newest else f"{first} to {newest}"


@console_admin(FlagCase)
class FlagCaseAdmin(TransitionsMixin, ReadOnlyModelAdmin):
    """Every rule that was crossed for certain, with what became of it over the months."""

    read_operation = "review.read"
    change_operation = "flag.handle"
    transitions = FLAG_TRANSITIONS
    transition_key = "case_id"
    change_state = change_flag_state
    list_display = ["rule_shown", "partner", "state_shown", "severity", "observed", "allowed", "since", "owner_shown"]
    list_filter = [StateFilter, MineFilter, SeverityFilter, "rule"]
    list_select_related = ["rule", "partner", "owner"]
    search_fields = ["partner__name", "partner__external_id", "rule__name", "target_key"]
    sortable_by = ()
    change_form_template = "reviews/flag.html"
    change_list_template = "reviews/flags.html"
    intro = (
        "A flag says that a rule was crossed for certain, not by chance. It is told to its owner once, and ends by itself when a "
        "month that is over does not show it any more; or you say that something was done, or why it is nothing."
    )
    empty_text = "No open flag. Either all is well, or no month was reviewed yet."
    fields = ()

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        return order()

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("ask/", self.ask_bulk, "ask_bulk", "flag.handle"),
            self.act("bulk/", self.change_bulk, "bulk", "flag.handle"),
            self.act("<int:pk>/owner/", self.ask_owner, "owner", "flag.handle", "GET"),
            self.act("<int:pk>/assign/", self.assign, "assign", "flag.handle"),
            *super().get_urls(),
        ]

    def get_list_display(self, request: HttpRequest) -> Any:
        """With a box to tick where the person may do something with several."""
        columns = super().get_list_display(request)
        return ["tick", *columns] if allowed(request, "flag.handle") else columns

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        return ["rule_shown"]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        steps = [(name, FLAG_TRANSITIONS[name].label) for name in BULK] if allowed(request, "flag.handle") else []
        return super().changelist_view(request, {"steps": steps, **(extra_context or {})})

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        case = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if case is not None and self.has_view_permission(request, case):
            context = show_flag(case, find_card(case))
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def buttons(self, request: HttpRequest, row: FlagCase) -> list[Button]:
        buttons = self.transition_buttons(request, row)
        if allowed(request, "flag.handle"):
            buttons.append(Button("Change the owner…", reverse("admin:reviews_flagcase_owner", args=[row.pk])))
        if allowed(request, "action.propose"):
            named = {"offers": row.target_key} if row.target == RuleTarget.OFFER else {}
            buttons.append(Button("Propose an action", propose_url(case=row.pk, **named), is_primary=True))
        return buttons

    def tables(self, request: HttpRequest, row: FlagCase) -> Sequence[Table]:
        sightings = [
            [
                link(url_of(flag.scorecard), month(flag.scorecard.cycle.month_start_date)),
                show_measured(flag.metric, flag.observed),
                show_measured(flag.metric, flag.threshold),
            ]
            for flag in list_sightings(row)
        ]
        return [
            Table(
                "Months in whose reviews it stands",
                ["Month", "Observed", "Limit"],
                sightings,
                "None any more.",
                frozenset({1, 2}),
            ),
            make_actions(
                "Corrective actions", list(list_actions(row.program_id).filter(case=row)), "Nothing was proposed for it."
            ),
            make_log(list_flag_transitions(row.pk), dict(FlagState.choices), FLAG_TRANSITIONS, FLAG_DATA_TRANSITIONS),
        ]

    def ask_bulk(self, request: HttpRequest, form: Form | None = None) -> HttpResponse:
        """Before a step with several: which, and why."""
        cases, name = self.chosen(request), request.POST.get("name", "")
        if not cases or name not in BULK:
            self.message_user(request, "Choose at least one flag and what to do. Nothing was changed.", "warning")
            return go(request, "reviews_flagcase_changelist")
        step = FLAG_TRANSITIONS[name]
        form = form or FlagStepForm()
        form.fields["comment"].required = step.needs_comment
        return show(
            request,
            "reviews/flags_bulk.html",
            title=f"{step.label}: {len(cases)} flag{'' if len(cases) == 1 else 's'}",
            form=form,
            name=name,
            step=step,
            cases=cases,
            samples=[(case, show_flag_state(case.state)) for case in cases[:SAMPLES]],
            rest=max(len(cases) - SAMPLES, 0),
            action=reverse("admin:reviews_flagcase_bulk"),
            back_url=reverse("admin:reviews_flagcase_changelist"),
            back_label="Flags",
            opts=self.opts,
        )

    def change_bulk(self, request: HttpRequest) -> HttpResponse:
        """One service call for all of them."""
        form, name = FlagStepForm(request.POST), request.POST.get("name", "")
        if name not in BULK or not form.is_valid():
            return self.ask_bulk(request, form)
        cases = self.chosen(request)
        try:
            changed = change_flags_in_bulk(
                case_ids=[case.pk for case in cases],
                name=name,
                actor=person_of(request),
                at=now(),
                comment=form.cleaned_data["comment"],
            )
        except DomainError as error:
            refuse(form, error)
            return self.ask_bulk(request, form)
        number = f"{len(changed)} flag{'' if len(changed) == 1 else 's'}"
        self.message_user(request, f"{FLAG_TRANSITIONS[name].label}: done for {number}.")
        return go(request, "reviews_flagcase_changelist")

    def chosen(self, request: HttpRequest) -> list[FlagCase]:
        """The flags of this program that were ticked."""
        ids = {int(text) for text in request.POST.getlist("flag") if text.isdecimal() and len(text) < 19}
        return list(worst_first(self.get_queryset(request).filter(pk__in=ids)).select_related("rule", "partner"))

    def ask_owner(self, request: HttpRequest, pk: int, form: FlagOwnerForm | None = None) -> HttpResponse:
        """Choose who works on it."""
        case = self.row_or_404(request, pk)
        return show(
            request,
            "plum/ask.html",
            title=f"Owner of {case}",
            intro="The owner finds it on home. A new flag belongs to the rule's owner, else to the partner's.",
            form=form or FlagOwnerForm(program=program_of(request), initial={"owner": case.owner_id}),
            action=reverse("admin:reviews_flagcase_assign", args=[pk]),
            submit="Save",
            back_url=url_of(case),
            back_label=str(case),
            opts=self.opts,
        )

    def assign(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        case, form = self.row_or_404(request, pk), FlagOwnerForm(request.POST, program=program_of(request))
        if not form.is_valid():
            return self.ask_owner(request, pk, form)
        owner = form.cleaned_data["owner"]
        try:
            assign_flag(case_id=case.pk, owner_id=owner.pk if owner else None, actor=person_of(request), at=now())
        except DomainError as error:
            refuse(form, error)
            return self.ask_owner(request, pk, form)
        self.message_user(request, f"{owner.get_full_name() or owner.username} owns it now." if owner else "Nobody owns it now.")
        return HttpResponseRedirect(url_of(case))

    def tick(self, row: FlagCase) -> SafeString:
        return format_html(
            '<input type="checkbox" name="flag" value="{}" form="flags-bulk" aria-label="Choose {}">', row.pk, str(row)
        )

    tick.short_description = "choose"  # type: ignore[attr-defined]

    def rule_shown(self, row: FlagCase) -> str:
        return f"{row.rule.name}{f' ({row.target_key})' if row.target_key else ''}"

    rule_shown.short_description = "rule"  # type: ignore[attr-defined]

    def state_shown(self, row: FlagCase) -> SafeString:
        return show_flag_state(row.state)

    state_shown.short_description = "state"  # type: ignore[attr-defined]

    def severity(self, row: FlagCase) -> SafeString:
        return show_severity(row.seen["severity"])

    def observed(self, row: FlagCase) -> SafeString | str:
        return show_measured(row.seen["metric"], row.seen["observed"])

    def allowed(self, row: FlagCase) -> str:
        return say_allowed(row.seen)

    def since(self, row: FlagCase) -> str:
        return month(row.first_month_date)

    def owner_shown(self, row: FlagCase) -> SafeString | str:
        return NO_DATA if row.owner is None else (row.owner.get_full_name() or row.owner.username)

    owner_shown.short_description = "owner"  # type: ignore[attr-defined]
