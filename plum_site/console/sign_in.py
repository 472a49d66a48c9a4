"""
The two ways in: name and password, and a link that works once.

Opening a link changes nothing; the button on its page (which presses itself) does. Wrong passwords have quotas.
"""

from typing import Any

from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables

from plum_site.lib import limits
from plum_site.lib.clock import now
from plum_site.lib.errors import NotAllowed
from plum_site.lib.signin import take_link_token

TOO_MANY = (
    "Too many wrong passwords. Nobody was signed in, and this one was not looked at. Try again in %(seconds)s seconds; "
    "a sign-in link works meanwhile."
)


class SignInForm(AuthenticationForm):
    """Name and password; whoever holds a role may enter, staff or not."""

    def clean(self) -> dict[str, Any]:
        """
        Look at the password, unless too many were wrong within the minute: for this name, whether there is one or not, or from
        this network. What is right costs nothing of the quotas.
        """
        name, network = self.cleaned_data.get("username", ""), limits.find_network(self.request) if self.request else ""
        holders = {limits.SIGN_IN: name.casefold(), limits.SIGN_IN_ADDRESS: network}
        for policy, holder in holders.items():
            standing, _ = limits.count(policy, holder, 0) if holder else (None, False)
            if standing is not None and not standing.left:
                raise ValidationError(TOO_MANY, code="too_many", params={"seconds": standing.seconds})
        try:
            return super().clean()
        except ValidationError:
            for policy, holder in holders.items():
                if holder:
                    limits.count(policy, holder)
            raise


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
