"""Ending a subscription by the link in a mail, without signing in. Opening it changes nothing; the button does."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from plum_site.console.by_link import by_signed_link
from plum_site.lib.clock import now
from plum_site.lib.errors import NotAllowed
from reviews.choices import SubscriptionState
from reviews.services import read_unsubscribe_token, unsubscribe


@by_signed_link
def unsubscribe_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show what would end; on POST end it."""
    try:
        row = unsubscribe(token=token, at=now()) if request.method == "POST" else read_unsubscribe_token(token=token)
    except NotAllowed as error:
        return render(request, "plum/unsubscribe.html", {"title": "Unsubscribe", "refusal": error.detail}, status=404)
    has_ended = row.state == SubscriptionState.UNSUBSCRIBED
    return render(request, "plum/unsubscribe.html", {"title": "Unsubscribe", "subscription": row, "has_ended": has_ended})
