"""A partner's own card by the link in a letter, without signing in. Opening it changes nothing; answering keeps a row."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from plum_site.console.by_link import by_signed_link
from plum_site.lib.clock import now
from plum_site.lib.errors import InvalidInput, NotAllowed
from reviews.pages.partner_card import show_partner_card
from reviews.services.actions import answer_letter, read_letter_token
from reviews.services.actions.letters import LONGEST_ANSWER

TEMPLATE = "reviews/partner_card.html"


@by_signed_link
def partner_card_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show the card; on POST keep the answer and show it beneath."""
    at, written, fault = now(), request.POST.get("text", ""), ""
    try:
        if request.method == "POST":
            try:
                answer_letter(token=token, text=written, at=at)
                return redirect(f"{request.path}?sent=1#answers")
            except InvalidInput as error:
                fault = error.fields["text"]
        link = read_letter_token(token=token, at=at)
    except NotAllowed as error:
        return render(request, TEMPLATE, {"title": "Letter", "refusal": error.detail}, status=404)
    context = {
        **show_partner_card(link),
        "title": str(link.action.partner),
        "written": written,
        "fault": fault,
        "was_sent": "sent" in request.GET,
        "longest": LONGEST_ANSWER,
    }
    return render(request, TEMPLATE, context)
