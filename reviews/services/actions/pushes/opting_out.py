"""Members who want no pushes: by one click in a mail, without signing in, for their whole program; and back again."""

from datetime import datetime

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse

from plum_site.lib import audit
from plum_site.lib.errors import NotAllowed
from reviews.models import PushOptOut, PushRecipient

SALT = "reviews.push_opt_out"


def opt_out_url(recipient: PushRecipient) -> str:
    """
    The link in a push that ends the pushes to whoever got it; it does not expire.

    Raises: nothing.
    Writes: nothing.
    """
    token = signing.dumps(recipient.pk, salt=SALT)
    return settings.BASE_URL.rstrip("/") + reverse("push_opt_out", args=[token])


def read_opt_out_token(*, token: str) -> PushRecipient:
    """
    The recipient whose link it is.

    Raises: NotAllowed - link_invalid.
    Writes: nothing.
    """
    try:
        pk = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        pk = None
    row = PushRecipient.objects.select_related("action__program").filter(pk=pk).first() if isinstance(pk, int) else None
    if row is None:
        sentence = "This link is not complete. Nothing was changed. Use the one at the end of the message, as it stands there."
        raise NotAllowed("link_invalid", sentence)
    return row


def opt_out(*, token: str, at: datetime) -> PushRecipient:
    """
    End the pushes of a program to one member, at once: what waits in the outbox for them is not sent either. Again changes
    nothing.

    Raises: NotAllowed - link_invalid.
    Writes: reviews_pushoptout, plum_auditevent; one transaction.
    Source: docs/rules/pushes.md
    """
    recipient = read_opt_out_token(token=token)
    program = recipient.action.program
    with transaction.atomic():
        row, is_new = PushOptOut.objects.get_or_create(
            member_id=recipient.member_id, defaults={"program": program, "recipient": recipient, "created_at": at}
        )
        if is_new:
            audit.record(
                program_id=program.pk,
                actor=audit.SYSTEM,
                action="reviews.opt_out_of_pushes",
                row=row,
                at=at,
                comment="By the link in a message.",
            )
    return recipient


def opt_in_again(*, token: str, at: datetime) -> PushRecipient:
    """
    Take an opt-out by link back, by the same link. What the people file says is not touched.

    Raises: NotAllowed - link_invalid.
    Writes: reviews_pushoptout, plum_auditevent; one transaction.
    Source: docs/rules/pushes.md
    """
    recipient = read_opt_out_token(token=token)
    with transaction.atomic():
        row = PushOptOut.objects.select_for_update().filter(member=recipient.member_id).first()
        if row is not None:
            comment = "By the link in a message."
            audit.record(
                program_id=row.program_id, actor=audit.SYSTEM, action="reviews.opt_in_to_pushes", row=row, at=at, comment=comment
            )
            row.delete()
    return recipient


def has_opted_out(recipient: PushRecipient) -> bool:
    """
    Whether whoever got a push has ended them by link.

    Raises: nothing.
    Writes: nothing.
    """
    return PushOptOut.objects.filter(member=recipient.member_id).exists()
