"""What worked: the measured actions by kind, by kind and category, and by kind and segment."""

import csv
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from offers.models import Segment
from partners.selectors import list_categories
from plum_site.lib.admin import Button, page, program_of, show, url_of
from plum_site.lib.present import BREAK, Table, badge, instant, link, unbroken
from plum_site.lib.resources import safe_cell
from reviews.choices import ActionKind, Verdict
from reviews.figures.effects import draw_verdicts, show_changes
from reviews.forms import VerdictsForm
from reviews.models import CorrectiveAction
from reviews.pages.actions import say, show_verdict
from reviews.rules.effects import ALL, BY_CATEGORY, BY_SEGMENT, FEWEST_SUMMED, EffectDesign, KindSummary, say_metric
from reviews.selectors.verdicts import EVERYONE, Verdicts, read_verdicts

TITLES = {ALL: "By kind", BY_CATEGORY: "By kind and category of the partner", BY_SEGMENT: "By kind and segment"}
NOTES = {
    ALL: (
        f"A figure for several stands where at least {FEWEST_SUMMED} measured by the same metric have an interval. Different "
        f"metrics are never put together. Fewer than {FEWEST_SUMMED} measured actions say nothing of their kind."
    ),
    BY_CATEGORY: "The more groups one looks at, the more stand out by chance: of forty that did nothing, one seems to work.",
    BY_SEGMENT: "",
}
MOST_LISTED = 100  # actions; the figures and the file have all
COLUMNS = (
    "kind by value measured worked no_evidence harmed cannot_tell verdict metric pooled_actions pooled_verdict estimate low high "
    "sentence"
).split()
EMPTY = (
    "No corrective action was measured yet. One is measured by itself once its window is over, usually 28 days after it was "
    "carried out."
)
EMPTY_FILTERED = "No action that was measured fits. Take a filter away."


@page("actions/worked/", name="reviews_correctiveaction_verdicts", operation="review.read", title="What worked")
def show_verdicts(request: HttpRequest) -> HttpResponse:
    """The question as a form, and its answer as a chart and tables."""
    form, found = answer(request)
    context: dict[str, Any] = {"form": form}
    if found is not None:
        context |= {
            "found": found,
            "empty": EMPTY_FILTERED if any(request.GET.values()) else EMPTY,
            "chart": draw_verdicts(found.actions, found.kinds) if found.actions else None,
            "tables": [*make_kinds(found.kinds), make_actions(found.actions)] if found.actions else [],
        }
        url = f"{reverse('admin:reviews_correctiveaction_verdicts_csv')}?{request.GET.urlencode()}"
        context["buttons"] = [Button("Download as CSV", url)] if found.actions else []
    return show(
        request,
        "reviews/verdicts.html",
        title="What worked",
        back_url=reverse("admin:reviews_correctiveaction_changelist"),
        back_label="Corrective actions",
        **context,
    )


@page("actions/worked/csv/", name="reviews_correctiveaction_verdicts_csv", operation="review.read")
def download_verdicts(request: HttpRequest) -> HttpResponse:
    """Every row of the answer, nothing rounded: one line for every metric that was put together, or one without."""
    form, found = answer(request)
    if found is None:
        said = [f"{name}: {text}" for name, texts in form.errors.items() for text in texts]
        text = "\n".join(["Nothing was downloaded.", *said, ""])
        return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")
    name = f"what-worked-{program_of(request).code}"
    response = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}.csv"'}
    )
    writer = csv.writer(response)
    writer.writerow(COLUMNS)
    for one in found.kinds:
        own = [
            one.kind,
            one.by or "all",
            one.value,
            one.measured,
            *(one.counts[verdict] for verdict in Verdict.values),
            one.verdict,
        ]
        for pool in one.pooled or (None,):
            pooled = [pool.metric, pool.actions, pool.verdict, pool.estimate, pool.low, pool.high] if pool else [""] * 6
            writer.writerow([safe_cell(str(cell)) if isinstance(cell, str) else cell for cell in [*own, *pooled, one.sentence]])
    return response


def answer(request: HttpRequest) -> tuple[VerdictsForm, Verdicts | None]:
    """The form, and the answer where it can be given."""
    program = program_of(request)
    segments = Segment.objects.filter(program=program).order_by("name", "id").values_list("code", "name")
    categories = [(row.code, str(row)) for row in list_categories(program.pk) if row.code]
    offered = {"category": categories, "segment": [(EVERYONE, "For everyone"), *segments] if segments else []}
    form = VerdictsForm(request.GET, offered=offered)
    if not form.is_valid():
        return form, None
    given = form.cleaned_data
    found = read_verdicts(
        program,
        kind=given["kind"],
        category=given.get("category") or None,
        segment=given.get("segment", ""),
        starts_date=given["first"],
        ends_date=given["last"] + timedelta(days=1) if given["last"] else None,
    )
    return form, found


def make_kinds(kinds: Sequence[KindSummary]) -> list[Table]:
    """The summaries as tables: all, by category, by segment."""
    tables = []
    for by, title in TITLES.items():
        rows = [make_row(one) for one in kinds if one.by == by]
        if by == BY_SEGMENT and not any(one.value for one in kinds if one.by == by):
            continue  # everything was for everyone: the first table again
        headers = ["Kind", *([] if by == ALL else [by.capitalize()]), "Verdict", "Worked", "In words"]
        tables.append(Table(title, headers, rows, numeric=frozenset({len(headers) - 2}), note=NOTES[by]))
    return tables


def make_row(one: KindSummary) -> list[Any]:
    """One summary as a line of its table."""
    name = {ALL: [], BY_CATEGORY: [one.value or "no category"], BY_SEGMENT: [one.value or "everyone"]}[one.by]
    verdict = show_verdict(one.verdict) if one.measured >= FEWEST_SUMMED else badge("too few to say", "idle")
    worked = unbroken(f"{one.counts[Verdict.WORKED]} of {one.measured}")
    return [ActionKind(one.kind).label, *name, verdict, worked, format_html('<div class="plum-wide">{}</div>', one.sentence)]


def make_actions(actions: Sequence[CorrectiveAction]) -> Table:
    """The actions themselves, the newest measurement first."""
    rows = []
    for action in actions[:MOST_LISTED]:
        effect, kind = action.effect or {}, action.get_kind_display()
        rows.append(
            [
                format_html('{}{}<span class="plum-note">{}</span>', link(url_of(action), say(action)), BREAK, kind),
                instant(action.measured_at),
                show_verdict(action.verdict),
                say_metric(EffectDesign.from_json(action.design or {}).metric),
                show_changes(effect.get("estimate"), effect.get("low"), effect.get("high")),
            ]
        )
    note = "" if len(actions) <= MOST_LISTED else f"The newest {MOST_LISTED} of {len(actions):,}."
    return Table("The actions", ["Action", "Measured", "Verdict", "By", "Change"], rows, note=note)
