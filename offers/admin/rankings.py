"""The order of the catalog: its revisions, and what takes one back."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from offers.admin.ordering import address_of
from offers.admin.revisions import show_changes
from offers.models import RankingRevision
from offers.selectors import compare_revisions, list_offers, list_revisions
from offers.services import restore_ranking, undo_ranking
from plum_site.lib.admin import Button, ReadOnlyModelAdmin, allowed, console_admin, go, person_of, try_to, url_of
from plum_site.lib.clock import now
from plum_site.lib.people import person_behind
from plum_site.lib.present import Table, badge, link

SHOWN_OFFERS = 200


@console_admin(RankingRevision)
class RankingAdmin(ReadOnlyModelAdmin):
    """Every order that was in force, newest first."""

    read_operation = "catalog.read"
    list_display = ["named", "who", "in_force", "made_at", "made_by_shown", "comment"]
    list_filter = ["segment"]
    list_select_related = ["segment", "undoes"]
    ordering = ["-made_at", "-id"]
    fields = ["who", "number", "in_force", "undoes", "comment", "made_by_shown", "made_at"]
    readonly_fields = ["who", "in_force", "made_by_shown"]
    intro = "In which order members see offers. Every change is a revision that can be undone; nothing is overwritten."
    empty_text = "No order yet: offers follow their ids. Loading offers with ranks makes the first one."

    def get_queryset(self, request: HttpRequest) -> QuerySet[RankingRevision]:
        """With whether a later revision has replaced each."""
        whose = Coalesce("segment_id", 0)
        later = RankingRevision.objects.annotate(whose=whose).filter(
            program=OuterRef("program"), whose=Coalesce(OuterRef("segment_id"), 0), number__gt=OuterRef("number")
        )
        return super().get_queryset(request).annotate(is_replaced=Exists(later), person=person_behind("made_by"))

    def made_by_shown(self, row: Any) -> str:
        return row.person or row.made_by

    made_by_shown.short_description = "made by"  # type: ignore[attr-defined]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        buttons = [Button("Order of the catalog", reverse("admin:ranking_order"), is_primary=True)]
        return super().changelist_view(request, {"buttons": buttons, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("<int:pk>/undo/", self.undo, "undo", "catalog.publish"),
            self.act("<int:pk>/restore/", self.restore, "restore", "catalog.publish"),
            self.act("<int:pk>/end/", self.end, "end", "catalog.publish"),
            *super().get_urls(),
        ]

    def undo(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call: the order before this revision, as a new one."""
        revision = self.row_or_404(request, pk)

        def act() -> str:
            made = undo_ranking(revision_id=revision.pk, actor=person_of(request), at=now())
            return f"Revision {revision.number} was undone by revision {made.number}."

        try_to(request, act)
        return go(request, "offers_rankingrevision_changelist")

    def restore(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call: exactly what this revision said, as a new one."""
        revision = self.row_or_404(request, pk)
        return self.put_back(request, revision, revision.number, revision.is_ended)

    def end(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call: no such ranking any more, if this revision is still the one in force."""
        return self.put_back(request, self.row_or_404(request, pk), 0, True, replaces=True)

    def put_back(
        self, request: HttpRequest, revision: RankingRevision, number: int, is_ended: bool, *, replaces: bool = False
    ) -> HttpResponse:
        """What a revision said, in force again."""

        def act() -> str:
            made = restore_ranking(
                program_id=revision.program_id,
                segment_id=revision.segment_id,
                revision=number,
                replaces=revision.number if replaces else None,
                actor=person_of(request),
                at=now(),
            )
            return f"Revision {made.number} is in force: {'no ranking of its own' if is_ended else f'as revision {number} was'}."

        try_to(request, act)
        return HttpResponseRedirect(address_of(revision.segment))

    def buttons(self, request: HttpRequest, row: RankingRevision) -> list[Button]:
        newest = list_revisions(row.program_id, row.segment_id).first()
        query = urlencode({"segment": row.segment.code if row.segment else "", "before": row.number - 1, "after": row.number})
        buttons = [
            Button("Open this ranking", address_of(row.segment), is_primary=True),
            Button("Compare", f"{reverse('admin:ranking_compare')}?{query}"),
        ]
        if allowed(request, "catalog.publish"):
            asks = f"Put back what was before revision {row.number}? It becomes a new revision."
            undo = reverse("admin:offers_rankingrevision_undo", args=[row.pk])
            buttons.append(Button("Undo this revision", undo, posts=True, asks=asks))
            if newest is not None and newest.pk != row.pk:
                asks = f"Put back exactly what revision {row.number} said? Revision {newest.number} is in force until then."
                restore = reverse("admin:offers_rankingrevision_restore", args=[row.pk])
                buttons.append(Button("Put this revision back", restore, posts=True, asks=asks))
        return buttons

    def tables(self, request: HttpRequest, row: RankingRevision) -> list[Table]:
        before = list_revisions(row.program_id, row.segment_id).filter(number=row.number - 1).first()
        changes = show_changes(row.program_id, compare_revisions(before, row), "Against the revision before")
        shown = row.offer_ids[:SHOWN_OFFERS]
        offers = {offer.pk: offer for offer in list_offers(row.program_id).filter(pk__in=shown)}
        pins, hidden = row.pins, set(row.hidden)
        rows = [
            [str(place), link(url_of(offers[pk]), offers[pk]), offers[pk].partner.name, show_marks(pins.get(pk), pk in hidden)]
            for place, pk in enumerate(shown, 1)
            if pk in offers
        ]
        note = f"The first {len(shown)} of {len(row.offer_ids)}." if len(shown) < len(row.offer_ids) else ""
        empty = "No offer is named: there is no such ranking from here on."
        return [changes, Table("The order", ["Row", "Offer", "Partner", "Pinned or hidden"], rows, empty, note=note)]

    def named(self, row: RankingRevision) -> SafeString:
        return link(url_of(row), f"Revision {row.number}")

    named.short_description = "revision"  # type: ignore[attr-defined]

    def who(self, row: RankingRevision) -> str:
        return str(row.segment or "Everyone")

    who.short_description = "for"  # type: ignore[attr-defined]

    def in_force(self, row: Any) -> SafeString:
        if row.is_replaced:
            return badge("Replaced", "idle")
        return badge("Given up", "idle") if row.is_ended else badge("In force", "good")


def show_marks(place: int | None, is_hidden: bool) -> SafeString | str:
    """What is special about an offer in an order."""
    if is_hidden:
        return badge("Hidden", "bad")
    return badge(f"Pinned to {place}", "info") if place else ""
