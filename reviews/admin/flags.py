"""Flags: which rule was crossed, by how much, and what it rests on."""

from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.db.models import Case, IntegerField, OrderBy, QuerySet, Value, When
from django.http import HttpRequest
from django.utils.safestring import SafeString

from activity.metrics import METRICS
from plum_site.lib.admin import ReadOnlyModelAdmin, console_admin, program_of, url_of
from plum_site.lib.present import Table, link, month
from reviews.choices import Severity
from reviews.models import Flag
from reviews.pages import say_evidence, say_limit, show_decision, show_measured, show_severity
from reviews.selectors import list_open_flags

WORST_FIRST = (Severity.CRITICAL, Severity.WARNING, Severity.NOTICE)


class OpenFilter(SimpleListFilter):
    """Flags that wait for a person."""

    title = "waits for"
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("1", "a decision")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Flag]) -> QuerySet[Flag]:
        if self.value() != "1":
            return queryset
        return queryset.filter(pk__in=list_open_flags(program_of(request).pk).order_by().values("pk"))


def gravity() -> OrderBy:
    """The gravest severity first."""
    places = (When(rule_version__severity=severity, then=Value(place)) for place, severity in enumerate(WORST_FIRST))
    return OrderBy(Case(*places, output_field=IntegerField()))


def worst_first(flags: QuerySet[Flag]) -> QuerySet[Flag]:
    """Newest month first, in it the gravest."""
    return flags.order_by(*order())


def order() -> list[Any]:
    """Newest month first, in it the gravest, then the worst partner."""
    return ["-scorecard__cycle__month_start_date", gravity(), "-scorecard__rank", "id"]


@console_admin(Flag)
class FlagAdmin(ReadOnlyModelAdmin):
    """Every rule that was crossed for certain."""

    program_path = "scorecard__cycle__program"
    read_operation = "review.read"
    list_display = ["rule", "partner", "month_shown", "severity", "observed_shown", "allowed_shown", "decision"]
    list_filter = [OpenFilter, "rule_version__severity", "rule_version__rule"]
    list_select_related = ["rule_version__rule", "scorecard__partner", "scorecard__cycle", "scorecard__decision"]
    search_fields = ["scorecard__partner__name", "scorecard__partner__external_id"]
    sortable_by = ()
    intro = "A flag says that a rule was crossed for certain: what was seen, what is allowed, and what it rests on."
    empty_text = "No flag. Either all is well, or no month was reviewed yet."
    fields = [
        "rule",
        "partner",
        "month_shown",
        "severity",
        "metric_shown",
        "observed_shown",
        "allowed_shown",
        "evidence_shown",
        "opened_at",
    ]
    readonly_fields: ClassVar[Any] = fields

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        return order()

    def tables(self, request: HttpRequest, row: Flag) -> list[Table]:
        card = row.scorecard
        rows = [[link(url_of(card), f"{card.partner} in {month(card.cycle.month_start_date)}"), show_decision(card)]]
        return [Table("Where it stands", ["Scorecard", "Decision"], rows)]

    def rule(self, row: Flag) -> SafeString:
        return link(url_of(row), row.rule_version.rule.name)

    def partner(self, row: Flag) -> SafeString:
        return link(url_of(row.scorecard), row.scorecard.partner)

    def month_shown(self, row: Flag) -> str:
        return month(row.scorecard.cycle.month_start_date)

    month_shown.short_description = "month"  # type: ignore[attr-defined]

    def severity(self, row: Flag) -> SafeString:
        return show_severity(row.rule_version.severity)

    def metric_shown(self, row: Flag) -> str:
        return f"{METRICS[row.metric].label}: {METRICS[row.metric].formula}"

    metric_shown.short_description = "metric"  # type: ignore[attr-defined]

    def observed_shown(self, row: Flag) -> SafeString | str:
        return show_measured(row.metric, row.observed)

    observed_shown.short_description = "observed"  # type: ignore[attr-defined]

    def allowed_shown(self, row: Flag) -> str:
        return say_limit(row)

    allowed_shown.short_description = "allowed"  # type: ignore[attr-defined]

    def evidence_shown(self, row: Flag) -> str:
        return say_evidence(row.metric, row.evidence)

    evidence_shown.short_description = "evidence"  # type: ignore[attr-defined]

    def decision(self, row: Flag) -> SafeString:
        return show_decision(row.scorecard)
