"""What the pages have in common that somebody reaches by the signed link in a mail, without signing in."""

from collections.abc import Callable
from functools import wraps
from hashlib import blake2b

from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from plum_site.lib import limits

Page = Callable[[HttpRequest, str], HttpResponse]


def by_signed_link(page: Page) -> Page:
    """
    A page at the address of a signed link: read by GET, changed by POST, within its quotas, told to no other site.

    No cookie is asked for, so there is no CSRF token: the link proves who sends, and mail programs send the POST of a
    one-click unsubscription themselves (RFC 8058).
    """

    @never_cache
    @csrf_exempt
    @wraps(page)
    def answer(request: HttpRequest, token: str) -> HttpResponse:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD, POST"})
        response = refuse_too_many(request, token) or page(request, token)
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return answer


def refuse_too_many(request: HttpRequest, token: str) -> HttpResponse | None:
    """
    429 where the link, or all links from one network, were used too often; None where they were not.

    Reading and sending are counted apart: a mail scanner that opens every link of a mailing keeps nobody behind the same
    address from unsubscribing.
    """
    verb = "send" if request.method == "POST" else "read"
    link = blake2b(token.encode(), digest_size=16).hexdigest()
    holders = {limits.LINK_ADDRESS: limits.find_network(request), limits.LINK: link}
    for policy, holder in holders.items():
        standing, is_refused = limits.count(policy, f"{verb} {holder}") if holder else (None, False)
        if standing is not None and is_refused:
            context = {"standing": standing, "is_link": policy == limits.LINK, "is_sent": verb == "send"}
            text = loader.get_template("429.html").render(context)
            return HttpResponse(text, status=429, headers={"Retry-After": str(standing.seconds)})
    return None
