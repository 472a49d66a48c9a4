"""The coverage certificate of one month: everybody who had to be reviewed, why, and with which outcome."""

import csv
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from partners.models import Partner, Program
from plum_site.lib.admin import Button, page, program_of, show, url_of
from plum_site.lib.people import names_of
from plum_site.lib.periods import month_text
from plum_site.lib.present import Table, badge, instant, link, month
from plum_site.lib.resources import safe_cell
from reviews.models import ReviewCycle, Scorecard
from reviews.pages import find_decision, show_decision, show_standing, show_state
from reviews.rules import EVENTS, LIVE
from reviews.selectors import Certificate, certify, list_scorecards

WHY = {LIVE: "a live offer", EVENTS: "events"}
CSV_COLUMNS = ("partner", "name", "reasons", "standing", "decision", "decided_by_rule", "decided_by", "gap")


def get_cycle(request: HttpRequest, pk: int) -> tuple[ReviewCycle, Program]:
    """A consolidated review of the current program; others are unknown."""
    program = program_of(request)
    cycle = ReviewCycle.objects.filter(program=program, pk=pk, consolidated_at__isnull=False).first()
    if cycle is None:
        raise Http404(f"There is no consolidated review {pk} in this program.")
    return cycle, program


def list_outcomes(cycle: ReviewCycle, certificate: Certificate) -> list[tuple[Partner, str, Scorecard | None, str]]:
    """Partner, why it had to be reviewed, its scorecard and its gap; gaps first, then by name."""
    cards = {card.partner.external_id: card for card in list_scorecards(cycle.pk)}
    gaps: dict[str, str] = {gap.partner: gap.problem for gap in certificate.gaps}
    ids = {*certificate.required, *cards}
    partners = Partner.objects.filter(program_id=cycle.program_id, external_id__in=ids)
    rows = [
        (
            partner,
            " and ".join(WHY[reason] for reason in sorted(certificate.required.get(partner.external_id, ()), reverse=True)),
            cards.get(partner.external_id),
            gaps.get(partner.external_id, ""),
        )
        for partner in partners
    ]
    return sorted(rows, key=lambda row: (not row[3], row[0].name, row[0].pk))


@page("reviews/<int:pk>/coverage/", name="reviews_reviewcycle_coverage", operation="review.read")
def show_coverage(request: HttpRequest, pk: int) -> HttpResponse:
    """The certificate."""
    cycle, program = get_cycle(request, pk)
    certificate = certify(cycle, program)
    rows = list_outcomes(cycle, certificate)
    waiting = sum(1 for _partner, _why, card, _gap in rows if card is not None and find_decision(card) is None)
    people = names_of(decision.decided_by for _p, _w, card, _g in rows if card and (decision := find_decision(card)))
    return show(
        request,
        "reviews/coverage.html",
        title=f"Coverage certificate of {month(cycle.month_start_date)}",
        cycle=cycle,
        state=show_state(cycle),
        required=len(certificate.required),
        gaps=len(certificate.gaps),
        waiting=waiting,
        buttons=[Button("Download as CSV", reverse("admin:reviews_reviewcycle_certificate", args=[pk]))],
        tables=[make_table(rows, people)],
        back_url=url_of(cycle),
        back_label=f"Review of {month(cycle.month_start_date)}",
        consolidated=instant(cycle.consolidated_at),
    )


def make_table(rows: list[tuple[Partner, str, Scorecard | None, str]], people: dict[str, str]) -> Table:
    """One row a partner: why, outcome, by whom; what is missing stands in the place of the outcome."""
    lines: list[list[Any]] = []
    for partner, why, card, gap in rows:
        decision = find_decision(card) if card else None
        by = (
            "" if decision is None else "by rule" if decision.is_by_rule else people.get(decision.decided_by, decision.decided_by)
        )
        outcome = format_html("{} {}", badge("gap", "bad"), gap) if gap else show_decision(card) if card else ""
        name = link(url_of(card), partner.name) if card else partner.name
        lines.append([name, why or "nothing known", show_standing(card.standing) if card else "", outcome, by])
    headers = ["Partner", "Had to be reviewed because of", "Standing", "Outcome", "Decided"]
    return Table("Every partner, exactly one outcome", headers, lines, "Nobody had to be reviewed this month.")


@page("reviews/<int:pk>/coverage.csv", name="reviews_reviewcycle_certificate", operation="review.read")
def download_coverage(request: HttpRequest, pk: int) -> HttpResponse:
    """The same rows as CSV."""
    cycle, program = get_cycle(request, pk)
    name = f"coverage-{program.code}-{month_text(cycle.month_start_date)}.csv"
    response = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
    writer = csv.writer(response)
    writer.writerow(CSV_COLUMNS)
    for partner, why, card, gap in list_outcomes(cycle, certify(cycle, program)):
        decision = find_decision(card) if card else None
        cells = [
            partner.external_id,
            partner.name,
            why,
            card.standing if card else "",
            decision.kind if decision else "",
            decision.is_by_rule if decision else "",
            decision.decided_by if decision else "",
            gap,
        ]
        writer.writerow([safe_cell(str(cell)) for cell in cells])
    return response
