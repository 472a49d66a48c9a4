"""The pages about an offer's listing: the next version as a draft, two versions side by side, a preview, going back, terms."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from offers.forms import ListingForm, RestoreForm, TermsForm
from offers.models import Listing, ListingDraft, Offer
from offers.selectors import (
    compare_listings,
    creative_path,
    creative_url,
    find_draft,
    find_own_picture,
    get_listing,
    list_listings,
    list_terms,
    terms_on,
)
from offers.services import bring_creative, restore_listing, save_draft, set_terms
from plum_site.lib.admin import Button, ProgramModelAdmin, allowed, go, person_of, refuse, show, url_of
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.people import names_of
from plum_site.lib.periods import local_date
from plum_site.lib.present import NO_DATA, Table, as_written, badge, day, instant, link

Version = Listing | ListingDraft
FIELDS = {"title": "Title", "text": "Text", "creative_url": "Picture or film", "terms": "Terms"}
DRAFT = "draft"  # stands for a number in addresses


class ListingPages(ProgramModelAdmin):
    """Mixed into the admin of offers."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("<int:pk>/listing/", self.ask_listing, "listing", "catalog.edit", "GET"),
            self.act("<int:pk>/listing/save/", self.save_listing, "save_listing", "catalog.edit"),
            self.act("<int:pk>/listing/preview/", self.preview_listing, "preview_listing", "catalog.read", "GET"),
            self.act("<int:pk>/listing/compare/", self.compare_listing, "compare_listing", "catalog.read", "GET"),
            self.act("<int:pk>/listing/restore/", self.ask_restore, "ask_restore", "catalog.publish", "GET"),
            self.act("<int:pk>/listing/restored/", self.restore_listing, "restore_listing", "catalog.publish"),
            self.act("<int:pk>/terms/", self.ask_terms, "terms", "catalog.publish", "GET"),
            self.act("<int:pk>/terms/save/", self.save_terms, "save_terms", "catalog.publish"),
            *super().get_urls(),
        ]

    def ask_listing(self, request: HttpRequest, pk: int, form: ListingForm | None = None) -> HttpResponse:
        """Write the next version, or go on with the draft that there is."""
        offer = self.row_or_404(request, pk)
        newest, draft = list_listings(offer.pk).first(), find_draft(offer.pk)
        initial = {name: getattr(draft or newest, name, "") for name in FIELDS}
        if draft is None:
            terms = terms_on(offer.pk, self.today(offer))
            initial["terms"] = terms.text if terms else ""
        intro = "Members see nothing of a draft. Once it is reviewed and published, it is the next version; earlier ones stay."
        if draft is not None and newest is not None and draft.based_on < newest.number:
            intro = f"Version {newest.number} was published since this draft was saved. Look at both; saving takes note of it."
        return show(
            request,
            "plum/ask.html",
            title=f"Draft of version {newest.number + 1 if newest else 1} of {offer}",
            intro=intro,
            form=form or ListingForm(initial=initial),
            action=reverse("admin:offers_offer_save_listing", args=[pk]),
            submit="Save the draft",
            back_url=url_of(offer),
            back_label=str(offer),
            opts=self.opts,
        )

    def save_listing(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The picture first, where one was brought; then one service call."""
        offer, form = self.row_or_404(request, pk), ListingForm(request.POST, request.FILES)
        if not form.is_valid():
            return self.ask_listing(request, pk, form)
        given = dict(form.cleaned_data)
        picture = given.pop("picture")
        try:
            if picture is not None:
                content = picture.read()
                creative = bring_creative(program_id=offer.program_id, content=content, actor=person_of(request), at=now())
                given["creative_url"] = creative_url(creative)
            draft, _ = save_draft(offer_id=offer.pk, actor=person_of(request), at=now(), **given)
        except DomainError as error:
            refuse(form, error)
            return self.ask_listing(request, pk, form)
        self.message_user(request, "The draft was saved. Submit it for review when it reads as it should.")
        return go(request, "offers_listingdraft_change", draft.pk)

    def preview_listing(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One version, or the draft, as a member would read it."""
        offer = self.row_or_404(request, pk)
        shown = self.find_version(offer, request.GET.get("version", ""))
        name = find_own_picture(shown.creative_url)
        return show(
            request,
            "offers/preview.html",
            title=f"{say_version(shown)} of {offer}, as a member reads it",
            intro="Members' apps may lay it out differently; the words and the picture are these.",
            shown=shown,
            picture=creative_path(name) if name else "",
            back_url=url_of(offer),
            back_label=str(offer),
            opts=self.opts,
        )

    def compare_listing(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Two versions side by side."""
        offer = self.row_or_404(request, pk)
        first = self.find_version(offer, request.GET.get("from", ""))
        second = self.find_version(offer, request.GET.get("to", ""))
        rows = [
            [
                FIELDS[one.field],
                show_words(one.first),
                show_words(one.second),
                badge("Differs", "warn") if one.differs else "the same",
            ]
            for one in compare_listings(first, second)
        ]
        buttons = []
        newest = list_listings(offer.pk).first()
        if newest is not None and isinstance(first, Listing) and first != newest and allowed(request, "catalog.publish"):
            address = reverse("admin:offers_offer_ask_restore", args=[pk])
            buttons = [Button(f"Publish version {first.number} again…", f"{address}?version={first.number}")]
        return show(
            request,
            "plum/page.html",
            title=f"{say_version(first)} and {say_version(second).lower()} of {offer}",
            tables=[Table("", ["Field", say_version(first), say_version(second), ""], rows)],
            buttons=buttons,
            back_url=url_of(offer),
            back_label=str(offer),
            opts=self.opts,
        )

    def ask_restore(self, request: HttpRequest, pk: int, form: RestoreForm | None = None) -> HttpResponse:
        """Ask why an earlier version is to be read again."""
        offer, newest = self.row_or_404(request, pk), list_listings(pk).first()
        number = (form.data if form else request.GET).get("version", "")
        earlier = self.find_version(offer, number)
        if newest is None or not isinstance(earlier, Listing):
            raise Http404("Only a version that was published can be published again.")
        return show(
            request,
            "plum/ask.html",
            title=f"Publish version {earlier.number} of {offer} again",
            intro=f"It becomes version {newest.number + 1}; its terms hold from today on. The versions between stay.",
            form=form or RestoreForm(initial={"version": earlier.number, "replaces": newest.number}),
            action=reverse("admin:offers_offer_restore_listing", args=[pk]),
            submit="Publish again",
            back_url=url_of(offer),
            back_label=str(offer),
            opts=self.opts,
        )

    def restore_listing(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        offer, form = self.row_or_404(request, pk), RestoreForm(request.POST)
        if not form.is_valid():
            return go(request, "offers_offer_change", pk)
        given = form.cleaned_data
        earlier = self.find_version(offer, str(given["version"]))
        try:
            listing = restore_listing(
                offer_id=offer.pk,
                listing_id=earlier.pk,
                replaces=given["replaces"],
                comment=given["comment"],
                actor=person_of(request),
                at=now(),
            )
        except DomainError as error:
            refuse(form, error)
            return self.ask_restore(request, pk, form)
        self.message_user(request, f"Version {listing.number} is what members read now.")
        return go(request, "offers_offer_change", pk)

    def ask_terms(self, request: HttpRequest, pk: int, form: TermsForm | None = None) -> HttpResponse:
        """Write terms for a day on."""
        offer = self.row_or_404(request, pk)
        today = self.today(offer)
        terms = terms_on(offer.pk, today)
        return show(
            request,
            "plum/ask.html",
            title=f"Terms of {offer}",
            intro="They hold from the day you name, today or later. What held on days that are over never changes.",
            form=form or TermsForm(initial={"text": terms.text if terms else "", "starts_date": today}),
            action=reverse("admin:offers_offer_save_terms", args=[pk]),
            submit="Save",
            back_url=url_of(offer),
            back_label=str(offer),
            opts=self.opts,
        )

    def save_terms(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        offer, form = self.row_or_404(request, pk), TermsForm(request.POST)
        if not form.is_valid():
            return self.ask_terms(request, pk, form)
        try:
            terms = set_terms(offer_id=offer.pk, actor=person_of(request), at=now(), **form.cleaned_data)
        except DomainError as error:
            refuse(form, error)
            return self.ask_terms(request, pk, form)
        since = day(terms.starts_date) if terms.starts_date else "the beginning"
        self.message_user(request, f"These terms of {offer} hold from {since} on.")
        return go(request, "offers_offer_change", pk)

    def today(self, offer: Offer) -> Any:
        """The program day."""
        return local_date(now(), offer.program.time_zone)

    def find_version(self, offer: Offer, number: str) -> Version:
        """A version by its number, the draft by its name, the newest by default; 404 for one that there is not."""
        found: Version | None
        if number == DRAFT:
            found = find_draft(offer.pk)
        elif number:
            found = get_listing(offer.pk, int(number)) if number.isascii() and number.isdigit() and len(number) < 10 else None
        else:
            found = list_listings(offer.pk).first()
        if found is None:
            raise Http404("There is no such version of this listing.")
        return found

    def listing_buttons(self, request: HttpRequest, row: Offer) -> list[Button]:
        """What can be done about the listing."""
        buttons = []
        draft = find_draft(row.pk)
        if draft is not None:
            buttons.append(Button("Look at the draft…", url_of(draft)))
        elif allowed(request, "catalog.edit"):
            buttons.append(Button("Draft a new listing…", reverse("admin:offers_offer_listing", args=[row.pk])))
        if row.listings.exists():
            buttons.append(Button("Preview", reverse("admin:offers_offer_preview_listing", args=[row.pk])))
        if allowed(request, "catalog.publish"):
            buttons.append(Button("Change the terms…", reverse("admin:offers_offer_terms", args=[row.pk])))
        return buttons

    def listing_tables(self, row: Offer) -> list[Table]:
        """Every version, and the terms by day."""
        versions = list(list_listings(row.pk))
        terms = list(list_terms(row.pk))
        held = terms_on(row.pk, self.today(row))
        names = names_of([*(one.published_by for one in versions), *(one.made_by for one in terms)])
        newest = versions[0].number if versions else 0
        compare = reverse("admin:offers_offer_compare_listing", args=[row.pk])
        preview = reverse("admin:offers_offer_preview_listing", args=[row.pk])
        listings = [
            [
                str(one.number),
                badge("Published", "good") if one.number == newest else badge("Superseded", "idle"),
                link(f"{preview}?version={one.number}", one.title),
                one.text,
                instant(one.published_at),
                names[one.published_by],
                "" if one.number == newest else link(f"{compare}?from={one.number}&to={newest}", f"compare with {newest}"),
            ]
            for one in versions
        ]
        dated = [
            [
                day(one.starts_date) if one.starts_date else "the beginning",
                say_terms_state(one.pk, held.pk if held else 0, one.starts_date, self.today(row)),
                one.text or NO_DATA,
                instant(one.made_at),
                names[one.made_by],
            ]
            for one in terms
        ]
        return [
            Table(
                "Listing, newest version first",
                ["Version", "State", "Title", "Text", "Published", "By", ""],
                listings,
                "Nothing was published: members cannot see this offer.",
            ),
            Table("Terms, the latest day first", ["From", "State", "Terms", "Said", "By"], dated, "No terms were ever said."),
        ]


def say_version(version: Version) -> str:
    """What a version is called."""
    return f"Version {version.number}" if isinstance(version, Listing) else "Draft"


def say_terms_state(pk: int, held: int, starts_date: Any, today: Any) -> SafeString:
    """Whether terms hold today."""
    if pk == held:
        return badge("In force", "good")
    if starts_date is not None and starts_date > today:
        return badge("To come", "fair")
    return badge("Replaced", "idle")


def show_words(text: str) -> SafeString:
    """A text with its lines; a picture of ours as it looks, another address as a link."""
    name = find_own_picture(text)
    if name:
        return format_html(
            '<a href="{0}"><img class="plum-thumb" src="{0}" alt="The picture of this version"></a>', creative_path(name)
        )
    if text.startswith(("https://", "http://")) and " " not in text:
        return format_html('<a href="{}" rel="noreferrer">{}</a>', text, text)
    return as_written(text) if text else NO_DATA
