"""Letters to partners: who was written to, whether their link still works, and what they answered."""

from typing import Any, ClassVar

from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from partners.models import Partner
from plum_site.lib.admin import Button, ReadOnlyModelAdmin, allowed, console_admin, go, person_of, try_to, url_of
from plum_site.lib.clock import now
from plum_site.lib.models import Outbox
from plum_site.lib.present import Table, badge, count, instant, link
from reviews.admin.reports import show_message_state
from reviews.models import CorrectiveAction, PartnerLink
from reviews.selectors.letters import list_partner_answers
from reviews.services.actions import renew_letter, withdraw_letter

LAST_ANSWERS = 10


def show_link_state(row: PartnerLink) -> SafeString:
    """Whether the link that went out last still works."""
    return badge("Link works", "good") if row.expires_at > now() else badge("Link ended", "idle")


@console_admin(PartnerLink)
class PartnerLinkAdmin(ReadOnlyModelAdmin):
    """One row a letter: to one contact, about one action."""

    program_path = "action__program"
    read_operation = "review.read"
    list_display = ["letter", "partner", "about", "state_now", "made", "until", "answers_number"]
    list_select_related = ["action__partner", "contact"]
    search_fields = ["action__partner__name", "action__partner__external_id"]
    ordering = ["-sent_at", "-id"]
    fields: ClassVar[Any] = ["partner", "contact_shown", "about", "state_now", "made", "until", "version"]
    readonly_fields = ["partner", "contact_shown", "about", "state_now", "made", "until", "version"]
    intro = (
        "What was written to partners by corrective actions. Each letter carries a link to the partner's own card, by which it "
        "may answer; nobody needs a login for it."
    )
    empty_text = "Nobody was written to yet. A letter is sent by a corrective action: contact a partner."

    def get_queryset(self, request: HttpRequest) -> QuerySet[PartnerLink]:
        return super().get_queryset(request).annotate(answers_count=Count("answers"))

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("<int:pk>/renew/", self.renew, "renew", "action.approve"),
            self.act("<int:pk>/withdraw/", self.withdraw, "withdraw", "action.approve"),
            *super().get_urls(),
        ]

    def buttons(self, request: HttpRequest, row: PartnerLink) -> list[Button]:
        if not allowed(request, "action.approve"):
            return []
        buttons = []
        if row.contact is not None:
            asks = f"Send the letter to {row.contact.name} once more? The link that they have stops working."
            buttons.append(Button("Send again", reverse("admin:reviews_partnerlink_renew", args=[row.pk]), posts=True, asks=asks))
        if row.expires_at > now():
            asks = "Withdraw the link? Whoever has it can no longer open the card."
            url = reverse("admin:reviews_partnerlink_withdraw", args=[row.pk])
            buttons.append(Button("Withdraw the link", url, posts=True, asks=asks))
        return buttons

    def renew(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        row = self.row_or_404(request, pk)

        def act() -> str:
            renew_letter(link_id=row.pk, actor=person_of(request), at=now())
            return "Sent again, with a new link."

        try_to(request, act)
        return go(request, "reviews_partnerlink_change", pk)

    def withdraw(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        row = self.row_or_404(request, pk)

        def act() -> str:
            withdraw_letter(link_id=row.pk, actor=person_of(request), at=now())
            return "Withdrawn: the link no longer opens the card."

        try_to(request, act)
        return go(request, "reviews_partnerlink_change", pk)

    def tables(self, request: HttpRequest, row: PartnerLink) -> list[Table]:
        mails = Outbox.objects.filter(program_id=row.action.program_id, dedup_key__startswith=f"letter:{row.pk}:")
        sent = [
            [link(url_of(one), instant(one.created_at)), show_message_state(one), instant(one.sent_at)]
            for one in mails.defer("payload").order_by("-id")
        ]
        answers = [[instant(one.note.made_at), one.note.text] for one in row.answers.select_related("note").order_by("-id")]
        return [
            Table("Answers", ["When", "Answer"], answers, "No answer yet."),
            Table("Mails", ["Made", "State", "Sent"], sent, "None."),
        ]

    def letter(self, row: PartnerLink) -> SafeString:
        return link(url_of(row), str(row))

    def partner(self, row: PartnerLink) -> SafeString:
        return link(url_of(row.action.partner), row.action.partner.name)

    partner.admin_order_field = "action__partner__name"  # type: ignore[attr-defined]

    def contact_shown(self, row: PartnerLink) -> str:
        return str(row.contact) if row.contact else "was deleted"

    contact_shown.short_description = "contact"  # type: ignore[attr-defined]

    def about(self, row: PartnerLink) -> str:
        return str(row.action.params.get("subject", ""))

    def state_now(self, row: PartnerLink) -> SafeString:
        return show_link_state(row)

    state_now.short_description = "link"  # type: ignore[attr-defined]

    def made(self, row: PartnerLink) -> SafeString | str:
        return instant(row.sent_at)

    made.admin_order_field = "sent_at"  # type: ignore[attr-defined]

    def until(self, row: PartnerLink) -> SafeString | str:
        return instant(row.expires_at)

    def answers_number(self, row: PartnerLink) -> SafeString | str:
        return count(getattr(row, "answers_count", 0))

    answers_number.short_description = "answers"  # type: ignore[attr-defined]


def make_letters(action: CorrectiveAction) -> Table | None:
    """The letters of one action, for its page; None where it sent none."""
    rows = [
        [link(url_of(row), str(row)), show_link_state(row), instant(row.expires_at), count(row.answers.count())]
        for row in action.partner_links.select_related("contact").order_by("id")
    ]
    headers = ["Letter", "Link", "Works until", "Answers"]
    return Table("Letters", headers, rows, numeric=frozenset({3})) if rows else None


def make_answers(partner: Partner) -> Table | None:
    """What a partner answered to letters, the newest first; None where it answered nothing."""
    answers = list_partner_answers(partner.pk).select_related("note__action", "link")[:LAST_ANSWERS]
    rows = [
        [instant(one.note.made_at), link(url_of(one.link), one.note.action.params.get("subject", "")), one.note.text]
        for one in answers
    ]
    return Table("What it answered", ["When", "To", "Answer"], rows) if rows else None
