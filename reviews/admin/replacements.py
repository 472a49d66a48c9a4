"""The replacement workbench: which partners are being replaced, whose step it is, and everything about one on one page."""

import csv
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString

from plum_site.lib.admin import Button, ReadOnlyModelAdmin, allowed, console_admin, person_of, program_of, show, url_of
from plum_site.lib.clock import now
from plum_site.lib.periods import local_date
from plum_site.lib.present import BREAK, NO_DATA, Table, day, instant
from plum_site.lib.resources import safe_cell
from reviews.admin.replacement_steps import ReplacementStepsMixin
from reviews.admin.replacement_views import list_tables
from reviews.admin.replacement_work import ReplacementWorkMixin
from reviews.choices import HolderState, ReplacementState, ReplacementStep
from reviews.models import Replacement
from reviews.pages.actions import name_of
from reviews.pages.replacements import (
    list_agreed,
    list_replacement_facts,
    make_way,
    say_replacement,
    say_what_next,
    show_due,
    show_replacement_state,
)
from reviews.rules.replacements import STEP_OF_STATE
from reviews.selectors.replacements import (
    list_losses,
    list_notices,
    list_replacement_steps,
    list_replacements_waiting_for,
    list_tasks,
    with_present_step,
)
from reviews.selectors.replacements.reads import RELATED
from reviews.services.replacements.gaps import say_gap
from reviews.services.replacements.terms import read_file
from reviews.workflow import ENDED_REPLACEMENTS

S = ReplacementState
UNDER_WAY = tuple(state for state in S if state not in ENDED_REPLACEMENTS)
HOLDERS_A_PAGE = 100


class StateFilter(SimpleListFilter):
    """How far it is; what is under way unless something else is chosen."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [*((state.value, state.label) for state in S), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        yield {**first, "display": "Under way"}
        yield from rest

    def queryset(self, request: HttpRequest, queryset: QuerySet[Replacement]) -> QuerySet[Replacement]:
        if self.value() == "all":
            return queryset
        return queryset.filter(state__in=(self.value(),) if self.value() in S.values else UNDER_WAY)


class WhoseStepFilter(SimpleListFilter):
    """Whose step it is."""

    title = "next step"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("you", "Waits for me"), ("me", "I own it"), ("nobody", "Nobody owns the step")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        person = person_of(request)
        match self.value():
            case "you":
                may_approve = allowed(request, "action.approve")
                waiting = list_replacements_waiting_for(program_of(request).pk, person.pk, may_approve=may_approve)
                return queryset.filter(pk__in=waiting.order_by().values("pk"))
            case "me":
                return queryset.filter(owner=person)
            case "nobody":
                return queryset.filter(step_owner_id__isnull=True).exclude(present_step="")
        return queryset


class DueFilter(SimpleListFilter):
    """What should be done by now."""

    title = "due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("due", "Due today or earlier"), ("overdue", "Overdue")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("due", "overdue"):
            return queryset
        rows = queryset.filter(state__in=list(STEP_OF_STATE)).exclude(state=S.SCHEDULED)
        today = today_of(request)
        return rows.filter(**{"step_due_date__lt" if self.value() == "overdue" else "step_due_date__lte": today})


@console_admin(Replacement)
class ReplacementAdmin(ReplacementStepsMixin, ReplacementWorkMixin, ReadOnlyModelAdmin):
    """Every replacement of a partner, from its opening to its end."""

    read_operation = "review.read"
    list_display = ["what", "state_shown", "next_step", "owner_shown", "due", "opened"]
    list_filter = [StateFilter, WhoseStepFilter, DueFilter]
    search_fields = ["partner__name", "partner__external_id", "successor__name", "successor__external_id"]
    sortable_by = ()
    change_form_template = "reviews/replacement.html"
    intro = (
        "Another partner takes the place of one: candidates, terms, mapping, a second person's approval, then a cutover in which "
        "nobody who holds an offer is left stranded."
    )
    empty_text = (
        "No partner is being replaced. A replacement begins as a corrective action: propose “Replace partner” for the "
        "partner that should go; once it is approved, it stands here."
    )
    fields = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Replacement]:
        return with_present_step(super().get_queryset(request).select_related(*RELATED).prefetch_related("tasks__owner"))

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        return [F("step_due_date").asc(nulls_last=True), "-id"]

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        return ["what"]

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("<int:pk>/candidates.csv", self.download_candidates, "candidates", "review.read", "GET"),
            self.act("<int:pk>/losses.csv", self.download_losses, "losses", "review.read", "GET"),
            self.act("<int:pk>/holders/", self.show_holders, "holders", "review.read", "GET"),
            self.act("<int:pk>/files/<int:file_id>/", self.download_file, "file", "review.read", "GET"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        buttons = []
        if allowed(request, "action.propose"):
            url = f"{reverse('admin:reviews_correctiveaction_propose')}?kind=replace_partner"
            buttons = [Button("Propose a replacement", url, is_primary=True)]
        return super().changelist_view(request, {"buttons": buttons, **(extra_context or {})})

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        row = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if row is not None and self.has_view_permission(request, row):
            context = self.describe(request, row)
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def describe(self, request: HttpRequest, row: Replacement) -> dict[str, Any]:
        """Everything on the page of one replacement beside its tables."""
        at, today = now(), today_of(request)
        may_work = allowed(request, "action.propose")
        log = list(list_replacement_steps(row.pk))
        way = make_way(row, list(list_tasks(row.pk)), log, today)
        return {
            "sentence": say_replacement(row),
            "state_badge": show_replacement_state(row.state),
            "next": say_what_next(row, at),
            "way": way,
            "is_late": any(stop.is_late for stop in way),
            "plan_url": self.write_url(row, "plan") if may_work and row.state not in ENDED_REPLACEMENTS else "",
            "facts": list_replacement_facts(row),
            "agreed": list_agreed(row),
            "more_buttons": self.more_buttons(request, row),
        }

    def buttons(self, request: HttpRequest, row: Replacement) -> list[Button]:
        return sorted([*self.step_buttons(request, row), *self.work_buttons(request, row)], key=lambda one: not one.is_primary)

    def more_buttons(self, request: HttpRequest, row: Replacement) -> list[Button]:
        """What can be done beside the steps in every state."""
        buttons = []
        if allowed(request, "action.propose"):
            buttons = [Button(f"{label}…", self.write_url(row, name)) for name, label in MORE.items()]
        if row.comparison:
            url = reverse("admin:reviews_replacement_candidates", args=[row.pk])
            buttons.append(Button("Candidates as CSV", url))
        if row.state not in (*ENDED_REPLACEMENTS, S.CUT_OVER, S.VERIFIED):
            buttons.append(Button("Losses as CSV", reverse("admin:reviews_replacement_losses", args=[row.pk])))
        return buttons

    def tables(self, request: HttpRequest, row: Replacement) -> Sequence[Table]:
        return list_tables(row, now())

    # --- downloads and the holders ---

    def download_candidates(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The comparison as it was kept, nothing rounded; what is hidden is empty and has the status "suppressed"."""
        row = self.row_or_404(request, pk)
        compared = row.comparison or {"metrics": [], "candidates": []}
        figures = [f"{name}{end}" for name in compared["metrics"] for end in ("", "_low", "_high", "_rank", "_of", "_status")]
        keys = ("partner", "name", "state", "category", "country", "offers", "drafts", "standing", "coverage")
        lines: list[list[Any]] = []
        for one in compared["candidates"]:
            cells = [one[key] for key in keys]
            cells += ["; ".join(one["uncovered"]), "; ".join(say_gap("\n".join(gap)) for gap in one["gaps"])]
            for name in compared["metrics"]:
                found = one["metrics"].get(name) or {}
                cells += [found.get(key) for key in ("rate", "rate_low", "rate_high", "rank", "of", "status")]
            lines.append(cells)
        return sheet(f"candidates-{pk}", [*keys, "uncovered", "gaps", *figures], lines)

    def download_losses(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What each group of members loses by the mapping as it is; numbers that are hidden are empty."""
        row = self.row_or_404(request, pk)
        lines = [
            [one.group, one.label, one.members, one.redemptions, one.before, one.after, "; ".join(one.categories)]
            for one in list_losses(row, now())
        ]
        headers = ["group", "label", "members", "redemptions", "offers_before", "offers_after", "categories_lost"]
        return sheet(f"losses-{pk}", headers, lines)

    def show_holders(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The unlocked offers that members held at the cutover, page by page; who they are is not shown."""
        row, wanted = self.row_or_404(request, pk), request.GET.get("state", "")
        state = wanted if wanted in HolderState.values else ""
        rows = list_notices(row.pk).filter(state=state) if state else list_notices(row.pk)
        page = Paginator(rows, HOLDERS_A_PAGE).get_page(request.GET.get("page"))
        lines = [
            [
                one.offer.external_id,
                day(timezone.localtime(one.unlocked_at).date()),
                one.get_state_display(),
                instant(one.settled_at),
                instant(one.recalled_at),
            ]
            for one in page
        ]
        headers = ["Offer", "Unlocked", "What became of telling", "When", "Told that it stays"]
        return show(
            request,
            "reviews/replacement_holders.html",
            title=f"Holders: {row}",
            intro="Members who had unlocked an old offer at the cutover and not used it. Who they are is not shown here.",
            tables=[Table("", headers, lines, "Nobody held such an offer." if not state else "Nobody is in this state.")],
            page_of=page,
            state=state,
            states=HolderState.choices,
            back_url=url_of(row),
            back_label=str(row),
            opts=self.opts,
        )

    def download_file(self, request: HttpRequest, pk: int, file_id: int) -> HttpResponse:
        """One file as it came, only to be kept; that it was read stands in the audit log."""
        row = self.row_or_404(request, pk)
        file = read_file(replacement_id=row.pk, file_id=file_id, actor=person_of(request), at=now())
        headers = {"Content-Disposition": content_disposition_header(True, file.name) or "attachment"}
        return HttpResponse(bytes(file.content), content_type="application/octet-stream", headers=headers)

    download_file.logs_reading = True  # type: ignore[attr-defined]

    # --- the list ---

    def what(self, row: Replacement) -> str:
        return say_replacement(row)

    def state_shown(self, row: Replacement) -> SafeString:
        return show_replacement_state(row.state)

    state_shown.short_description = "state"  # type: ignore[attr-defined]

    def next_step(self, row: Any) -> str | SafeString:
        if row.state == S.SCHEDULED:
            return format_html("cutover{}{}", BREAK, instant(row.scheduled_at))
        return ReplacementStep(row.present_step).label if row.present_step else NO_DATA

    def owner_shown(self, row: Any) -> str | SafeString:
        owners = [task.owner for task in row.tasks.all() if task.step == row.present_step and task.owner]
        return name_of(owners[0] if owners else row.owner) or NO_DATA

    owner_shown.short_description = "whose step"  # type: ignore[attr-defined]

    def due(self, row: Any) -> SafeString | str:
        waits = bool(row.present_step) and row.state != S.SCHEDULED
        return show_due(row.step_due_date, local_date(now(), row.program.time_zone), waits=waits)

    def opened(self, row: Replacement) -> SafeString | str:
        return instant(row.opened_at)


# The forms that are offered in every state, below the steps.
MORE = {"contact": "Write down a contact", "file": "Add a file"}


def today_of(request: HttpRequest) -> Any:
    """The present day of the program."""
    return local_date(now(), program_of(request).time_zone)


def sheet(name: str, headers: Iterable[str], lines: Iterable[Iterable[Any]]) -> HttpResponse:
    """A table as a CSV file to keep."""
    response = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}.csv"'}
    )
    writer = csv.writer(response)
    writer.writerow(headers)
    for line in lines:
        writer.writerow(["" if cell is None else safe_cell(str(cell)) for cell in line])
    return response
