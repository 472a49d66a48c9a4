"""The mail to a member who holds an offer that goes, written when it leaves: the address is read from the vault then."""

from typing import Any

from django.template.loader import render_to_string

from activity.services.vault import open_address
from offers.selectors import list_newest_listings
from plum_site.lib.mail import DELAYS, one_line
from plum_site.lib.models import Outbox
from plum_site.lib.outbox import Delivered, Refused, channel
from reviews.models import Replacement, ReplacementHolder
from reviews.services.member_mail import post_to_member
from reviews.services.replacements.holders import FOLLOWED, NOTICE

SUBJECTS = {"told": "An offer that you unlocked ends soon", "recalled": "An offer that you unlocked stays"}


def render_notice(replacement: Replacement, titles: list[str], name: str, what: str) -> dict[str, str]:
    """
    A notice as one member reads it. titles: of the offers that they hold. what: "told", or "recalled" after a rollback.

    Shape: subject, text, html.
    Raises: nothing.
    Writes: nothing.
    """
    context: dict[str, Any] = {
        "subject": one_line(f"{replacement.program.name}: {SUBJECTS[what]}"),
        "greeting": name,
        "program": replacement.program,
        "partner": replacement.partner,
        "titles": titles,
        "last_day": replacement.last_activation_date,
        "is_recall": what == "recalled",
    }
    return {
        "subject": str(context["subject"]),
        "text": render_to_string("reviews/mail/holder.txt", context),
        "html": render_to_string("reviews/mail/holder.html", context),
    }


@channel(NOTICE, delays=DELAYS)
def deliver_notice(message: Outbox) -> Delivered:
    """One mail to one member, unless they were erased since, or what it says is not true any more."""
    rows = list(ReplacementHolder.objects.filter(pk__in=message.payload["holders"]).select_related("offer").order_by("id"))
    replacement = Replacement.objects.select_related("program", "partner").get(pk=rows[0].replacement_id)
    what = message.payload["what"]
    if what == "told" and replacement.state not in FOLLOWED:
        raise Refused("The cutover was rolled back. Nothing was sent.")
    address = open_address(program=replacement.program, member_id=rows[0].member_id)
    if address is None:
        raise Refused("This member has no address any more. Nothing was sent.")
    words = render_notice(replacement, list_titles(rows), address.name, what)
    return post_to_member(message, address, words)


def list_titles(rows: list[ReplacementHolder]) -> list[str]:
    """
    What members call the offers of some rows: the title of the newest listing, or the id.

    Raises: nothing.
    Writes: nothing.
    """
    ids = {row.offer_id for row in rows}
    titles = {one.offer_id: one.title for one in list_newest_listings(rows[0].replacement.program_id) if one.offer_id in ids}
    return [titles.get(row.offer_id) or row.offer.external_id for row in rows]
