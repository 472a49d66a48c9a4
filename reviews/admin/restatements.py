"""Restating a closed review on screen: asking, answering, and what moved between two revisions."""

from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from activity.metrics import METRICS
from plum_site.lib.admin import (
    Button,
    ReadOnlyModelAdmin,
    allowed,
    console_admin,
    page,
    person_of,
    program_of,
    refuse,
    show,
    url_of,
)
from plum_site.lib.audit import actor_name
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.people import names_of
from plum_site.lib.present import NO_DATA, Table, badge, count, instant, link, month, words
from reviews.choices import CycleState, DecisionKind, RestatementState, Standing
from reviews.figures import show_value
from reviews.models import Restatement, ReviewCycle
from reviews.pages import show_state, stages_of
from reviews.selectors import (
    Revised,
    count_counted_since,
    find_asked,
    find_before,
    list_revised,
    list_revisions,
)
from reviews.services import approve_restatement, ask_restatement, refuse_restatement

TONES = {RestatementState.ASKED: "warn", RestatementState.APPROVED: "good", RestatementState.REFUSED: "idle"}
MOST_SHOWN = 500


class RestatementForm(forms.Form):
    """Why a closed review has to be made anew."""

    reason = forms.CharField(
        label="Why",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For example: the shop sent a file of June after the closing. Whoever approves it reads this.",
    )


class AnswerForm(forms.Form):
    """What is said to whoever asked."""

    answer = forms.CharField(label="Answer", required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))


def show_answer(row: Restatement) -> SafeString:
    """What became of it."""
    return badge(row.get_state_display(), TONES[RestatementState(row.state)])


def restatement_buttons(request: HttpRequest, cycle: ReviewCycle) -> list[Button]:
    """What the page of a cycle offers: asking, answering, and the difference to the revision before."""
    buttons = []
    asked = find_asked(cycle.pk)
    if asked is not None:
        buttons.append(Button("Restatement asked for: answer", url_of(asked), is_primary=True))
    elif cycle.state == CycleState.CLOSED and allowed(request, "restatement.ask") and is_newest(cycle):
        buttons.append(Button("Ask for a restatement…", reverse("admin:reviews_reviewcycle_ask_restate", args=[cycle.pk])))
    if cycle.revision > 1:
        buttons.append(Button("What the revision changed", reverse("admin:reviews_reviewcycle_revised", args=[cycle.pk])))
    return buttons


def is_newest(cycle: ReviewCycle) -> bool:
    """Whether no later revision of its month was opened."""
    return not list_revisions(cycle.program_id, cycle.month_start_date).filter(revision__gt=cycle.revision).exists()


def make_revisions(cycle: ReviewCycle) -> Table | None:
    """The revisions of the month; None where there is one only."""
    cycles = list(list_revisions(cycle.program_id, cycle.month_start_date).defer("config"))
    if len(cycles) < 2:
        return None
    reasons = dict(Restatement.objects.filter(revised__in=cycles).values_list("revised_id", "reason"))
    rows = [
        [
            link(url_of(one), f"Revision {one.revision}") if one != cycle else f"Revision {one.revision} (this one)",
            show_state(one),
            instant(one.consolidated_at),
            instant(one.closed_at) if one.closed_at else NO_DATA,
            reasons.get(one.pk, "The month was reviewed."),
        ]
        for one in cycles
    ]
    note = "A closed revision never changes. The newest one that is not being made any more is the one that counts."
    return Table("Revisions", ["Revision", "State", "Consolidated", "Closed", "Why"], rows, note=note)


@page("reviews/<int:pk>/restate/", name="reviews_reviewcycle_ask_restate", operation="restatement.ask")
def ask_restate(request: HttpRequest, pk: int, form: RestatementForm | None = None) -> HttpResponse:
    """The page that says what a restatement is and asks why."""
    cycle = get_cycle(request, pk)
    named = month(cycle.month_start_date)
    return show(
        request,
        "plum/ask.html",
        title=f"Ask for a restatement of {named}",
        intro=f"{named} is closed and stays as it is. A restatement makes it anew as revision {cycle.revision + 1}, with "
        "everything that is recorded by then, and it is decided and closed again. Somebody else has to approve it.",
        form=form or RestatementForm(),
        action=reverse("admin:reviews_reviewcycle_restate", args=[pk]),
        submit="Ask",
        back_url=url_of(cycle),
        back_label=f"Review of {named}",
    )


@page("reviews/<int:pk>/restate/ask/", name="reviews_reviewcycle_restate", operation="restatement.ask", method="POST")
def restate(request: HttpRequest, pk: int) -> HttpResponse:
    """One service call; what it refuses stands above the form."""
    cycle, form = get_cycle(request, pk), RestatementForm(request.POST)
    if not form.is_valid():
        return ask_restate(request, pk, form)
    try:
        row = ask_restatement(cycle_id=cycle.pk, reason=form.cleaned_data["reason"], actor=person_of(request), at=now())
    except DomainError as error:
        refuse(form, error)
        return ask_restate(request, pk, form)
    return HttpResponseRedirect(url_of(row))


@page("reviews/<int:pk>/revised/", name="reviews_reviewcycle_revised", operation="review.read")
def show_revised(request: HttpRequest, pk: int) -> HttpResponse:
    """What is not the same in a revision and the one before it."""
    cycle = get_cycle(request, pk)
    before = find_before(cycle)
    moved = list_revised(before, cycle) if before is not None else []
    named = month(cycle.month_start_date)
    rows = [
        [one.name, say_figure(one.figure), *(say_value(one, value, cycle) for value in (one.before, one.after))] for one in moved
    ]
    numbers = (before.revision, cycle.revision) if before is not None else ("–", cycle.revision)
    headers = ["Partner", "Figure", *(f"Revision {number}" for number in numbers)]
    empty = "The same in both: no figure, standing, flag or decision moved."
    if cycle.consolidated_at is None:
        empty = "The new revision was not consolidated yet."
    elif before is None:
        empty = "There is no revision before this one."
    note = f"The first {MOST_SHOWN} of {count(len(rows))}." if len(rows) > MOST_SHOWN else ""
    since = count_counted_since(before, cycle, program_of(request)) if before is not None else 0
    return show(
        request,
        "plum/page.html",
        title=f"What revision {cycle.revision} of {named} changed",
        intro=f"{count(since)} events of the month were recorded after revision {numbers[0]} was cut off, and are counted in "
        f"revision {cycle.revision}. Rules, policy and catalog may have changed too: each revision keeps its own.",
        tables=[Table("What moved", headers, rows[:MOST_SHOWN], empty, note=note)],
        back_url=url_of(cycle),
        back_label=f"Review of {named}",
    )


def get_cycle(request: HttpRequest, pk: int) -> ReviewCycle:
    """A review of the current program; others are unknown."""
    cycle = ReviewCycle.objects.filter(program=program_of(request), pk=pk).first()
    if cycle is None:
        raise Http404(f"There is no review {pk} in this program.")
    return cycle


def say_figure(figure: str) -> str:
    """A figure by the name that it has on screen."""
    return METRICS[figure].label if figure in METRICS else figure.capitalize()


def say_value(one: Revised, value: Any, cycle: ReviewCycle) -> Any:
    """A value as it is shown elsewhere."""
    if value is None:
        return NO_DATA
    if one.figure in METRICS and one.figure != "funnel":
        return show_value(one.figure, value, stages_of(cycle))
    if one.figure in ("standing", "scorecard"):
        return Standing(value).label
    if one.figure == "decision":
        return DecisionKind(value).label
    return words(value) if isinstance(value, list) else str(value)


@console_admin(Restatement)
class RestatementAdmin(ReadOnlyModelAdmin):
    """Who asked for a closed review to be made anew, and who answered."""

    program_path = "cycle__program"
    read_operation = "review.read"
    list_display = ["named", "asked_at", "state_shown", "answered_at"]
    list_filter = ["state"]
    list_select_related = ["cycle", "revised"]
    ordering = ["-asked_at", "-id"]
    intro = "A closed review never changes. To correct one, somebody asks for a restatement, and somebody else approves it."
    empty_text = "Nobody has asked for a restatement."
    fields = [
        "named",
        "state_shown",
        "reason",
        "asked_by_name",
        "asked_at",
        "answered_by_name",
        "answered_at",
        "answer",
        "result",
    ]
    readonly_fields: ClassVar[Any] = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Restatement]:
        return super().get_queryset(request).select_related("cycle", "revised")

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("<int:pk>/approve/", self.ask_approve, "ask_approve", "restatement.answer", "GET"),
            self.act("<int:pk>/approved/", self.approve, "approve", "restatement.answer"),
            self.act("<int:pk>/refuse/", self.ask_refuse, "ask_refuse", "restatement.answer", "GET"),
            self.act("<int:pk>/refused/", self.refuse, "refuse", "restatement.answer"),
            *super().get_urls(),
        ]

    def buttons(self, request: HttpRequest, row: Restatement) -> list[Button]:
        """For somebody else than whoever asked."""
        waits = row.state == RestatementState.ASKED and row.asked_by != actor_name(person_of(request))
        if not waits or not allowed(request, "restatement.answer"):
            return []
        return [
            Button("Approve…", reverse("admin:reviews_restatement_ask_approve", args=[row.pk]), is_primary=True),
            Button("Refuse…", reverse("admin:reviews_restatement_ask_refuse", args=[row.pk])),
        ]

    def ask_approve(self, request: HttpRequest, pk: int, form: AnswerForm | None = None) -> HttpResponse:
        """The page before approving."""
        row = self.row_or_404(request, pk)
        intro = (
            f"{month(row.cycle.month_start_date)} is consolidated anew as revision {row.cycle.revision + 1}, with everything "
            f"that is recorded by now. Its decisions are made again. The closed revision stays. The reason: {row.reason}"
        )
        return self.ask(request, row, "approve", "Approve", intro, form)

    def ask_refuse(self, request: HttpRequest, pk: int, form: AnswerForm | None = None) -> HttpResponse:
        """The page before refusing."""
        row = self.row_or_404(request, pk)
        return self.ask(
            request, row, "refuse", "Refuse", f"The closed review stays the one that counts. The reason: {row.reason}", form
        )

    def ask(
        self, request: HttpRequest, row: Restatement, name: str, label: str, intro: str, form: AnswerForm | None
    ) -> HttpResponse:
        """One page for both."""
        form = form or AnswerForm()
        form.fields["answer"].required = name == "refuse"
        return show(
            request,
            "plum/ask.html",
            title=f"{label} the restatement of {month(row.cycle.month_start_date)}",
            intro=intro,
            form=form,
            action=reverse(f"admin:reviews_restatement_{name}", args=[row.pk]),
            submit=label,
            back_url=url_of(row),
            back_label=str(row),
            opts=self.opts,
        )

    def approve(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call; then to the new revision."""
        row, form = self.row_or_404(request, pk), AnswerForm(request.POST)
        try:
            form.full_clean()
            answer = form.cleaned_data.get("answer", "")
            revised = approve_restatement(restatement_id=row.pk, actor=person_of(request), at=now(), answer=answer)
        except DomainError as error:
            refuse(form, error)
            return self.ask_approve(request, pk, form)
        self.message_user(request, f"Approved: revision {revised.revision} is being made.")
        return HttpResponseRedirect(url_of(revised))

    def refuse(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        row, form = self.row_or_404(request, pk), AnswerForm(request.POST)
        try:
            form.full_clean()
            answer = form.cleaned_data.get("answer", "")
            refuse_restatement(restatement_id=row.pk, actor=person_of(request), at=now(), answer=answer)
        except DomainError as error:
            refuse(form, error)
            return self.ask_refuse(request, pk, form)
        self.message_user(request, "Refused: the closed review stays as it is.")
        return HttpResponseRedirect(url_of(row))

    def named(self, row: Restatement) -> SafeString:
        return link(url_of(row.cycle), f"{month(row.cycle.month_start_date)}, revision {row.cycle.revision}")

    named.short_description = "review"  # type: ignore[attr-defined]

    def state_shown(self, row: Restatement) -> SafeString:
        return show_answer(row)

    state_shown.short_description = "state"  # type: ignore[attr-defined]

    def asked_by_name(self, row: Restatement) -> str:
        return names_of([row.asked_by])[row.asked_by]

    asked_by_name.short_description = "asked by"  # type: ignore[attr-defined]

    def answered_by_name(self, row: Restatement) -> str:
        return names_of([row.answered_by])[row.answered_by] if row.answered_by else NO_DATA

    answered_by_name.short_description = "answered by"  # type: ignore[attr-defined]

    def result(self, row: Restatement) -> SafeString | str:
        return link(url_of(row.revised), f"Revision {row.revised.revision}") if row.revised else NO_DATA
