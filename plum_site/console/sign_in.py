"""Signing in by a link that works once. Opening it changes nothing; the button on the page (which presses itself) does."""

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables

from plum_site.lib.clock import now
from plum_site.lib.errors import NotAllowed
from plum_site.lib.signin import take_link_token


@sensitive_variables("token")
@never_cache
@csrf_protect
def sign_in_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show the button; on POST use the link up and begin a session, or say why not."""
    refusal, status = "", 200
    if request.method == "POST":
        try:
            user = take_link_token(token, now())
        except NotAllowed as error:
            refusal, status = error.detail, 403
        else:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            return HttpResponseRedirect(reverse("admin:index"))
    return render(request, "plum/sign_in_link.html", {"title": "Sign in", "refusal": refusal}, status=status)
