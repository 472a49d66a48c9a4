"""Ending pushes by the link in one, without signing in. Opening it changes nothing; the button does, or a mail program's."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from plum_site.console.by_link import by_signed_link
from plum_site.lib.clock import now
from plum_site.lib.errors import NotAllowed
from reviews.services.actions import has_opted_out, opt_in_again, opt_out, read_opt_out_token

TEMPLATE = "reviews/push_opt_out.html"


@by_signed_link
def opt_out_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show what would end; on POST end it, or with `again` take that back."""
    try:
        if request.method != "POST":
            recipient = read_opt_out_token(token=token)
        elif "again" in request.POST:
            recipient = opt_in_again(token=token, at=now())
        else:
            recipient = opt_out(token=token, at=now())
    except NotAllowed as error:
        return render(request, TEMPLATE, {"title": "Messages", "refusal": error.detail}, status=404)
    context = {
        "title": "Messages",
        "program": None,  # nobody is signed in: the page shows its name and nothing of the console
        "program_name": recipient.action.program.name,
        "has_ended": has_opted_out(recipient),
    }
    return render(request, TEMPLATE, context)
