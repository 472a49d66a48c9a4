"""The console's site: the frame, the program switcher, the wall and the navigation around what the apps register."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.admin.sites import AdminSite
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_protect

from activity import admin as activity_admin
from exports import admin as exports_admin
from offers import admin as offers_admin
from partners import admin as partners_admin
from partners.models import Program
from partners.selectors import list_programs
from plum_site.console import audit, health, home, operations, people, programs, sign_in
from plum_site.console.programs import SESSION_KEY
from plum_site.lib.access import actor_of, may, programs_of
from plum_site.lib.admin import ADMINS, PAGES, Page, View, allowed, program_of, show
from plum_site.lib.errors import NotAllowed, NotFound
from reviews import admin as reviews_admin

# Importing them registers their lists and pages.
REGISTERED = (
    partners_admin,
    offers_admin,
    activity_admin,
    reviews_admin,
    audit,
    exports_admin,
    health,
    home,
    operations,
    people,
    programs,
)

# The navigation: a heading, and the lists and pages (by URL name) under it, in the order of a working day.
GROUPS = (
    (
        "Reviews",
        (
            "reviews.ReviewCycle",
            "reviews.Scorecard",
            "reviews.FlagCase",
            "reviews.CorrectiveAction",
            "reviews.Replacement",
            "reviews_correctiveaction_verdicts",
            "compare_partners",
            "reviews.PartnerLink",
            "reviews.DataGap",
            "reviews.Restatement",
            "reviews.Rule",
            "reviews.ReviewPolicy",
            "action_playbook",
            "ladder",
            "action_approvals",
            "reviews.Subscription",
        ),
    ),
    (
        "Catalog",
        (
            "partners.Partner",
            "offers.Offer",
            "ranking_order",
            "offers.RankingRevision",
            "offers.Segment",
            "partners.Category",
        ),
    ),
    (
        "Activity",
        (
            "activity_dashboard",
            "activity.Event",
            "activity.Member",
            "activity.Import",
            "activity.EventSource",
            "activity_outcomes",
            "activity.IngestBatch",
            "activity_quarantine",
            "activity_messages",
        ),
    ),
    ("Data", ("exports.Export", "exports.WebhookEndpoint", "exports.WebhookDelivery")),
    ("Program", ("partners.Program", "plum.RoleGrant", "plum.User", "plum.ApiToken")),
    ("Operations", ("plum.Job", "plum.Outbox", "plum.AuditEvent", "activity.Seal", "health")),
)
UNUSED = {"autocomplete", "view_on_site"}
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class ConsoleSite(AdminSite):
    """Django's admin, with a program around every request."""

    site_header = "Plum"
    site_title = "Plum"
    index_title = "Home"
    site_url = None
    login_form = sign_in.SignInForm
    login_template = "plum/sign_in.html"
    enable_nav_sidebar = True
    final_catch_all_view = False

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """As Django's; 429 with Retry-After where too many passwords were wrong."""
        response = super().login(request, extra_context)
        form = response.context_data["form"] if isinstance(response, TemplateResponse) and response.context_data else None
        if form is not None and form.has_error(NON_FIELD_ERRORS, "too_many"):
            response.status_code = 429
            response.headers["Retry-After"] = str(form.errors.as_data()[NON_FIELD_ERRORS][0].params["seconds"])
        return response

    def has_permission(self, request: HttpRequest) -> bool:
        """Whoever may do anything in any program."""
        actor = actor_of(request)
        return request.user.is_active and (actor.is_operator or bool(actor.roles))

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        inner = super().admin_view(in_program(view), cacheable)
        for name in ("operation", "method"):
            if hasattr(view, name):
                setattr(inner, name, getattr(view, name))
        return inner

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        context["may_create_program"] = may(actor_of(request), "program.create", None)
        program = program_of(request)
        if program is not None:
            context |= {"program": program, "programs": request.programs}  # type: ignore[attr-defined]
        else:
            context["is_nav_sidebar_enabled"] = False  # there is nothing to navigate to yet
        return context

    def get_urls(self) -> list[URLPattern | URLResolver]:
        pages = [path(page.address, self.admin_view(page.view), name=page.name) for page in PAGES]
        own = [
            path("program/", as_post(self.admin_view(switch_program)), name="switch_program"),
            path("sign-in/<str:token>/", sign_in.sign_in_by_link, name="sign_in_by_link"),
        ]
        return [*own, *pages, *(url for url in super().get_urls() if getattr(url, "name", "") not in UNUSED)]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        if app_label is not None:
            return super().get_app_list(request, app_label)
        entries = {
            model["model"]._meta.label: {
                **model,
                "add_url": None,
                "is_current": request.path.startswith(model["admin_url"] or "-"),
            }
            for app in self._build_app_dict(request).values()
            for model in app["models"]
        }
        for page in PAGES:
            if page.title and allowed(request, page.operation):
                entries[page.name] = describe_page(page, request)
        groups = []
        for heading, labels in GROUPS:
            models = [entries[label] for label in labels if label in entries]
            if models:
                url = f"{reverse('admin:index')}#{heading.lower()}"
                groups.append(
                    {"name": heading, "app_label": heading.lower(), "app_url": url, "has_module_perms": True, "models": models}
                )
        return groups

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        return home.show_home(request)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """As Django's, with a form that saves through the service."""
        context = {**self.each_context(request), **(extra_context or {})}
        done = reverse("admin:password_change_done")
        view = PasswordChangeView.as_view(
            form_class=people.PasswordForm,
            success_url=done,
            extra_context=context,
            template_name="registration/password_change_form.html",
        )
        return view(request)


def describe_page(page: Page, request: HttpRequest) -> dict[str, Any]:
    """A page as the navigation wants an entry; its address begins those of lists, so that it says itself where one is."""
    url = reverse(f"admin:{page.name}")
    return {"name": page.title, "object_name": page.name, "admin_url": url, "is_current": request.path == url}


def in_program(view: View) -> View:
    """`view` with the program of the session on the request, in its time zone; domain refusals become 404 and 403."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        request.console = site  # type: ignore[attr-defined]
        request.programs = list(list_programs().filter(pk__in=programs_of(actor_of(request))))  # type: ignore[attr-defined]
        request.program = choose_program(request)  # type: ignore[attr-defined]
        zone = ZoneInfo(request.program.time_zone if request.program else "UTC")  # type: ignore[attr-defined]
        try:
            with timezone.override(zone):
                return answer(request, view, *args, **kwargs)
        except NotFound as error:
            raise Http404(error.detail) from error
        except NotAllowed as error:
            raise PermissionDenied(error.detail) from error

    return inner


def answer(request: HttpRequest, view: View, *args: Any, **kwargs: Any) -> HttpResponse:
    """The rendered answer; a GET that would write is a bug and fails, unless the view says that it logs the reading."""
    if request.method != "GET" or getattr(view, "logs_reading", False):
        return rendered(view(request, *args, **kwargs))
    with connection.execute_wrapper(refuse_writes):
        return rendered(view(request, *args, **kwargs))


def rendered(response: HttpResponse) -> HttpResponse:
    """Render now, while the program's time zone is in force."""
    return response.render() if isinstance(response, TemplateResponse) and not response.is_rendered else response


def refuse_writes(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """A database wrapper under which nothing is written."""
    if sql.lstrip().upper().startswith(WRITES):
        raise RuntimeError(f"A page that is only read tried to write: {sql[:80]}")
    return execute(sql, params, many, context)


def choose_program(request: HttpRequest) -> Program | None:
    """The program of the session if the person still has a role in it, else their first."""
    programs: list[Program] = request.programs  # type: ignore[attr-defined]
    wanted = request.session.get(SESSION_KEY)
    return next((program for program in programs if program.pk == wanted), programs[0] if programs else None)


def as_post(view: Any) -> Any:
    """Mark a view as one that takes POST alone, open to whoever signed in: permissions.yaml lists it so."""
    view.method, view.operation = "POST", "console.open"
    return view


@csrf_protect
def switch_program(request: HttpRequest) -> HttpResponse:
    """Keep another program in the session and show its home; a program without a role in it is an unknown one."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    wanted = request.POST.get("program", "")
    offered = {str(program.pk) for program in request.programs}  # type: ignore[attr-defined]
    if wanted not in offered:
        raise Http404("There is no such program.")
    request.session[SESSION_KEY] = int(wanted)
    return HttpResponseRedirect(reverse("admin:index"))


def safe_next(request: HttpRequest) -> str:
    """Where to go after signing in: `next` if it is an address of ours, else home."""
    target = request.GET.get("next", "")
    fits = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return target if fits else reverse("admin:index")


site = ConsoleSite(name="admin")
for model, admin_class in ADMINS.items():
    site.register(model, admin_class)

__all__ = ["REGISTERED", "ConsoleSite", "show", "site"]
