"""The order of the catalog: revisions, a page to write the next one, and undo."""

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from offers.forms import RankingForm
from offers.models import RankingRevision
from offers.selectors import list_newest_listings, list_offers, list_revisions, list_segments
from offers.services import save_ranking, undo_ranking
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
    try_to,
    url_of,
)
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.people import person_behind
from plum_site.lib.present import Table, badge, link


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
        buttons = []
        if allowed(request, "catalog.publish"):
            buttons = [Button("Write a new order", reverse("admin:offers_rankingrevision_order"), is_primary=True)]
        return super().changelist_view(request, {"buttons": buttons, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("order/", self.ask_order, "order", "catalog.publish", "GET"),
            self.act("order/save/", self.save_order, "save_order", "catalog.publish"),
            self.act("<int:pk>/undo/", self.undo, "undo", "catalog.publish"),
            *super().get_urls(),
        ]

    def ask_order(self, request: HttpRequest, form: RankingForm | None = None) -> HttpResponse:
        """The order in force as lines to be moved."""
        program = program_of(request)
        segment_id = int(request.GET["segment"]) if request.GET.get("segment", "").isdecimal() else None
        return show(
            request,
            "plum/ask.html",
            title="Write a new order",
            intro="Move lines, then save. It becomes the next revision and can be undone with one click.",
            form=form or self.order_form(program.pk, segment_id),
            action=reverse("admin:offers_rankingrevision_save_order"),
            submit="Save the order",
            back_url=reverse("admin:offers_rankingrevision_changelist"),
            back_label="Rankings",
            opts=self.opts,
        )

    def order_form(self, program_id: int, segment_id: int | None = None, data: Any = None) -> RankingForm:
        """Filled with the order in force: of the segment if it has one, else of everyone."""
        newest = list_revisions(program_id, segment_id).first() or list_revisions(program_id).first()
        order = newest.offer_ids if newest else []
        titles = {listing.offer_id: listing.title for listing in list_newest_listings(program_id)} if data is None else {}
        ids = dict(list_offers(program_id).values_list("id", "external_id")) if data is None else {}
        places = {pk: place for place, pk in enumerate(order)}
        lines = [f"{ids[pk]}  {titles.get(pk, '')}" for pk in sorted(ids, key=lambda pk: (places.get(pk, len(places)), ids[pk]))]
        form = RankingForm(data, initial={"segment": segment_id, "offers": "\n".join(lines)})
        field: Any = form.fields["segment"]
        field.queryset = list_segments(program_id)
        return form

    def save_order(self, request: HttpRequest) -> HttpResponse:
        """One service call; unknown ids are named beside the field."""
        program = program_of(request)
        form = self.order_form(program.pk, data=request.POST)
        if not form.is_valid():
            return self.ask_order(request, form)
        ids = dict(list_offers(program.pk).values_list("external_id", "id"))
        wanted = form.external_ids()
        try:
            unknown = [name for name in wanted if name not in ids]
            if unknown:
                sentence = f"There is no offer {unknown[0]} in this program. Nothing was changed."
                raise InvalidInput("unknown_offer", sentence, {"offers": sentence})
            segment = form.cleaned_data["segment"]
            revision = save_ranking(
                program_id=program.pk,
                segment_id=segment.pk if segment else None,
                offer_ids=[ids[name] for name in wanted],
                actor=person_of(request),
                at=now(),
                comment=form.cleaned_data["comment"],
            )
        except DomainError as error:
            refuse(form, error)
            return self.ask_order(request, form)
        self.message_user(request, f"{revision} is in force.")
        return go(request, "offers_rankingrevision_change", revision.pk)

    def undo(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call: the order before this revision, as a new one."""
        revision = self.row_or_404(request, pk)

        def act() -> str:
            made = undo_ranking(revision_id=revision.pk, actor=person_of(request), at=now())
            return f"Revision {revision.number} was undone by revision {made.number}."

        try_to(request, act)
        return go(request, "offers_rankingrevision_changelist")

    def buttons(self, request: HttpRequest, row: RankingRevision) -> list[Button]:
        if row.number == 1 or not allowed(request, "catalog.publish"):
            return []
        asks = f"Put back the order from before revision {row.number}? It becomes a new revision."
        return [Button("Undo this revision", reverse("admin:offers_rankingrevision_undo", args=[row.pk]), posts=True, asks=asks)]

    def tables(self, request: HttpRequest, row: RankingRevision) -> list[Table]:
        shown = row.offer_ids[:200]
        offers = {offer.pk: offer for offer in list_offers(row.program_id).filter(pk__in=shown)}
        before = list_revisions(row.program_id, row.segment_id).filter(number=row.number - 1).first()
        places = {pk: place for place, pk in enumerate(before.offer_ids, 1)} if before else {}
        rows = [
            [
                str(place),
                link(url_of(offers[pk]), offers[pk]),
                offers[pk].partner.name,
                show_move(places.get(pk), place, bool(before)),
            ]
            for place, pk in enumerate(shown, 1)
            if pk in offers
        ]
        note = f"The first {len(shown)} of {len(row.offer_ids)}." if len(shown) < len(row.offer_ids) else ""
        return [Table("The order", ["Place", "Offer", "Partner", "Against the revision before"], rows, note=note)]

    def named(self, row: RankingRevision) -> SafeString:
        return link(url_of(row), f"Revision {row.number}")

    named.short_description = "revision"  # type: ignore[attr-defined]

    def who(self, row: RankingRevision) -> str:
        return str(row.segment or "Everyone")

    who.short_description = "for"  # type: ignore[attr-defined]

    def in_force(self, row: Any) -> SafeString:
        return badge("Replaced", "idle") if row.is_replaced else badge("In force", "good")


def show_move(before: int | None, place: int, has_before: bool) -> str:
    """How far an offer moved, in words and signs."""
    if not has_before:
        return ""
    if before is None:
        return "new"
    return "same" if before == place else f"▲ up {before - place}" if before > place else f"▼ down {place - before}"
