"""Partners and their categories."""

from typing import Any

from django import forms
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from partners.choices import PartnerState
from partners.models import Category, Partner
from partners.resources import PartnerResource
from partners.selectors import list_categories, list_contacts, list_contract_terms, list_transitions
from partners.services import change_partner_state, save_partner, set_partner_owner
from partners.workflow import SYSTEM_TRANSITIONS, TRANSITIONS
from plum_site.lib.admin import (
    Button,
    ReadOnlyModelAdmin,
    ServiceModelAdmin,
    SuggestInput,
    TablesMixin,
    TransitionsMixin,
    allowed,
    console_admin,
    go,
    make_log,
    person_of,
    program_of,
    show,
    try_to,
    url_of,
)
from plum_site.lib.clock import now
from plum_site.lib.models import RoleGrant, User
from plum_site.lib.present import Table, badge, day, link

TONES = {
    PartnerState.PROSPECT: "idle",
    PartnerState.ONBOARDING: "info",
    PartnerState.ACTIVE: "good",
    PartnerState.ON_NOTICE: "warn",
    PartnerState.IMPROVEMENT_PLAN: "warn",
    PartnerState.REPLACING: "bad",
    PartnerState.RETIRED: "idle",
    PartnerState.PAUSED: "idle",
    PartnerState.REJECTED: "idle",
}


class PartnerForm(forms.ModelForm):
    """What people may say of a partner; its state changes by transitions, its owner by a button."""

    category_code = forms.CharField(
        label="Category", max_length=100, help_text="Its peer group. A new one is made if you write a new one."
    )

    class Meta:
        model = Partner
        fields = ["external_id", "name", "country"]


class OwnerForm(forms.Form):
    """Who is told about flags."""

    owner = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Nobody")


@console_admin(Partner)
class PartnerAdmin(TablesMixin, TransitionsMixin, ServiceModelAdmin):
    """Partners, with what apps higher up add: the last 30 days, standing, flags and diagnosis."""

    read_operation = "catalog.read"
    add_operation = change_operation = "catalog.edit"
    transitions = TRANSITIONS
    transition_key = "partner_id"
    change_state = change_partner_state
    resource_classes = [PartnerResource]
    form = PartnerForm
    list_display = ["name", "state_now", "category", "country", "owner", "external_id"]
    leading = 2
    list_filter = ["state", "category", "country", "owner"]
    list_select_related = ["category", "owner"]
    search_fields = ["name", "external_id"]
    ordering = ["name", "id"]
    intro = "Who supplies the offers. Every one of them is reviewed every month."
    empty_text = "No partner yet. Import a table of partners, load a folder with load_program, or add one."

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # type: ignore[override]
        if obj is not None and not self.has_change_permission(request, obj):
            return ["external_id", "name", "category", "country", "state_now", "owner"]
        return ["external_id", "name", "category_code", "country", *(["state_now", "owner"] if obj else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["external_id", "state_now", "owner"] if obj else []

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form_class = super().get_form(request, obj, change, **kwargs)
        if "category_code" in form_class.base_fields:
            codes = [category.code for category in list_categories(program_of(request).pk)]
            form_class.base_fields["category_code"].widget = SuggestInput(codes)
            form_class.base_fields["category_code"].initial = obj.category.code if obj else ""
        return form_class

    def save_through(self, request: HttpRequest, row: Partner, form: Any, is_new: bool) -> Partner:
        given = form.cleaned_data
        partner, _ = save_partner(
            program_id=program_of(request).pk,
            external_id=given["external_id"] if is_new else row.external_id,
            name=given["name"],
            category=given["category_code"],
            country=given["country"],
            actor=person_of(request),
            at=now(),
            state=PartnerState.PROSPECT,
        )
        return partner

    def get_urls(self) -> list[URLPattern]:
        asks = self.act("<int:pk>/owner/", self.ask_owner, "owner", "catalog.edit", "GET")
        return [asks, self.act("<int:pk>/owner/save/", self.save_owner, "save_owner", "catalog.edit"), *super().get_urls()]

    def ask_owner(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Choose who is told about flags."""
        partner = self.row_or_404(request, pk)
        return show(
            request,
            "plum/ask.html",
            title=f"Owner of {partner}",
            intro="The owner is told about flags and is asked to decide in the monthly review.",
            form=self.owner_form(request, partner),
            action=reverse("admin:partners_partner_save_owner", args=[pk]),
            submit="Save",
            back_url=url_of(partner),
            back_label=partner.name,
            opts=self.opts,
        )

    def save_owner(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        partner = self.row_or_404(request, pk)
        form = self.owner_form(request, partner, request.POST)
        if not form.is_valid():
            return self.ask_owner(request, pk)

        def act() -> str:
            set_partner_owner(partner_id=partner.pk, owner=form.cleaned_data["owner"], actor=person_of(request), at=now())
            return f"The owner of {partner} is now {form.cleaned_data['owner'] or 'nobody'}."

        try_to(request, act)
        return go(request, "partners_partner_change", pk)

    def owner_form(self, request: HttpRequest, partner: Partner, data: Any = None) -> OwnerForm:
        """Only people with a role in this program can own one of its partners."""
        form = OwnerForm(data, initial={"owner": partner.owner})
        field: Any = form.fields["owner"]
        here = RoleGrant.objects.filter(program_id=partner.program_id).values("user_id")
        field.queryset = User.objects.filter(is_active=True, pk__in=here).order_by("username")
        return form

    def buttons(self, request: HttpRequest, row: Partner) -> list[Button]:
        own = []
        if allowed(request, "catalog.edit"):
            own = [
                Button("Add a contact", f"{reverse('admin:partners_contact_add')}?partner={row.pk}"),
                Button("Add contract terms", f"{reverse('admin:partners_contractterms_add')}?partner={row.pk}"),
                Button("Change the owner…", reverse("admin:partners_partner_owner", args=[row.pk])),
            ]
        return [*own, *self.transition_buttons(request, row)]

    def tables(self, request: HttpRequest, row: Partner) -> list[Table]:
        contacts = [
            [link(url_of(one), one.name), one.email, one.get_role_display(), one.language] for one in list_contacts(row.pk)
        ]
        terms = [
            [
                link(url_of(one), day(one.starts_date)),
                day(one.ends_date) if one.ends_date else "runs on",
                one.summary,
                f"{one.commission_percent} %" if one.commission_percent is not None else "",
                f"{one.notice_days} days",
            ]
            for one in list_contract_terms(row.pk)
        ]
        return [
            Table(
                "Contacts", ["Name", "E-mail", "Written to about", "Language"], contacts, "Nobody is known at this partner yet."
            ),
            Table(
                "Contract terms", ["From", "Until", "What was agreed", "Commission", "Notice"], terms, "No terms are recorded."
            ),
            make_log(
                list_transitions(row.pk)[:50],
                dict(PartnerState.choices),
                TRANSITIONS,
                SYSTEM_TRANSITIONS,
                title="How its state came about",
            ),
        ]

    def state_now(self, row: Partner) -> SafeString:
        return badge(row.get_state_display(), TONES[PartnerState(row.state)])

    state_now.short_description = "state"  # type: ignore[attr-defined]
    state_now.admin_order_field = "state"  # type: ignore[attr-defined]


@console_admin(Category)
class CategoryAdmin(ReadOnlyModelAdmin):
    """Peer groups. They are made with the partners that name them."""

    read_operation = "catalog.read"
    list_display = ["code", "partners"]
    search_fields = ["code"]
    ordering = ["code", "id"]
    intro = "A partner is compared with the others of its category. A category is made when a partner names it."
    empty_text = "No category yet: they come with the partners."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        return super().get_queryset(request).annotate(partner_count=Count("partners"))

    def partners(self, row: Any) -> SafeString:
        return link(f"{reverse('admin:partners_partner_changelist')}?category__id__exact={row.pk}", row.partner_count)

    partners.admin_order_field = "partner_count"  # type: ignore[attr-defined]
