"""The mail of a push to one member, written when it leaves: the address is read from the vault then, and kept nowhere."""

from datetime import datetime
from typing import Any

from django.template.loader import render_to_string

from activity.selectors.present import find_present_members
from activity.services.vault import Address, open_address
from plum_site.lib import jobs
from plum_site.lib.mail import DELAYS, compose, one_line, post
from plum_site.lib.models import Outbox
from plum_site.lib.outbox import Delivered, Refused, TryLater, channel
from reviews.models import PushOptOut, PushRecipient, PushStop
from reviews.selectors.pushes import PushMessage
from reviews.services.actions.pushes.opting_out import opt_out_url
from reviews.services.actions.pushes.sending import MAIL

HIDDEN = "<address of the member>"


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
    """
    One mail to one member, unless they opted out, left or were erased since, or the push was stopped.

    What the mail server says is kept without the address: it may well repeat it.
    """
    row = PushRecipient.objects.select_related("action__program").get(pk=message.payload["recipient"])
    address, url = _find_address(row, jobs.database_now()), opt_out_url(row)
    frozen = PushMessage.from_json((row.action.before or {})["message"])
    words = render_push(frozen, row.action.program, address.name, url)
    payload = compose(
        to=(one_line(address.name), address.email),
        subject=words["subject"],
        text=words["text"],
        html=words["html"],
        at=message.created_at,
        unsubscribe_url=url,
    )
    try:
        return _without(address, post(payload, message.message_id))
    except TryLater as later:
        raise TryLater(_hide(address, later.detail), later.after) from None
    except Refused as refused:
        raise Refused(_hide(address, refused.detail)) from None


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


def _without(address: Address, done: Delivered) -> Delivered:
    return Delivered(done.status, _hide(address, done.detail))


def _hide(address: Address, text: str) -> str:
    """A text of the mail server without whom it is about, however it writes the address."""
    lowered = text.lower()
    for secret in (address.email, address.email.partition("@")[0]):
        while len(secret) > 2 and (place := lowered.find(secret.lower())) >= 0:
            text = text[:place] + HIDDEN + text[place + len(secret) :]
            lowered = text.lower().replace(HIDDEN.lower(), "\0" * len(HIDDEN))
    return text
