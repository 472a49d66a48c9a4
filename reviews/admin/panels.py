"""What the review adds to partners and offers: the newest standing, the open flags, why, and the months before."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from activity.metrics import METRICS, shown_rates
from activity.selectors import PARTS, summarise
from activity.selectors.figures import MEMBERS
from offers.models import Offer
from partners.models import Partner
from plum_site.lib.admin import allowed, program_of, url_of
from plum_site.lib.clock import now
from plum_site.lib.panels import column, list_filter, panel
from plum_site.lib.periods import local_date, month_start, month_text, next_month, parse_month
from plum_site.lib.present import BREAK, NO_DATA, Table, badge, day, link, month, rate
from reviews.admin.letters import make_answers
from reviews.choices import Cause, FlagState, Standing
from reviews.figures import show_value
from reviews.models import FlagCase, Scorecard
from reviews.pages import show_decision, show_standing
from reviews.selectors import find_latest_cycle, list_open_flags, list_valid_cycles
from reviews.selectors.worklist import (
    count_flags_of_offers,
    count_flags_of_partners,
    find_newest_cards,
    find_share,
    keep_flagged_offers,
    keep_flagged_partners,
    list_open_flags_of,
)

LAST_MONTHS = 12
WORDS_IN_A_LIST = 18
VOLUMES = ("views", "unlocks", "activations", "redemptions")
LOSSES = ("reversal_rate", "failure_rate")
QUIET_CAUSES = {Cause.MARKET_WIDE, Cause.POSITION, Cause.TOO_LITTLE_DATA}  # nothing that is held against the partner


def read_cards(request: HttpRequest, partner_ids: Sequence[int]) -> Mapping[int, Scorecard]:
    """The newest scorecards of one page of rows, read once a request."""
    known = getattr(request, "newest_cards", None)
    if known is None or known[0] != partner_ids:
        known = (partner_ids, find_newest_cards(program_of(request).pk, partner_ids))
        request.newest_cards = known  # type: ignore[attr-defined]
    cards: Mapping[int, Scorecard] = known[1]
    return cards


def show_card(card: Scorecard) -> SafeString:
    """A standing, leading to its scorecard, and its month."""
    text = format_html(
        '{}{}<span class="plum-none plum-line">{}</span>', show_standing(card.standing), BREAK, month(card.cycle.month_start_date)
    )
    return link(url_of(card), text)


def show_number(number: int) -> SafeString | str:
    """How many flags are open."""
    return badge(str(number), "bad") if number else "0"


def show_cause(diagnosis: Mapping[str, Any] | None) -> SafeString:
    """Why, as a badge; what is not held against the partner is not red."""
    cause = (diagnosis or {}).get("cause")
    if cause not in Cause.values:
        return NO_DATA
    return badge(Cause(cause).label, "info" if cause in QUIET_CAUSES else "warn")


def show_diagnosis(diagnosis: Mapping[str, Any] | None) -> SafeString:
    """Why, and the beginning of the sentence that says so; the page of the row has all of it."""
    if not diagnosis or not diagnosis.get("cause"):
        return NO_DATA
    said = Truncator(str(diagnosis.get("sentence", ""))).words(WORDS_IN_A_LIST)
    return format_html('{}<span class="plum-said">{}</span>', show_cause(diagnosis), said)


@column("partners.Partner", title="Standing", operation="review.read")
def show_standings(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """The standing in the latest review."""
    return {pk: show_card(card) for pk, card in read_cards(request, [row.pk for row in rows]).items()}


@column("partners.Partner", title="Open flags", operation="review.read")
def show_flags(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """How many flags are open or acknowledged."""
    numbers = count_flags_of_partners(program_of(request).pk, [row.pk for row in rows])
    return {row.pk: show_number(numbers[row.pk]) for row in rows}


@column("partners.Partner", title="Diagnosis", operation="review.read")
def show_diagnoses(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """Why, in the latest review."""
    return {pk: show_diagnosis(card.diagnosis) for pk, card in read_cards(request, [row.pk for row in rows]).items()}


@column("offers.Offer", title="Partner's standing", operation="review.read")
def show_standings_of_offers(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """The standing of the partner in the latest review."""
    cards = read_cards(request, [row.partner_id for row in rows])
    return {row.pk: show_card(cards[row.partner_id]) for row in rows if row.partner_id in cards}


@column("offers.Offer", title="Open flags", operation="review.read")
def show_flags_of_offers(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """How many flags of the offer itself are open or acknowledged."""
    numbers = count_flags_of_offers(program_of(request).pk, rows)
    return {row.pk: show_number(numbers[row.pk]) for row in rows}


@column("offers.Offer", title="Diagnosis", operation="review.read")
def show_diagnoses_of_offers(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """Why the partner falls behind, where this offer carries the fall."""
    cards = read_cards(request, [row.partner_id for row in rows])
    cells = {}
    for row in rows:
        card = cards.get(row.partner_id)
        share = find_share(card.diagnosis, row.external_id) if card else None
        if card is not None and share is not None:
            cells[row.pk] = format_html("{}{}{}", show_cause(card.diagnosis), BREAK, say_share(share))
    return cells


def say_share(share: float) -> str:
    """How much of the partner's fall an offer carries."""
    return f"carries {rate(share, 0)} of its partner's fall"


@list_filter("partners.Partner", "offers.Offer", operation="review.read")
class StandingFilter(SimpleListFilter):
    """The partner's standing in the latest review."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Standing.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in Standing.values:
            return queryset
        cycle = find_latest_cycle(program_of(request).pk)
        cards = Scorecard.objects.filter(cycle=cycle, standing=self.value()).order_by().values("partner_id")
        return queryset.filter(**{"partner_id__in" if queryset.model is Offer else "pk__in": cards})


@list_filter("partners.Partner", "offers.Offer", operation="review.read")
class FlaggedFilter(SimpleListFilter):
    """Whether a flag is open or acknowledged: of the partner with all that it has, or of the offer itself."""

    title = "open flags"
    parameter_name = "flagged"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("yes", "With open flags"), ("no", "Without")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("yes", "no"):
            return queryset
        program_id = program_of(request).pk
        flagged: Any = keep_flagged_partners(program_id)
        if queryset.model is Offer:
            flagged = keep_flagged_offers(program_id).order_by().values("pk")
        return queryset.filter(pk__in=flagged) if self.value() == "yes" else queryset.exclude(pk__in=flagged)


def make_open_flags(cases: Sequence[FlagCase], empty: str) -> Table:
    """The flags that are not ended: what, on what, since when, and where they stand."""
    rows = [
        [
            link(url_of(case), case.rule.name),
            case.target_key.replace("=", " ") or "the whole partner",
            badge(case.get_state_display(), "bad" if case.state == FlagState.OPEN else "warn"),
            day(local_date(case.opened_at, case.program.time_zone)),
        ]
        for case in cases
    ]
    return Table("Open flags", ["Rule", "On", "State", "Since"], rows, empty)


def compare_url(partner: Partner) -> str:
    """The partners of the same category beside each other."""
    return f"{reverse('admin:compare_partners')}?{urlencode({'category': partner.category.code})}"


@panel("partners.Partner", title="Reviews", template="reviews/partner_panel.html", operation="review.read")
def fill_partner_panel(request: HttpRequest, row: Any) -> dict[str, Any]:
    """Why, the open flags, and the last twelve months of one partner."""
    program = program_of(request)
    keys = [key for key in (*shown_rates(program.stage_order), *LOSSES) if METRICS[key].is_recorded(program.recorded_stages)]
    cards = list(
        Scorecard.objects.filter(partner=row, cycle__in=list_valid_cycles(program.pk))
        .select_related("cycle", "decision")
        .prefetch_related("flags__rule_version__rule")
        .order_by("-cycle__month_start_date", "-cycle__revision")[:LAST_MONTHS]
    )
    rows = [
        [
            link(url_of(card), month(card.cycle.month_start_date)),
            show_standing(card.standing),
            NO_DATA if card.score is None else str(card.score),
            *(rate(card.metrics.get(key)) for key in keys),
            format_html_join(", ", "{}", ((flag.rule_version.rule.name,) for flag in card.flags.all())) or "none",
            show_decision(card),
        ]
        for card in cards
    ]
    headers = ["Month", "Standing", "Score", *(METRICS[key].label for key in keys), "Flags", "Decision"]
    numeric = frozenset(range(2, 3 + len(keys)))
    newest = read_cards(request, [row.pk]).get(row.pk)
    cases = list(list_open_flags(program.pk).filter(partner=row))
    return {
        "newest": newest,
        "newest_url": url_of(newest) if newest else "",
        "standing": show_standing(newest.standing) if newest else "",
        "month": month(newest.cycle.month_start_date) if newest else "",
        "cause": show_cause(newest.diagnosis) if newest and newest.diagnosis else "",
        "sentence": (newest.diagnosis or {}).get("sentence", "") if newest else "",
        "compare_url": compare_url(row) if allowed(request, "metric.read") else "",
        "flags": make_open_flags(cases, "No flag is open."),
        "answers": make_answers(row),
        "table": Table(f"The last {LAST_MONTHS} months", headers, rows, "Not reviewed yet.", numeric),
    }


@panel("offers.Offer", title="Reviews", template="reviews/partner_panel.html", operation="review.read")
def fill_offer_panel(request: HttpRequest, row: Any) -> dict[str, Any]:
    """The partner's standing, the offer's open flags, what it carries of a fall, and its own last twelve months."""
    newest = read_cards(request, [row.partner_id]).get(row.partner_id)
    share = find_share(newest.diagnosis, row.external_id) if newest else None
    cases = list(list_open_flags_of(row))
    return {
        "newest": newest,
        "newest_url": url_of(newest) if newest else "",
        "standing": show_standing(newest.standing) if newest else "",
        "month": month(newest.cycle.month_start_date) if newest else "",
        "of": row.partner.name,
        "cause": show_cause(newest.diagnosis) if newest and newest.diagnosis else "",
        "sentence": (newest.diagnosis or {}).get("sentence", "") if newest else "",
        "share": f"This offer {say_share(share)}." if share is not None else "",
        "compare_url": compare_url(row.partner) if allowed(request, "metric.read") else "",
        "flags": make_open_flags(cases, "No flag of this offer is open."),
        "table": make_months(request, row) if allowed(request, "metric.read") else None,
    }


def make_months(request: HttpRequest, offer: Offer) -> Table:
    """The months of one offer: volumes and rates, beside the standing of its partner."""
    program = program_of(request)
    stages = program.recorded_stages
    end = next_month(month_start(local_date(now(), program.time_zone)))
    found = summarise(
        program=program,
        starts_date=next_month(end, -LAST_MONTHS),
        ends_date=end,
        by=["month"],
        where={"offer": [offer.external_id]},
        leave_out=(*PARTS, MEMBERS),
    )
    keys = [key for key in (*VOLUMES, *shown_rates(program.stage_order)) if METRICS[key].is_recorded(stages)]
    cards = Scorecard.objects.filter(partner_id=offer.partner_id, cycle__month_start_date__gte=next_month(end, -LAST_MONTHS))
    standings = {
        month_text(card.cycle.month_start_date): link(url_of(card), show_standing(card.standing))
        for card in cards.select_related("cycle").only("id", "standing", "cycle__month_start_date").order_by("cycle__revision")
    }
    rows = [
        [
            month(parse_month(row["month"])),
            *(show_value(key, row[key], stages) for key in keys),
            standings.get(row["month"], "not reviewed"),
        ]
        for row in reversed(found.rows)
    ]
    headers = ["Month", *(METRICS[key].label for key in keys), "Its partner"]
    numeric = frozenset(range(1, 1 + len(keys)))
    title = f"The last {LAST_MONTHS} months"
    return Table(title, headers, rows, f"Nothing happened with this offer in {LAST_MONTHS} months.", numeric)
