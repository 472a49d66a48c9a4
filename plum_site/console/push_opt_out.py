"""Ending pushes by the link in one, without signing in. Opening it changes nothing; the button does, or a mail program's."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from plum_site.lib.clock import now
from plum_site.lib.errors import NotAllowed
from reviews.services.actions import has_opted_out, opt_in_again, opt_out, read_opt_out_token

TEMPLATE = "reviews/push_opt_out.html"


@never_cache
@csrf_exempt  # mail programs send the POST themselves (RFC 8058); the signed link is what proves that it is theirs
def opt_out_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show what would end; on POST end it, or with `again` take that back."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponse(status=405, headers={"Allow": "GET, HEAD, POST"})
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
    answer = render(request, TEMPLATE, context)
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
