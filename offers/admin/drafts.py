"""The versions of listings that people work on, and those that wait for somebody to publish them."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from offers.admin.listings import DRAFT, show_words
from offers.choices import OPEN_DRAFT, DraftState
from offers.models import ListingDraft
from offers.selectors import list_draft_transitions, list_listings
from offers.services import change_draft_state
from offers.workflow import DRAFT_TRANSITIONS
from plum_site.lib.admin import Button, ReadOnlyModelAdmin, TransitionsMixin, allowed, console_admin, make_log, url_of
from plum_site.lib.people import names_of
from plum_site.lib.present import NO_DATA, Table, badge, link

TONES = {
    DraftState.DRAFT: "idle",
    DraftState.IN_REVIEW: "warn",
    DraftState.PUBLISHED: "good",
    DraftState.DISCARDED: "idle",
}


class DraftStateFilter(SimpleListFilter):
    """What has become of it; those that are worked on unless something else is chosen."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("all", "All"), *DraftState.choices]

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        yield {**first, "display": "Draft or in review"}
        yield from rest

    def queryset(self, request: HttpRequest, queryset: QuerySet[ListingDraft]) -> QuerySet[ListingDraft]:
        state = self.value()
        if state in DraftState.values:
            return queryset.filter(state=state)
        return queryset if state == "all" else queryset.filter(state__in=OPEN_DRAFT)


@console_admin(ListingDraft)
class ListingDraftAdmin(TransitionsMixin, ReadOnlyModelAdmin):
    """A worklist: drafts of listings by state."""

    program_path = "offer__program"
    read_operation = "catalog.read"
    change_operation = "catalog.edit"
    transitions = DRAFT_TRANSITIONS
    transition_key = "draft_id"
    change_state = change_draft_state
    list_display = ["offer", "title", "state_shown", "partner", "edited_at"]
    list_filter = [DraftStateFilter]
    list_select_related = ["offer__partner", "offer__program", "listing"]
    search_fields = ["title", "offer__external_id", "offer__partner__name"]
    ordering = ["-edited_at", "-id"]
    fields = [
        "offer_link",
        "state_shown",
        "title",
        "text_shown",
        "picture",
        "terms_shown",
        "based_on_shown",
        "edited_at",
        "edited_by_name",
    ]
    intro = "The next versions of listings. Members see nothing of them before somebody who may publish has published them."
    empty_text = "Nobody works on a listing. Begin on the page of an offer."

    def buttons(self, request: HttpRequest, row: ListingDraft) -> list[Button]:
        buttons = []
        if row.state == DraftState.DRAFT and allowed(request, "catalog.edit"):
            buttons.append(Button("Edit…", reverse("admin:offers_offer_listing", args=[row.offer_id])))
        if row.state in OPEN_DRAFT:
            preview = reverse("admin:offers_offer_preview_listing", args=[row.offer_id])
            buttons.append(Button("Preview", f"{preview}?version={DRAFT}"))
            newest = list_listings(row.offer_id).first()
            if newest is not None:
                compare = reverse("admin:offers_offer_compare_listing", args=[row.offer_id])
                buttons.append(Button(f"Compare with version {newest.number}", f"{compare}?from={newest.number}&to={DRAFT}"))
        return [*buttons, *self.transition_buttons(request, row)]

    def tables(self, request: HttpRequest, row: ListingDraft) -> list[Table]:
        return [
            make_log(
                list_draft_transitions(row.pk)[:50], dict(DraftState.choices), DRAFT_TRANSITIONS, title="How its state came about"
            )
        ]

    def offer_link(self, row: ListingDraft) -> SafeString:
        return link(url_of(row.offer), f"{row.offer} of {row.offer.partner}")

    offer_link.short_description = "offer"  # type: ignore[attr-defined]

    def partner(self, row: ListingDraft) -> str:
        return str(row.offer.partner)

    def state_shown(self, row: ListingDraft) -> SafeString:
        return badge(row.get_state_display(), TONES[DraftState(row.state)])

    state_shown.short_description = "state"  # type: ignore[attr-defined]

    def text_shown(self, row: ListingDraft) -> SafeString:
        return show_words(row.text)

    text_shown.short_description = "text"  # type: ignore[attr-defined]

    def picture(self, row: ListingDraft) -> SafeString:
        return show_words(row.creative_url)

    picture.short_description = "picture or film"  # type: ignore[attr-defined]

    def terms_shown(self, row: ListingDraft) -> SafeString:
        return show_words(row.terms)

    terms_shown.short_description = "terms"  # type: ignore[attr-defined]

    def based_on_shown(self, row: ListingDraft) -> SafeString | str:
        if row.listing is not None:
            return f"It became version {row.listing.number}."
        return f"Version {row.based_on}" if row.based_on else NO_DATA

    based_on_shown.short_description = "version before it"  # type: ignore[attr-defined]

    def edited_by_name(self, row: ListingDraft) -> str:
        return names_of([row.edited_by])[row.edited_by]

    edited_by_name.short_description = "edited by"  # type: ignore[attr-defined]
