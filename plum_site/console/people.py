"""People, roles and API tokens of one program."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from plum_site.lib import people
from plum_site.lib.access import actor_of
from plum_site.lib.admin import (
    Button,
    ServiceModelAdmin,
    allowed,
    console_admin,
    go,
    person_of,
    program_of,
    show,
    try_to,
)
from plum_site.lib.choices import Role, Scope
from plum_site.lib.clock import now
from plum_site.lib.models import ApiToken, RoleGrant, User
from plum_site.lib.present import Table, badge, instant, words
from plum_site.lib.tokens import create_token, is_usable, revoke_token


class PasswordForm(AdminPasswordChangeForm):
    """One's own new password, stored by the service, so that the audit log knows."""

    def save(self, commit: bool = True) -> User:
        password = self.cleaned_data["new_password1"]
        user = people.change_password(user_id=self.user.pk, password=password, actor=self.user, at=now())
        self.user.password = user.password  # the session is renewed from this
        return user


class InviteForm(forms.ModelForm):
    """A new person and their first role."""

    role = forms.ChoiceField(choices=Role.choices, help_text="What they may do in this program. More roles can be granted later.")

    class Meta:
        model = User
        fields = ["username", "email", "first_name", "last_name"]


class PersonForm(forms.ModelForm):
    """What an operator may change of a person."""

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email", "is_active"]


@console_admin(User)
class UserAdmin(ServiceModelAdmin):
    """People with a role in the program. A person may work in several programs, so only operators change them."""

    program_path = ""
    read_operation = "people.read"
    add_operation = "people.manage"
    change_operation = "people.edit"
    list_display = ["username", "full_name", "email", "roles_here", "active", "signed_in_at"]
    search_fields = ["username", "first_name", "last_name", "email"]
    ordering = ["username", "id"]
    intro = "Who may work in this program. Their rights come from roles; every change is in the audit log."

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        program = program_of(request)
        if program is None:
            return User.objects.none()
        here = RoleGrant.objects.filter(program_id=program.pk)
        everyone = User.objects.prefetch_related(Prefetch("role_grants", here))
        if actor_of(request).is_operator:
            return everyone
        return everyone.filter(pk__in=here.values("user_id"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if self.has_change_permission(request, obj) or obj is None:
            kwargs["form"] = PersonForm if obj else InviteForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # type: ignore[override]
        if obj is None:
            return ["username", "email", "first_name", "last_name", "role"]
        return ["username", "first_name", "last_name", "email", "is_active", "signed_in_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["username", "signed_in_at"] if obj else []

    def save_through(self, request: HttpRequest, row: User, form: Any, is_new: bool) -> User:
        given, actor, at = form.cleaned_data, person_of(request), now()
        if is_new:
            return people.invite_person(program_id=program_of(request).pk, actor=actor, at=at, **given)
        return people.update_person(user_id=row.pk, changes=given, actor=actor, at=at)

    def tables(self, request: HttpRequest, row: User) -> list[Table]:
        grants = RoleGrant.objects.filter(user=row, program_id=program_of(request).pk).select_related("granted_by").order_by("id")
        rows = [[grant.get_role_display(), instant(grant.granted_at), grant.granted_by or "system"] for grant in grants]
        empty = "No role here: they see nothing of this program."
        return [Table("Roles in this program", ["Role", "Since", "Granted by"], rows, empty)]

    def buttons(self, request: HttpRequest, row: User) -> list[Button]:
        if not allowed(request, "people.manage"):
            return []
        return [Button("Grant a role", f"{reverse('admin:plum_rolegrant_add')}?user={row.pk}")]

    def full_name(self, row: User) -> str:
        return row.get_full_name()

    def roles_here(self, row: User) -> str:
        roles = sorted({grant.get_role_display() for grant in row.role_grants.all()})
        return words(roles, empty="operator" if row.is_superuser else "none")

    roles_here.short_description = "roles"  # type: ignore[attr-defined]

    def active(self, row: User) -> SafeString:
        return badge("May sign in", "good") if row.is_active else badge("Locked", "idle")

    def signed_in_at(self, row: User) -> SafeString | str:
        return instant(row.last_login) if row.last_login else "never"

    signed_in_at.short_description = "last signed in"  # type: ignore[attr-defined]


class GrantForm(forms.ModelForm):
    """A person and a role."""

    class Meta:
        model = RoleGrant
        fields = ["user", "role"]


@console_admin(RoleGrant)
class RoleGrantAdmin(ServiceModelAdmin):
    """Who holds which role. A grant is made or taken away, never changed."""

    program_path = "program_id"
    read_operation = "people.read"
    add_operation = "people.manage"
    form = GrantForm
    list_display = ["user", "role", "granted_at", "granted_by"]
    list_filter = ["role"]
    search_fields = ["user__username"]
    list_select_related = ["user", "granted_by"]
    ordering = ["user__username", "id"]
    intro = "A role is given for this program alone. Nobody changes their own."

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # type: ignore[override]
        return ["user", "role", "granted_at", "granted_by"] if obj else ["user", "role"]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":  # people of this program; an operator may bring in anyone
            everyone = self.admin_site._registry[User].get_queryset(request)
            kwargs["queryset"] = everyone.filter(is_active=True).order_by("username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_through(self, request: HttpRequest, row: RoleGrant, form: Any, is_new: bool) -> RoleGrant:
        given = form.cleaned_data
        return people.grant_role(
            program_id=program_of(request).pk, user_id=given["user"].pk, role=given["role"], actor=person_of(request), at=now()
        )

    def buttons(self, request: HttpRequest, row: RoleGrant) -> list[Button]:
        if not allowed(request, "people.manage"):
            return []
        asks = f"Take the role {row.get_role_display()} away from {row.user}? It ends with their next click."
        return [Button("Take away", reverse("admin:plum_rolegrant_revoke", args=[row.pk]), posts=True, asks=asks)]

    def get_urls(self) -> list[URLPattern]:
        return [self.act("<int:pk>/revoke/", self.revoke, "revoke", "people.manage"), *super().get_urls()]

    def revoke(self, request: HttpRequest, pk: int) -> HttpResponse:
        grant = self.row_or_404(request, pk)
        name = f"{grant.user}: {grant.get_role_display()}"

        def act() -> str:
            people.revoke_role(grant_id=grant.pk, actor=person_of(request), at=now())
            return f"{name} was taken away."

        done = try_to(request, act)
        return go(request, "plum_rolegrant_changelist") if done else go(request, "plum_rolegrant_change", pk)


SOON_DAYS = 14


class TokenForm(forms.ModelForm):
    """A new token."""

    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text="Only what the system needs: whoever finds the token may do the same.",
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=365,
        initial=90,
        label="Lives for days",
        help_text="At most 365. Afterwards it is refused; make the next one before, and both work side by side.",
    )
    is_sandbox = forms.BooleanField(
        label="Sandbox",
        required=False,
        help_text="For trying out: events sent with it are checked and answered as if they counted, and then forgotten.",
    )

    class Meta:
        model = ApiToken
        fields = ["name", "scopes", "is_sandbox"]
        help_texts = {"name": "Which system uses it, so that people recognise it in lists and logs: Till, HR export, ..."}


@console_admin(ApiToken)
class ApiTokenAdmin(ServiceModelAdmin):
    """Machines' keys to this program."""

    program_path = "program_id"
    read_operation = "token.read"
    add_operation = "token.manage"
    list_display = ["name", "prefix", "state", "may", "purpose", "used", "expires_at"]
    list_filter = ["is_sandbox"]
    search_fields = ["name", "prefix"]
    list_select_related = ["created_by"]
    ordering = ["-id"]
    intro = "A token is shown once, when it is made. Only a digest of it is kept, so a lost token is replaced, not found."
    empty_text = "No token yet. A system that sends events or reads figures needs one."

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = TokenForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # type: ignore[override]
        if obj is None:
            return ["name", "scopes", "is_sandbox", "days"]
        return [
            "name",
            "prefix",
            "state",
            "may",
            "purpose",
            "created_at",
            "created_by",
            "expires_at",
            "used",
            "revoked_at",
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["state", "may", "purpose", "used"] if obj else []

    def save_through(self, request: HttpRequest, row: ApiToken, form: Any, is_new: bool) -> ApiToken:
        given, at = form.cleaned_data, now()
        token, secret = create_token(
            program_id=program_of(request).pk,
            name=given["name"],
            scopes=given["scopes"],
            is_sandbox=given["is_sandbox"],
            expires_at=at + timedelta(days=given["days"]),
            actor=person_of(request),
            at=at,
        )
        request.shown_once = secret  # type: ignore[attr-defined]
        return token

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """The one page that shows the secret; it is kept nowhere, so it cannot be opened again."""
        return show(
            request,
            "plum/token_made.html",
            title=f"Token {obj.name} was made",
            secret=request.shown_once,  # type: ignore[attr-defined]
            token=obj,
            inspect_url=request.build_absolute_uri(reverse("api:own_token")),
            back_url=reverse("admin:plum_apitoken_changelist"),
            opts=self.opts,
        )

    def buttons(self, request: HttpRequest, row: ApiToken) -> list[Button]:
        if row.revoked_at or not allowed(request, "token.manage"):
            return []
        asks = "Revoke this token? Whatever uses it stops working within seconds, and it cannot be undone."
        return [Button("Revoke", reverse("admin:plum_apitoken_revoke", args=[row.pk]), posts=True, asks=asks)]

    def get_urls(self) -> list[URLPattern]:
        return [self.act("<int:pk>/revoke/", self.revoke, "revoke", "token.manage"), *super().get_urls()]

    def revoke(self, request: HttpRequest, pk: int) -> HttpResponseRedirect:
        token = self.row_or_404(request, pk)

        def act() -> str:
            revoke_token(token_id=token.pk, actor=person_of(request), at=now())
            return f"The token {token.name} was revoked."

        try_to(request, act)
        return go(request, "plum_apitoken_change", pk)

    def state(self, row: ApiToken) -> SafeString:
        if row.revoked_at:
            return badge("Revoked", "idle")
        at = now()
        if not is_usable(row, at):
            return badge("Expired", "idle")
        days = (row.expires_at - at).days
        return badge(f"Ends in {days} days", "warn") if days < SOON_DAYS else badge("In force", "good")

    def purpose(self, row: ApiToken) -> SafeString:
        return badge("Sandbox: nothing counts", "info") if row.is_sandbox else badge("Counts", "good")

    purpose.short_description = "events"  # type: ignore[attr-defined]

    def used(self, row: ApiToken) -> SafeString | str:
        return instant(row.last_used_at) if row.last_used_at else "never"

    used.short_description = "last used"  # type: ignore[attr-defined]

    def may(self, row: ApiToken) -> str:
        return words(Scope(scope).label for scope in row.scopes)
