"""The scorecard: one partner in one month, in the standard form, with the decision on the same page."""

from typing import Any

from django.db.models import Count, F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from plum_site.lib.admin import ReadOnlyModelAdmin, allowed, console_admin, person_of, refuse, url_of
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.present import NO_DATA, count, month
from plum_site.lib.workflow import available
from reviews.admin.proposals import propose_url
from reviews.choices import DecisionKind, RuleTarget
from reviews.forms import DecisionForm
from reviews.models import Scorecard
from reviews.pages import find_decision, show_decision, show_scorecard, show_standing
from reviews.pages.ladder import make_moves_of_month
from reviews.selectors import list_scorecards
from reviews.services import decide
from reviews.workflow import DECISIONS

LAST = 10**9  # behind every rank


def find_carriers(card: Scorecard) -> list[str]:
    """The offers that carry the fall, by external id."""
    carriers = (card.diagnosis or {}).get("carriers", [])
    return [one["key"] for one in carriers if one["target"] == RuleTarget.OFFER]


@console_admin(Scorecard)
class ScorecardAdmin(ReadOnlyModelAdmin):
    """Every partner in every month."""

    program_path = "cycle__program"
    read_operation = "review.read"
    list_display = ["partner_link", "month_shown", "standing_now", "score_shown", "rank", "flag_count", "decision_now"]
    list_filter = ["standing", "partner__category"]
    list_select_related = ["partner__category", "cycle", "decision"]
    search_fields = ["partner__name", "partner__external_id"]
    ordering = ["-cycle__month_start_date", F("rank").asc(nulls_last=True), "id"]
    change_form_template = "reviews/scorecard.html"
    intro = "One card for each partner and month, zero activity included. Nobody goes unreviewed."
    empty_text = "No scorecard yet: they come with the first review."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Scorecard]:
        rows = super().get_queryset(request).defer("metrics", "settled", "trend", "evidence", "peers", "previous")
        return rows.annotate(flags_number=Count("flags"))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Scorecard | None:
        """The whole card, with everything that its page shows."""
        if not str(object_id).isdecimal():
            return None
        whole = Scorecard.objects.select_related("cycle__program", "partner__category", "decision")
        mine = {f"{self.program_path}_id": request.program.pk}  # type: ignore[attr-defined]
        return whole.prefetch_related("flags__rule_version__rule").filter(pk=object_id, **mine).first()

    def get_urls(self) -> list[URLPattern]:
        return [self.act("<int:pk>/decide/", self.decide, "decide", "review.decide"), *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        card = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if card is not None and self.has_view_permission(request, card):
            decision, form = find_decision(card), getattr(request, "decision_form", None)
            initial = {"kind": decision.kind, "comment": decision.comment} if decision else {}
            context = {
                **show_scorecard(card),
                "title": f"{card.partner} in {month(card.cycle.month_start_date)}",
                "decisions": [step for step in available(DECISIONS, card.cycle.state) if allowed(request, step.operation)],
                "decision_form": form or DecisionForm(initial=initial),
                "decide_url": reverse("admin:reviews_scorecard_decide", args=[card.pk]),
                "moves": make_moves_of_month(card.cycle, card.partner_id),
                "next_url": self.find_next(card),
                "propose_url": propose_url(card=card.pk, offers=find_carriers(card))
                if allowed(request, "action.propose")
                else "",
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def find_next(self, card: Scorecard) -> str:
        """The next card of the month that needs a person, in the order of the workbench; "" where there is none."""
        waiting = list_scorecards(card.cycle_id).filter(decision__isnull=True).exclude(pk=card.pk)
        cards = list(waiting.values_list("pk", "rank"))
        later = [pk for pk, rank in cards if (rank or LAST) >= (card.rank or LAST)]
        following = later or [pk for pk, _ in cards]
        return reverse("admin:reviews_scorecard_change", args=following[:1]) if following else ""

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call; then on to the next card that needs a person."""
        card = self.row_or_404(request, pk)
        form = DecisionForm(request.POST)
        if form.is_valid():
            try:
                given = form.cleaned_data
                decide(scorecard_id=card.pk, kind=given["kind"], comment=given["comment"], actor=person_of(request), at=now())
            except DomainError as error:
                refuse(form, error)
            else:
                label = DecisionKind(form.cleaned_data["kind"]).label
                self.message_user(request, f"{card.partner}: {label}.")
                following = self.find_next(card) if request.POST.get("then") == "next" else ""
                return HttpResponseRedirect(following or url_of(card))
        request.decision_form = form  # type: ignore[attr-defined]
        request.method = "GET"  # the page again, with what was refused beside the field
        return self.change_view(request, str(pk))

    def partner_link(self, row: Scorecard) -> str:
        return str(row.partner)

    partner_link.short_description = "partner"  # type: ignore[attr-defined]
    partner_link.admin_order_field = "partner__name"  # type: ignore[attr-defined]

    def month_shown(self, row: Scorecard) -> str:
        return month(row.cycle.month_start_date)

    month_shown.short_description = "month"  # type: ignore[attr-defined]
    month_shown.admin_order_field = "cycle__month_start_date"  # type: ignore[attr-defined]

    def standing_now(self, row: Scorecard) -> SafeString:
        return show_standing(row.standing)

    standing_now.short_description = "standing"  # type: ignore[attr-defined]

    def score_shown(self, row: Scorecard) -> SafeString | str:
        return NO_DATA if row.score is None else f"{row.score}"

    score_shown.short_description = "score"  # type: ignore[attr-defined]
    score_shown.admin_order_field = "score"  # type: ignore[attr-defined]

    def flag_count(self, row: Any) -> SafeString | str:
        return count(row.flags_number)

    flag_count.short_description = "flags"  # type: ignore[attr-defined]

    def decision_now(self, row: Scorecard) -> SafeString:
        return show_decision(row)

    decision_now.short_description = "decision"  # type: ignore[attr-defined]
