"""A mail to one member, whose address is read when it leaves: what the mail server says is kept without the address."""

from collections.abc import Mapping

from activity.services.vault import Address
from plum_site.lib.mail import compose, one_line, post
from plum_site.lib.models import Outbox
from plum_site.lib.outbox import Delivered, Refused, TryLater

HIDDEN = "<address of the member>"


def post_to_member(message: Outbox, address: Address, words: Mapping[str, str], unsubscribe_url: str = "") -> Delivered:
    """
    Hand one mail over to the mail server, dated as its row in the outbox, so that a second attempt is the same mail.

    words: subject, text and html. unsubscribe_url: as compose takes it.

    Raises: TryLater, Refused, as post does, without the address in what they say.
    Writes: nothing.
    """
    payload = compose(
        to=(one_line(address.name), address.email),
        subject=words["subject"],
        text=words["text"],
        html=words["html"],
        at=message.created_at,
        unsubscribe_url=unsubscribe_url,
    )
    try:
        done = post(payload, message.message_id)
    except TryLater as later:
        raise TryLater(hide_address(address, later.detail), later.after) from None
    except Refused as refused:
        raise Refused(hide_address(address, refused.detail)) from None
    return Delivered(done.status, hide_address(address, done.detail))


def hide_address(address: Address, text: str) -> str:
    """
    A text of the mail server without whom it is about, however it writes the address.

    Raises: nothing.
    Writes: nothing.
    """
    lowered = text.lower()
    for secret in (address.email, address.email.partition("@")[0]):
        while len(secret) > 2 and (place := lowered.find(secret.lower())) >= 0:
            text = text[:place] + HIDDEN + text[place + len(secret) :]
            lowered = text.lower().replace(HIDDEN.lower(), "\0" * len(HIDDEN))
    return text
