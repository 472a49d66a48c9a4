"""The frame of the console's pages: the program around a request, who may, and how a page is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.admin.sites import AdminSite
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from plum_site.lib.access import actor_of, check, may
from plum_site.lib.errors import DomainError, NotAllowed
from plum_site.lib.models import User

View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class Page:
    """
    One page of the console that is not a list or a row: address, URL name, operation and view.

    title: what the navigation calls it; "" for a page that another one leads to.
    """

    address: str
    name: str
    operation: str
    view: View
    title: str = ""


@dataclass(frozen=True)
class Button:
    """One thing to do on a page: a link (`url` alone) or a POST (`posts`), with what is asked before."""

    label: str
    url: str
    posts: bool = False
    name: str = ""
    value: str = ""
    asks: str = ""
    is_primary: bool = False


PAGES: list[Page] = []


def page(
    address: str, *, name: str, operation: str, method: str = "GET", title: str = "", needs_program: bool = True
) -> Callable[[View], View]:
    """
    Register a view as a page of the console; it runs only for people who may do `operation` in the program.

    title: as in Page. needs_program: whether the page is about the current program; one that is not also opens while
    there is none.
    """

    def register(view: View) -> View:
        PAGES.append(Page(address, name, operation, guarded(view, operation, method, needs_program), title))
        return view

    return register


def guarded(view: View, operation: str, method: str = "GET", needs_program: bool = True) -> View:
    """`view` for one method, for people who may do `operation` in the current program; else 404, 403 or 405."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        program = program_of(request)
        if program is None and needs_program:
            raise Http404("No program")
        check(actor_of(request), operation, program.pk if needs_program else None)
        allowed = {"GET", "HEAD"} if method == "GET" else {method}
        if request.method not in allowed:
            return HttpResponse(status=405, headers={"Allow": ", ".join(sorted(allowed))})
        return view(request, *args, **kwargs)

    inner.operation = operation  # type: ignore[attr-defined]
    inner.method = method  # type: ignore[attr-defined]
    return inner


def program_of(request: HttpRequest) -> Any:
    """The program that the console is showing (set by the site), or None where the person has none."""
    return getattr(request, "program", None)


def person_of(request: HttpRequest) -> User:
    """The signed-in person, as services want the actor."""
    if not isinstance(request.user, User):
        raise NotAllowed("not_allowed", "Sign in first. Nothing was changed.")
    return request.user


def allowed(request: HttpRequest, operation: str) -> bool:
    """Whether the person may do `operation` in the current program; "" is nothing anyone may do."""
    program = program_of(request)
    return bool(operation) and program is not None and may(actor_of(request), operation, program.pk)


def show(request: HttpRequest, template: str, *, title: str, **context: Any) -> TemplateResponse:
    """A page in the console's frame."""
    site: AdminSite = request.console  # type: ignore[attr-defined]
    return TemplateResponse(request, template, {**site.each_context(request), "title": title, **context})


def go(request: HttpRequest, name: str, *args: Any) -> HttpResponseRedirect:
    """Redirect to a page of the console by its URL name."""
    return HttpResponseRedirect(reverse(f"admin:{name}", args=args))


def try_to(request: HttpRequest, act: Callable[[], str]) -> bool:
    """Run one service call and show its sentence, or what refused it; whether it worked."""
    try:
        messages.success(request, act())
    except DomainError as error:
        messages.error(request, error.detail)
        return False
    return True


def url_of(row: models.Model) -> str:
    """The console page of one row."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
