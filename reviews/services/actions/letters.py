"""Letters to partners: a mail to each contact with a signed link to the partner's own card, and what they answer by it."""

from datetime import datetime, timedelta

from django.core import signing
from django.db import transaction
from django.template.loader import render_to_string

from partners.models import Contact
from plum_site.lib import audit
from plum_site.lib.announcements import address_of
from plum_site.lib.errors import DomainError, InvalidInput, NotAllowed, NotFound
from plum_site.lib.mail import one_line, send
from plum_site.lib.models import User
from plum_site.lib.people import list_insiders, may_be_told
from plum_site.lib.periods import local_date
from plum_site.lib.person_mail import write_to
from reviews.models import CorrectiveAction, PartnerAnswer, PartnerLink
from reviews.selectors.letters import find_cycle_to_show
from reviews.services.actions.notes import add_note

SALT = "reviews.partner_link"
LIFE = timedelta(days=14)
LONGEST_ANSWER, MOST_ANSWERS = 4000, 20
RELATED = ("action__program", "action__partner__owner", "action__owner", "contact", "cycle")


def send_letter(*, action: CorrectiveAction, contact: Contact, at: datetime) -> PartnerLink:
    """
    Write to one contact of the partner that an action is about, with a link to the partner's card that is good for 14 days.
    A contact that has the action's letter gets no second one.

    Raises: InvalidInput - invalid_address, header_injection.
    Writes: reviews_partnerlink, plum_outbox, plum_auditevent, in the caller's transaction.
    Source: docs/rules/letters.md
    """
    fields = {"cycle": find_cycle_to_show(action), "sent_at": at, "expires_at": at + LIFE}
    link, is_new = PartnerLink.objects.get_or_create(action=action, contact=contact, defaults=fields)
    if is_new:
        _mail(link, at)
        after = {"action": action.pk, "expires_at": link.expires_at.isoformat()}
        audit.record(program_id=action.program_id, actor=audit.SYSTEM, action="reviews.send_letter", row=link, at=at, after=after)
    return link


@transaction.atomic
def renew_letter(*, link_id: int, actor: User | str, at: datetime) -> PartnerLink:
    """
    Send the letter once more, with a new link that is good for 14 days; the links that went out before are void.

    Raises: NotFound; DomainError - contact_gone; InvalidInput - invalid_address.
    Writes: reviews_partnerlink, plum_outbox, plum_auditevent.
    Source: docs/rules/letters.md
    """
    link = _lock(link_id)
    if link.contact is None:
        raise DomainError("contact_gone", "This contact was deleted. Nothing was sent. Propose another letter instead.")
    _change(link, "renew_letter", at + LIFE, actor, at)
    _mail(link, at)
    return link


@transaction.atomic
def withdraw_letter(*, link_id: int, actor: User | str, at: datetime) -> PartnerLink:
    """
    Void every link of a letter that went out; what was answered stays.

    Raises: NotFound; DomainError - link_ended.
    Writes: reviews_partnerlink, plum_auditevent.
    Source: docs/rules/letters.md
    """
    link = _lock(link_id)
    if link.expires_at <= at:
        raise DomainError("link_ended", "The link of this letter does not work any more. Nothing was changed.")
    _change(link, "withdraw_letter", at, actor, at)
    return link


def letter_url(*, link: PartnerLink) -> str:
    """
    The link in a letter, as its present version stands.

    Raises: nothing.
    Writes: nothing.
    """
    token = signing.dumps([link.pk, link.version], salt=SALT)
    return address_of("partner_card", token)


def read_letter_token(*, token: str, at: datetime) -> PartnerLink:
    """
    The letter that a link is about.

    Raises: NotAllowed - link_invalid (forged or cut off), link_void (renewed or withdrawn), link_expired.
    Writes: nothing.
    """
    try:
        pk, version = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError):
        pk, version = 0, 0
    link = PartnerLink.objects.select_related(*RELATED).filter(pk=pk).first()
    if link is None:
        sentence = "This link is not complete. Nothing was changed. Use the one in the letter, as it stands there."
        raise NotAllowed("link_invalid", sentence)
    program = link.action.program
    if link.version != version:
        sentence = f"This link was withdrawn or replaced by a newer one. Ask whoever runs {program} for a new one."
        raise NotAllowed("link_void", sentence)
    if link.expires_at <= at:
        until = local_date(link.expires_at, program.time_zone)
        sentence = f"This link worked until {until:%-d %B %Y}. Ask whoever runs {program} for a new one."
        raise NotAllowed("link_expired", sentence)
    return link


def answer_letter(*, token: str, text: str, at: datetime) -> PartnerAnswer:
    """
    Keep what a partner answers by the link in a letter, as a note of the action, and tell the action's owner.

    Raises: NotAllowed, as read_letter_token; InvalidInput - invalid_answer, too_many_answers.
    Writes: reviews_partneranswer, reviews_actionnote, plum_outbox, plum_auditevent; one transaction.
    Source: docs/rules/letters.md
    """
    text = text.replace("\r\n", "\n").strip()
    if not text or len(text) > LONGEST_ANSWER or "\0" in text:
        sentence = f"Write something, in at most {LONGEST_ANSWER:,} characters."
        raise InvalidInput("invalid_answer", f"Nothing was sent. {sentence}", {"text": sentence})
    with transaction.atomic():
        _lock(read_letter_token(token=token, at=at).pk)  # so that answers are counted one after the other
        link = read_letter_token(token=token, at=at)
        if link.answers.count() >= MOST_ANSWERS:
            sentence = f"{MOST_ANSWERS} answers came by this link already. Nothing was sent. Write to your contact instead."
            raise InvalidInput("too_many_answers", sentence, {"text": sentence})
        known = link.answers.filter(note__text=text).first()  # the button was pressed twice
        if known is not None:
            return known
        who = f"partner {link.action.partner.external_id}"[:200]
        note = add_note(action_id=link.action_id, text=text, actor=who, at=at)
        answer = PartnerAnswer.objects.create(link=link, note=note)
        after = {"action": link.action_id, "letter": link.pk}
        audit.record(program_id=link.action.program_id, actor=who, action="reviews.answer_letter", row=answer, at=at, after=after)
        _tell_owner(answer, at)
    return answer


def _lock(link_id: int) -> PartnerLink:
    link = PartnerLink.objects.select_for_update(of=("self",)).select_related(*RELATED).filter(pk=link_id).first()
    if link is None:
        raise NotFound("letter", link_id)
    return link


def _change(link: PartnerLink, name: str, expires_at: datetime, actor: User | str, at: datetime) -> None:
    before = {"version": link.version, "expires_at": link.expires_at.isoformat()}
    link.version, link.expires_at = link.version + 1, expires_at
    link.save(update_fields=["version", "expires_at"])
    audit.record(
        program_id=link.action.program_id,
        actor=actor,
        action=f"reviews.{name}",
        row=link,
        at=at,
        before=before,
        after={"version": link.version, "expires_at": expires_at.isoformat()},
    )


def _mail(link: PartnerLink, at: datetime) -> None:
    action, contact = link.action, link.contact
    if contact is None:
        return
    context = {
        "subject": one_line(action.params["subject"]),
        "text": action.params["text"],
        "greeting": contact.name,
        "program": action.program,
        "partner": action.partner,
        "until": local_date(link.expires_at, action.program.time_zone),
        "month": f"{link.cycle.month_start_date:%B %Y}" if link.cycle else "",
        "url": letter_url(link=link),
    }
    send(
        to=(one_line(contact.name), contact.email),
        subject=str(context["subject"]),
        text=render_to_string("reviews/mail/letter.txt", context),
        html=render_to_string("reviews/mail/letter.html", context),
        dedup_key=f"letter:{link.pk}:{link.version}",
        program_id=action.program_id,
        at=at,
    )


def _tell_owner(answer: PartnerAnswer, at: datetime) -> None:
    """One mail to whoever owns the action, or else the partner, if they may read actions and have an address."""
    action = answer.link.action
    owner = action.owner or action.partner.owner
    if owner is None or not may_be_told(owner, list_insiders(action.program_id)):
        return
    told = {
        "partner": action.partner,
        "about": action.params["subject"],
        "text": answer.note.text,
        "url": address_of("admin:partners_partner_change", action.partner_id),
    }
    write_to(
        person=owner,
        program=action.program,
        template="reviews/mail/answer",
        subject=f"{action.partner.name} answered",
        told=told,
        dedup_key=f"answer:{answer.pk}",
        at=at,
    )
