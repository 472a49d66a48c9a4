"""What a program's admins are told by mail about what leaves Plum."""

from datetime import datetime

from django.template.loader import render_to_string

from exports.models import WebhookEndpoint
from exports.rules import shown_address
from partners.models import Program
from plum_site.lib import mail
from plum_site.lib.choices import Role
from plum_site.lib.models import User


def tell_admins(*, endpoint: WebhookEndpoint, program: Program, url: str, key: str, at: datetime) -> int:
    """
    One mail to each admin of the program that an endpoint was disabled, and what to do; how many.

    Runs in the transaction that disables it. Admins without an address or who may no longer sign in are left out.
    Raises: nothing.
    Writes: plum_outbox.
    """
    admins = User.objects.filter(
        role_grants__program_id=program.pk, role_grants__role=Role.PROGRAM_ADMIN, is_active=True
    ).exclude(email="")
    subject = mail.one_line(f"{program.name}: the webhook {endpoint.name} was disabled")
    context = {
        "subject": subject,
        "endpoint": endpoint,
        "address": shown_address(endpoint.url),
        "program": program,
        "reason": endpoint.reason,
        "url": url,
    }
    text = render_to_string("exports/mail/webhook_disabled.txt", context)
    html = render_to_string("exports/mail/webhook_disabled.html", context)
    for admin in admins.order_by("pk"):
        mail.send(
            to=(mail.one_line(admin.get_full_name()), admin.email),
            subject=subject,
            text=text,
            html=html,
            dedup_key=f"endpoint.disabled:{key}:{admin.pk}",
            program_id=program.pk,
            at=at,
        )
    return len(admins)
