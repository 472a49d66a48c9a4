"""The mail of a push to one member, written when it leaves: the address is read from the vault then, and kept nowhere."""

from datetime import datetime
from typing import Any

from django.template.loader import render_to_string

from activity.selectors.present import find_present_members
from activity.services.vault import Address, open_address
from plum_site.lib import jobs
from plum_site.lib.mail import DELAYS, one_line
from plum_site.lib.models import Outbox
from plum_site.lib.outbox import Delivered, Refused, channel
from reviews.models import PushOptOut, PushRecipient, PushStop
from reviews.selectors.pushes import PushMessage
from reviews.services.actions.pushes.opting_out import opt_out_url
from reviews.services.actions.pushes.sending import MAIL
from reviews.services.member_mail import post_to_member


def render_push(message: PushMessage, program: Any, name: str, url: str) -> dict[str, str]:
    """
    A push as one member reads it. name: theirs, or ""; url: ends the pushes to them.

    Shape: subject, text, html.
    Raises: nothing.
    Writes: nothing.
    """
    context = {"subject": one_line(message.subject), "text": message.text, "greeting": name, "program": program, "url": url}
    return {
        "subject": str(context["subject"]),
        "text": render_to_string("reviews/mail/push.txt", context),
        "html": render_to_string("reviews/mail/push.html", context),
    }


@channel(MAIL, delays=DELAYS)
def deliver_push(message: Outbox) -> Delivered:
    """One mail to one member, unless they opted out, left or were erased since, or the push was stopped."""
    row = PushRecipient.objects.select_related("action__program").get(pk=message.payload["recipient"])
    address, url = _find_address(row, jobs.database_now()), opt_out_url(row)
    frozen = PushMessage.from_json((row.action.before or {})["message"])
    words = render_push(frozen, row.action.program, address.name, url)
    return post_to_member(message, address, words, url)


def _find_address(row: PushRecipient, at: datetime) -> Address:
    if PushStop.objects.filter(action=row.action_id).exists():
        raise Refused("The push was stopped. Nothing was sent.")
    member = find_present_members(row.action.program, [row.member_id], at).get(row.member_id)
    if member is None:
        raise Refused("This member left. Nothing was sent.")
    if member.has_opted_out or PushOptOut.objects.filter(member=row.member_id).exists():
        raise Refused("This member wants no messages. Nothing was sent.")
    address = open_address(program=row.action.program, member_id=row.member_id)
    if address is None:
        raise Refused("This member has no address any more. Nothing was sent.")
    return address
