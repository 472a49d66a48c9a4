"""What is spoken and agreed with partners in a replacement: the log of contacts, files, and the terms in words."""

from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import transaction

from partners.selectors import get_partner
from plum_site.lib import audit
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import User
from reviews.choices import ContactKind
from reviews.models import Replacement, ReplacementContact, ReplacementFile
from reviews.rules.replacements import check_file
from reviews.services.replacements.log import lock_replacement, may_work, note_change, take

LONGEST_TEXT = 20_000


@transaction.atomic
def add_contact(
    *, replacement_id: int, partner: str, kind: str, text: str, actor: User | str, at: datetime
) -> ReplacementContact:
    """
    Keep what was spoken with a partner. partner: external id. kind: of ContactKind.

    Raises: NotFound; NotAllowed; InvalidInput - invalid_contact.
    Writes: reviews_replacementcontact, plum_auditevent.
    """
    replacement = lock_replacement(replacement_id)
    may_work(replacement, actor)
    found = get_partner(replacement.program_id, partner)
    fields = {}
    if kind not in ContactKind.values:
        fields["kind"] = f"One of {', '.join(ContactKind.values)}."
    if not text.strip() or len(text) > LONGEST_TEXT or "\0" in text:
        fields["text"] = f"Say something, in at most {LONGEST_TEXT:,} characters."
    if fields:
        raise InvalidInput("invalid_contact", "The contact was not kept.", fields)
    row = ReplacementContact.objects.create(
        replacement=replacement, partner=found, kind=kind, text=text.strip(), made_by=audit.actor_name(actor), made_at=at
    )
    note_change(replacement, "add_replacement_contact", actor, at, partner=partner, kind=kind)
    return row


@transaction.atomic
def add_file(*, replacement_id: int, name: str, content: bytes, actor: User | str, at: datetime) -> ReplacementFile:
    """
    Keep a file with a replacement; the same bytes again are the file that is there.

    Raises: NotFound; NotAllowed; InvalidInput - invalid_file.
    Writes: reviews_replacementfile, plum_auditevent.
    """
    replacement = lock_replacement(replacement_id)
    may_work(replacement, actor)
    digest = sha256(content).hexdigest()
    known = replacement.files.filter(sha256=digest).first()
    if known is not None:
        return known
    clean = check_file(name, len(content), replacement.files.count())
    row = ReplacementFile.objects.create(
        replacement=replacement,
        name=clean,
        sha256=digest,
        size_bytes=len(content),
        content=content,
        brought_by=audit.actor_name(actor),
        brought_at=at,
    )
    note_change(replacement, "add_replacement_file", actor, at, file=clean, sha256=digest)
    return row


@transaction.atomic
def read_file(*, replacement_id: int, file_id: int, actor: User | str, at: datetime) -> ReplacementFile:
    """
    One file with what is in it, for whoever may read the replacement; that it was read is in the audit log.

    Raises: NotFound.
    Writes: plum_auditevent.
    """
    row = ReplacementFile.objects.select_related("replacement").filter(pk=file_id, replacement=replacement_id).first()
    if row is None:
        raise NotFound("file", file_id)
    note_change(row.replacement, "read_replacement_file", actor, at, file=row.name, sha256=row.sha256)
    return row


@transaction.atomic
def agree_terms(
    *,
    replacement_id: int,
    terms: str,
    actor: User | str,
    at: datetime,
    comment: str = "",
    last_activation_days: int | None = None,
) -> Replacement:
    """
    Say what was agreed with the chosen candidate, and for how long members still activate what they hold of the old offers.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - invalid_terms.
    Writes: reviews_replacement, reviews_replacementtransition, plum_auditevent, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id)
    days = replacement.last_activation_days if last_activation_days is None else last_activation_days
    fields = {}
    if not terms.strip() or len(terms) > LONGEST_TEXT or "\0" in terms:
        fields["terms"] = f"Say what was agreed, in at most {LONGEST_TEXT:,} characters."
    if not 1 <= days <= 365:
        fields["last_activation_days"] = "A number of days from 1 to 365."
    if fields:
        raise InvalidInput("invalid_terms", "Nothing was changed.", fields)
    changes: dict[str, Any] = {"terms": terms.strip(), "last_activation_days": days, "revision": replacement.revision + 1}
    take(replacement, "agree", actor, at, comment, **changes)
    return replacement
