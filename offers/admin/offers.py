"""Offers: what they are today, when they are live, what members read, whom they are open to."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from offers.admin.listings import ListingPages
from offers.choices import OfferState, PresentState
from offers.forms import AudienceForm, OfferForm
from offers.models import Offer
from offers.resources import OfferResource
from offers.rules import say_trial
from offers.selectors import (
    list_audiences,
    list_listings,
    list_ranked,
    list_segments,
    list_transitions,
    live_periods,
    present_state,
    trial_now,
)
from offers.services import change_offer_state, save_offer, set_audience
from offers.workflow import TRANSITIONS
from plum_site.lib.admin import (
    Button,
    ServiceModelAdmin,
    TablesMixin,
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
from plum_site.lib.periods import local_date
from plum_site.lib.present import BREAK, NO_DATA, Table, amount, badge, day, link, words

TONES = {
    PresentState.DRAFT: "idle",
    PresentState.IN_REVIEW: "info",
    PresentState.SCHEDULED: "fair",
    PresentState.LIVE: "good",
    PresentState.PAUSED: "warn",
    PresentState.EXPIRED: "idle",
    PresentState.RETIRED: "idle",
}


class PresentStateFilter(SimpleListFilter):
    """What an offer is today: follows from what people decided and its dates."""

    title = "state today"
    parameter_name = "today"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return PresentState.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Offer]) -> QuerySet[Offer]:
        state = self.value()
        if state not in PresentState.values:
            return queryset
        today = local_date(now(), program_of(request).time_zone)
        return queryset.filter(pk__in=Offer.objects.in_present_state(state, today).values("pk"))


@console_admin(Offer)
class OfferAdmin(ListingPages, TablesMixin, TransitionsMixin, ServiceModelAdmin):
    """Offers, with what apps higher up add: the last 30 days, the partner's standing, flags and diagnosis."""

    read_operation = "catalog.read"
    add_operation = change_operation = "catalog.edit"
    transitions = TRANSITIONS
    transition_key = "offer_id"
    change_state = change_offer_state
    resource_classes = [OfferResource]
    form = OfferForm
    list_display = ["external_id", "partner", "state_today", "offer_type", "starts_date", "ends_date", "face_value"]
    leading = 3
    list_filter = [PresentStateFilter, "offer_type", "partner"]
    list_select_related = ["partner", "program"]
    search_fields = ["external_id", "partner__name", "category"]
    ordering = ["external_id", "id"]
    intro = "What members can redeem. What an offer is today follows from what people decided, its dates and its partner."
    empty_text = "No offer yet. Import a table of offers, load a folder with load_program, or add one."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Offer]:
        return super().get_queryset(request).annotate(trial_now=trial_now())

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # type: ignore[override]
        values = ["category", "face_value", "face_value_currency"]
        if obj is None:
            return ["partner", "external_id", "title", "offer_type", *values, "reward_cost", "starts_date", "ends_date"]
        shown = ["partner_link", "external_id", "offer_type", "state_today", "live_dates", "audience_now", "place"]
        cost = "reward_cost" if self.has_change_permission(request, obj) else "reward_cost_shown"
        return [*shown, *values, cost, "starts_date", "ends_date"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = ["partner_link", "external_id", "offer_type", "state_today", "live_dates", "audience_now", "place"]
        return [*fixed, "reward_cost_shown"] if obj else []

    def save_through(self, request: HttpRequest, row: Offer, form: Any, is_new: bool) -> Offer:
        newest = None if is_new else list_listings(row.pk).first()
        given = form.as_row(title=newest.title if newest else "")
        offer, _ = save_offer(program_id=program_of(request).pk, row=given, actor=person_of(request), at=now())
        return offer

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("<int:pk>/audience/", self.ask_audience, "audience", "catalog.edit", "GET"),
            self.act("<int:pk>/audience/save/", self.save_audience, "save_audience", "catalog.edit"),
            *super().get_urls(),
        ]

    def ask_audience(self, request: HttpRequest, pk: int, form: AudienceForm | None = None) -> HttpResponse:
        """Choose whom it is open to."""
        offer = self.row_or_404(request, pk)
        return show(
            request,
            "plum/ask.html",
            title=f"Audience of {offer}",
            intro="Filled in with what holds today. It will hold from the day that you name until a later row begins; "
            "what was said of that day before is replaced.",
            form=form or self.audience_form(offer),
            action=reverse("admin:offers_offer_save_audience", args=[pk]),
            submit="Save",
            back_url=url_of(offer),
            back_label=str(offer),
            opts=self.opts,
        )

    def save_audience(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        offer = self.row_or_404(request, pk)
        form = self.audience_form(offer, request.POST)
        if not form.is_valid():
            return self.ask_audience(request, pk, form)
        given = form.cleaned_data
        try:
            set_audience(
                offer_id=offer.pk,
                segment_id=given["segment"].pk if given["segment"] else None,
                countries=given["countries"],
                excluded_segment_ids=[segment.pk for segment in given.get("excluded_segments", ())],
                starts_date=given["starts_date"],
                actor=person_of(request),
                at=now(),
            )
        except DomainError as error:
            refuse(form, error)
            return self.ask_audience(request, pk, form)
        self.message_user(request, f"The audience of {offer} was saved.")
        return go(request, "offers_offer_change", pk)

    def audience_form(self, offer: Offer, data: Any = None) -> AudienceForm:
        """Only segments of this program; filled in with what holds today."""
        today = local_date(now(), offer.program.time_zone)
        audience = list_audiences(offer.program_id, today).get(offer.pk)
        initial: dict[str, Any] = {"starts_date": today}
        if audience is not None:
            initial["segment"], initial["excluded_segments"] = audience.segment_id, audience.left_out
            initial["countries"] = ", ".join(audience.countries)
        return AudienceForm(data, initial=initial, segments=list_segments(offer.program_id))

    def buttons(self, request: HttpRequest, row: Offer) -> list[Button]:
        own = []
        if allowed(request, "catalog.edit"):
            own = [Button("Change the audience…", reverse("admin:offers_offer_audience", args=[row.pk]))]
        return [*self.listing_buttons(request, row), *own, *self.transition_buttons(request, row)]

    def tables(self, request: HttpRequest, row: Offer) -> list[Table]:
        audiences = [
            [
                day(one.starts_date) if one.starts_date else "the beginning",
                one.segment or "Everyone",
                words(one.countries, empty="every country"),
                words(one.left_out, empty="nobody"),
            ]
            for one in row.audiences.with_segments()
        ]
        return [
            *self.listing_tables(row),
            Table("Audience", ["From", "Segment", "Countries", "Left out"], audiences, "Open to everyone, in every country."),
            make_log(list_transitions(row.pk)[:50], dict(OfferState.choices), TRANSITIONS, title="How its state came about"),
        ]

    def partner_link(self, row: Offer) -> SafeString:
        return link(url_of(row.partner), row.partner)

    partner_link.short_description = "partner"  # type: ignore[attr-defined]

    def state_today(self, row: Any) -> SafeString:
        state = present_state(row, local_date(now(), row.program.time_zone))
        shown = badge(state.label, TONES[state])
        if state != PresentState.LIVE or row.trial_now is None:
            return shown
        return format_html('{}{}<span class="plum-note">{}</span>', shown, BREAK, say_trial(row.external_id, row.trial_now))

    def live_dates(self, row: Offer) -> str:
        periods = live_periods(row)
        spans = (f"{day(first) if first else 'ever'} to {f'before {day(end)}' if end else 'no end'}" for first, end in periods)
        return words(spans, empty="never: it is not published, or its partner does not supply")

    def audience_now(self, row: Offer) -> str:
        audience = list_audiences(row.program_id, local_date(now(), row.program.time_zone)).get(row.pk)
        if audience is None:
            return "Everyone, in every country"
        taken_in = f"{audience.segment or 'Everyone'}, in {words(audience.countries, empty='every country')}"
        return f"{taken_in}, but not {words(audience.left_out)}" if audience.left_out else taken_in

    audience_now.short_description = "open to"  # type: ignore[attr-defined]

    def place(self, row: Offer) -> SafeString | str:
        ranked = list_ranked(row.program_id, None, local_date(now(), row.program.time_zone))
        position = next((entry.position for entry in ranked if entry.offer.id == row.pk), None)
        return f"{position} of {len(ranked)} live offers" if position else NO_DATA

    place.short_description = "place in the catalog"  # type: ignore[attr-defined]

    def reward_cost_shown(self, row: Offer) -> SafeString | str:
        return NO_DATA if row.reward_cost_minor is None else amount(row.reward_cost_minor, row.reward_cost_currency)

    reward_cost_shown.short_description = "reward cost"  # type: ignore[attr-defined]
