"""Contacts at partners, and what was agreed with them."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse

from partners.models import Contact, ContractTerms
from partners.services import delete_contact, save_contact, save_contract_terms
from plum_site.lib.admin import Button, ServiceModelAdmin, allowed, console_admin, go, person_of, try_to
from plum_site.lib.clock import now


class OfPartnerAdmin(ServiceModelAdmin):
    """Rows that belong to a partner and stay with it."""

    program_path = "partner__program"
    read_operation = "catalog.read"
    add_operation = change_operation = "catalog.edit"
    list_select_related = ["partner"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["partner"] if obj else []

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        self.message_user(request, f"{obj} was saved.")
        return go(request, "partners_partner_change", obj.partner_id)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return self.response_add(request, obj)


class ContactForm(forms.ModelForm):
    """A person at a partner."""

    class Meta:
        model = Contact
        fields = ["partner", "name", "email", "role", "language"]


@console_admin(Contact)
class ContactAdmin(OfPartnerAdmin):
    """People at partners."""

    form = ContactForm
    list_display = ["name", "email", "partner", "role", "language"]
    list_filter = ["role"]
    search_fields = ["name", "email", "partner__name"]
    ordering = ["name", "id"]
    intro = "Whom to write to at a partner. Delete people who have left."

    def save_through(self, request: HttpRequest, row: Contact, form: Any, is_new: bool) -> Contact:
        given = form.cleaned_data
        return save_contact(
            partner_id=given["partner"].pk if is_new else row.partner_id,
            name=given["name"],
            email=given["email"],
            role=given["role"],
            language=given["language"],
            contact_id=None if is_new else row.pk,
            actor=person_of(request),
            at=now(),
        )

    def buttons(self, request: HttpRequest, row: Contact) -> list[Button]:
        if not allowed(request, "catalog.edit"):
            return []
        asks = f"Delete {row.name}? Only the audit log will know that there was such a contact."
        return [Button("Delete", reverse("admin:partners_contact_remove", args=[row.pk]), posts=True, asks=asks)]

    def get_urls(self) -> list[URLPattern]:
        return [self.act("<int:pk>/remove/", self.remove, "remove", "catalog.edit"), *super().get_urls()]

    def remove(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        contact = self.row_or_404(request, pk)

        def act() -> str:
            delete_contact(contact_id=contact.pk, actor=person_of(request), at=now())
            return f"{contact.name} was deleted."

        try_to(request, act)
        return go(request, "partners_partner_change", contact.partner_id)


class ContractTermsForm(forms.ModelForm):
    """What was agreed, from one day on."""

    class Meta:
        model = ContractTerms
        fields = ["partner", "starts_date", "ends_date", "summary", "commission_percent", "notice_days"]


@console_admin(ContractTerms)
class ContractTermsAdmin(OfPartnerAdmin):
    """What was agreed with partners; periods of one partner do not overlap."""

    form = ContractTermsForm
    list_display = ["partner", "starts_date", "ends_date", "summary", "commission_percent", "notice_days"]
    search_fields = ["partner__name", "summary"]
    ordering = ["-starts_date", "-id"]
    intro = "What was agreed with each partner, and from when to when."

    def save_through(self, request: HttpRequest, row: ContractTerms, form: Any, is_new: bool) -> ContractTerms:
        given = form.cleaned_data
        return save_contract_terms(
            partner_id=given["partner"].pk if is_new else row.partner_id,
            starts_date=given["starts_date"],
            ends_date=given["ends_date"],
            summary=given["summary"],
            commission_percent=given["commission_percent"],
            notice_days=given["notice_days"],
            terms_id=None if is_new else row.pk,
            actor=person_of(request),
            at=now(),
        )
