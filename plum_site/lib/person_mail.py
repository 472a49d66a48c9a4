"""A mail to one person who works in a program, from a pair of templates."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string

from plum_site.lib.mail import one_line, send
from plum_site.lib.models import Outbox, User


def write_to(
    *,
    person: User,
    program: Any,
    template: str,
    subject: str,
    told: Mapping[str, object],
    dedup_key: str,
    at: datetime,
    about: Sequence[str] = (),
) -> Outbox:
    """
    Have one person told something once, after the commit.

    program: with `pk` and `name`. template: path of both templates without ".txt" and ".html"; beside what is told they know
    `greeting`, `program` and the whole `subject`. about: as `send` takes it.

    Raises: InvalidInput - invalid_address, header_injection.
    Writes: plum_outbox, in the caller's transaction.
    """
    context = {
        **told,
        "subject": one_line(f"{program.name}: {subject}"),
        "greeting": person.get_full_name() or person.username,
        "program": program,
    }
    return send(
        to=(one_line(person.get_full_name()), person.email),
        subject=str(context["subject"]),
        text=render_to_string(f"{template}.txt", context),
        html=render_to_string(f"{template}.html", context),
        dedup_key=dedup_key,
        program_id=program.pk,
        at=at,
        about=about,
    )
