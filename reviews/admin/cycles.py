"""The review workbench: one month, every partner, decided by exception."""

import csv
from datetime import date
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from plum_site.lib.admin import (
    Button,
    ReadOnlyModelAdmin,
    allowed,
    console_admin,
    go,
    person_of,
    program_of,
    refuse,
    show,
    show_progress,
    try_to,
    url_of,
)
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.models import Job
from plum_site.lib.periods import local_date, month_text
from plum_site.lib.present import badge, count, instant, month
from plum_site.lib.resources import safe_cell
from plum_site.lib.workflow import available
from reviews.admin.commitments import make_action_commitments, make_commitments, make_late_lines
from reviews.admin.gaps import make_gaps
from reviews.admin.restatements import make_revisions, restatement_buttons
from reviews.choices import CycleState, DecisionKind
from reviews.forms import DecisionForm, WithdrawalForm
from reviews.models import ReviewCycle, Scorecard
from reviews.pages import find_decision, keep_cards, show_cycle, show_decision, show_standing, show_state
from reviews.pages.ladder import make_moves_of_month
from reviews.selectors import list_due_months, list_scorecards, list_undecided
from reviews.services import close_cycle, decide_in_bulk, plan_consolidation, withdraw_decisions
from reviews.workflow import DECISIONS

SAMPLES = 5
TAKE_BACK = "take_back"
CSV_COLUMNS = ("partner", "name", "category", "standing", "score", "rank", "flags", "decision", "decided_by_rule")
CSV_METRICS = ("views", "unlocks", "activations", "redemptions", "failures", "reversals")


@console_admin(ReviewCycle)
class CycleAdmin(ReadOnlyModelAdmin):
    """Months under review."""

    read_operation = "review.read"
    list_display = [
        "named",
        "state_now",
        "scorecards",
        "by_rule",
        "by_people",
        "undecided",
        "flag_count",
        "consolidated",
        "closed_at",
    ]
    list_filter = ["state"]
    ordering = ["-month_start_date", "-revision"]
    change_form_template = "reviews/cycle.html"
    intro = "One review a month. Partners without flags are passed by rule; you decide about the others, then close the month."
    empty_text = "No month was reviewed yet. The first review opens by itself once there is activity; or run it now."

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReviewCycle]:
        cards = "scorecards"
        return (
            super()
            .get_queryset(request)
            .annotate(
                card_count=Count(cards, distinct=True),
                rule_count=Count(cards, filter=Q(scorecards__decision__is_by_rule=True), distinct=True),
                people_count=Count(cards, filter=Q(scorecards__decision__is_by_rule=False), distinct=True),
                flags=Count("scorecards__flags", distinct=True),
            )
        )

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("run/", self.run, "run", "review.run"),
            self.act("<int:pk>/decide/", self.ask_bulk, "ask_bulk", "review.decide"),
            self.act("<int:pk>/decided/", self.decide_bulk, "decide_bulk", "review.decide"),
            self.act("<int:pk>/close/", self.close, "close", "review.close"),
            self.act("<int:pk>/scorecards.csv", self.download, "csv", "review.read", "GET"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {"buttons": self.run_buttons(request), **(extra_context or {})})

    def run_buttons(self, request: HttpRequest) -> list[Button]:
        """Run what is due: the newest months that wait for a review."""
        if not allowed(request, "review.run"):
            return []
        program = program_of(request)
        due = list_due_months(program, local_date(now(), program.time_zone))[-2:]
        url = reverse("admin:reviews_reviewcycle_run")
        return [Button(f"Run the review of {month(day)}", url, posts=True, name="month", value=day.isoformat()) for day in due]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        cycle = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if cycle is not None and self.has_view_permission(request, cycle):
            at = now()
            steps = [step for step in available(DECISIONS, cycle.state) if allowed(request, step.operation)]
            cards = list(list_scorecards(cycle.pk))
            context = {
                **show_cycle(cycle, request.GET.get("show", ""), at),
                "gaps": make_gaps(cycle),
                "commitments": make_commitments(cycle, cards),
                "actions": make_action_commitments(cycle, at),
                "late": make_late_lines(cards),
                "moves": make_moves_of_month(cycle),
                "revisions": make_revisions(cycle),
                "title": f"Review of {month(cycle.month_start_date)}",
                "may_decide": bool(steps),
                "decisions": [*((step.name, step.label) for step in steps), (TAKE_BACK, "Take back what people decided")],
                "progress": show_progress(job) if (job := self.find_job(cycle)) else "",
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def find_job(self, cycle: ReviewCycle) -> Job | None:
        """The job that works on this month now, if there is one."""
        running = Job.objects.filter(program_id=cycle.program_id, name="reviews.consolidate_month", finished_at__isnull=True)
        return running.filter(arguments__month=cycle.month_start_date.isoformat()).order_by("-id").first()

    def buttons(self, request: HttpRequest, row: ReviewCycle) -> list[Button]:
        coverage = Button("Coverage certificate", reverse("admin:reviews_reviewcycle_coverage", args=[row.pk]))
        report = Button("Monthly report", reverse("admin:reviews_reviewcycle_report", args=[row.pk]))
        certificate = [report, coverage] if row.consolidated_at is not None else []
        certificate += restatement_buttons(request, row)
        if row.state == CycleState.CLOSED:
            return certificate
        buttons = []
        if row.state == CycleState.READY and allowed(request, "review.close") and not list_undecided(row.pk):
            asks = f"Close the review of {month(row.month_start_date)}? It never changes afterwards."
            url = reverse("admin:reviews_reviewcycle_close", args=[row.pk])
            buttons.append(Button("Close the month", url, posts=True, asks=asks, is_primary=True))
        if allowed(request, "review.run"):
            asks = "Consolidate again with everything recorded by now? Decisions stay where standing and flags stay the same."
            buttons.append(
                Button(
                    "Consolidate again",
                    reverse("admin:reviews_reviewcycle_run"),
                    posts=True,
                    name="month",
                    value=row.month_start_date.isoformat(),
                    asks=asks if row.consolidated_at else "",
                )
            )
        return [*buttons, *certificate]

    def run(self, request: HttpRequest) -> HttpResponseRedirect:
        """One service call; the month's page shows the progress."""
        program, at = program_of(request), now()
        wanted = request.POST.get("month", "")
        due = {day.isoformat() for day in list_due_months(program, local_date(at, program.time_zone))}
        known = {day.isoformat() for day in self.get_queryset(request).values_list("month_start_date", flat=True)}
        if wanted not in due | known:
            self.message_user(request, "There is no such month to review. Nothing was started.", "error")
            return go(request, "reviews_reviewcycle_changelist")
        day = date.fromisoformat(wanted)
        cycle = plan_consolidation(program_id=program.pk, month_start_date=day, actor=person_of(request), at=at)
        return HttpResponseRedirect(url_of(cycle))

    def ask_bulk(self, request: HttpRequest, pk: int, form: Form | None = None) -> HttpResponse:
        """Before a bulk decision: how many, which, and from what to what."""
        cycle = self.row_or_404(request, pk)
        cards = self.chosen(request, cycle)
        if not cards:
            self.message_user(request, "Choose at least one partner. Nothing was decided.", "warning")
            return HttpResponseRedirect(f"{url_of(cycle)}?show={request.POST.get('show', '')}")
        kind = request.POST.get("kind", "")
        takes_back = kind == TAKE_BACK
        form = form or (WithdrawalForm() if takes_back else DecisionForm(initial={"kind": kind}))
        changed = [card for card in cards if find_decision(card) is not None]
        partners = f"{len(cards)} partner{'s' if len(cards) > 1 else ''}"
        return show(
            request,
            "reviews/bulk.html",
            title=f"Take back what was decided about {partners}" if takes_back else f"Decide about {partners}",
            form=form,
            takes_back=takes_back,
            by_people=sum(1 for card in changed if not card.decision.is_by_rule),
            cycle=cycle,
            cards=cards,
            samples=[(card, show_standing(card.standing), show_decision(card)) for card in cards[:SAMPLES]],
            rest=max(len(cards) - SAMPLES, 0),
            changed=len(changed),
            flagged=sum(1 for card in cards if card.flags.all()),
            action=reverse("admin:reviews_reviewcycle_decide_bulk", args=[pk]),
            back_url=url_of(cycle),
            back_label=month(cycle.month_start_date),
            opts=self.opts,
        )

    def decide_bulk(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call for all of them."""
        if request.POST.get("kind") == TAKE_BACK:
            return self.take_back(request, pk)
        cycle, form = self.row_or_404(request, pk), DecisionForm(request.POST)
        cards = self.chosen(request, cycle)
        if not form.is_valid():
            return self.ask_bulk(request, pk, form)
        try:
            made = decide_in_bulk(
                cycle_id=cycle.pk,
                scorecard_ids=[card.pk for card in cards],
                kind=form.cleaned_data["kind"],
                comment=form.cleaned_data["comment"],
                actor=person_of(request),
                at=now(),
            )
        except DomainError as error:
            refuse(form, error)
            return self.ask_bulk(request, pk, form)
        label = DecisionKind(form.cleaned_data["kind"]).label
        self.message_user(request, f"{label}: decided for {len(made)} partner{'s' if len(made) > 1 else ''}.")
        return HttpResponseRedirect(f"{url_of(cycle)}?show=you")

    def take_back(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call; partners that need nobody are decided by rule again."""
        cycle, form = self.row_or_404(request, pk), WithdrawalForm(request.POST)
        if not form.is_valid():
            return self.ask_bulk(request, pk, form)
        ids = [card.pk for card in self.chosen(request, cycle)]

        def act() -> str:
            comment = form.cleaned_data["comment"]
            cards = withdraw_decisions(cycle_id=cycle.pk, scorecard_ids=ids, actor=person_of(request), at=now(), comment=comment)
            return f"Taken back for {len(cards)} partner{'' if len(cards) == 1 else 's'}. What needs nobody is decided by rule."

        try_to(request, act)
        return HttpResponseRedirect(f"{url_of(cycle)}?show=you")

    def chosen(self, request: HttpRequest, cycle: ReviewCycle) -> list[Scorecard]:
        """The scorecards of this cycle that were ticked."""
        ids = {int(text) for text in request.POST.getlist("scorecard") if text.isdecimal()}
        return [card for card in list_scorecards(cycle.pk) if card.pk in ids]

    def close(self, request: HttpRequest, pk: int) -> HttpResponseRedirect:
        """One service call; the undecided are listed where it refuses."""
        cycle = self.row_or_404(request, pk)

        def act() -> str:
            close_cycle(cycle_id=cycle.pk, actor=person_of(request), at=now())
            return f"The review of {month(cycle.month_start_date)} is closed. It never changes from now on."

        done = try_to(request, act)
        return HttpResponseRedirect(url_of(cycle) if done else f"{url_of(cycle)}?show=you")

    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the workbench shows, as CSV."""
        cycle = self.row_or_404(request, pk)
        name = f"review-{month_text(cycle.month_start_date)}.csv"
        response = HttpResponse(
            content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )
        writer = csv.writer(response)
        writer.writerow([*CSV_COLUMNS, *CSV_METRICS])
        for card in keep_cards(list(list_scorecards(cycle.pk)), request.GET.get("show", "")):
            decision = find_decision(card)
            cells = [
                card.partner.external_id,
                card.partner.name,
                card.partner.category.code,
                card.standing,
                card.score if card.score is not None else "",
                card.rank or "",
                " ".join(flag.rule_version.rule.code for flag in card.flags.all()),
                decision.kind if decision else "",
                decision.is_by_rule if decision else "",
                *(card.metrics.get(key, "") for key in CSV_METRICS),
            ]
            writer.writerow([safe_cell(str(cell)) for cell in cells])
        return response

    def named(self, row: ReviewCycle) -> str:
        again = f" (revision {row.revision})" if row.revision > 1 else ""
        return f"{month(row.month_start_date)}{again}"

    named.short_description = "month"  # type: ignore[attr-defined]

    def state_now(self, row: ReviewCycle) -> SafeString:
        return show_state(row)

    state_now.short_description = "state"  # type: ignore[attr-defined]

    def scorecards(self, row: Any) -> SafeString | str:
        return count(row.card_count)

    def by_rule(self, row: Any) -> SafeString | str:
        return count(row.rule_count)

    by_rule.short_description = "decided by rule"  # type: ignore[attr-defined]

    def by_people(self, row: Any) -> SafeString | str:
        return count(row.people_count)

    by_people.short_description = "by people"  # type: ignore[attr-defined]

    def undecided(self, row: Any) -> SafeString | str:
        left = row.card_count - row.rule_count - row.people_count
        return badge(f"{left} need you", "info") if left else "none"

    def flag_count(self, row: Any) -> SafeString | str:
        return count(row.flags)

    flag_count.short_description = "flags"  # type: ignore[attr-defined]

    def consolidated(self, row: ReviewCycle) -> SafeString | str:
        return instant(row.consolidated_at)
