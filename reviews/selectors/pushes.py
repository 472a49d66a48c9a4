"""Reads of promotional pushes: whom one would reach, what it says, and what became of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, QuerySet

from activity.selectors.messages import MessageCounts, summarise_messages
from activity.selectors.present import PresentMember, list_present_members
from offers.models import Offer
from offers.rules import matches
from offers.selectors import list_audiences, list_newest_listings, takes_in
from plum_site.lib.choices import OutboxState
from plum_site.lib.models import Outbox
from plum_site.lib.periods import local_date
from reviews.choices import PushChannel, RecipientState
from reviews.models import CorrectiveAction, PushOptOut, PushRecipient
from reviews.rules.pushes import Audience, Candidate, choose_audience, fill_words

WRITTEN_TO = (RecipientState.WAITING, RecipientState.QUEUED)


@dataclass(frozen=True)
class PushMessage:
    """What members read: every placeholder filled. offers: external ids; titles: what each is called, in the same order."""

    subject: str
    text: str
    offers: tuple[str, ...]
    titles: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The form in which it is frozen with the action."""
        return {"subject": self.subject, "text": self.text, "offers": list(self.offers), "titles": list(self.titles)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "PushMessage":
        """What `as_json` wrote."""
        return cls(stored["subject"], stored["text"], tuple(stored["offers"]), tuple(stored["titles"]))


@dataclass(frozen=True)
class PushFigures:
    """
    What became of a push. states: number of recipients by RecipientState; mails: of its mails by OutboxState; told: what the
    organisation's own messenger said of it, None where it said nothing.
    """

    states: Mapping[str, int]
    mails: Mapping[str, int]
    told: MessageCounts | None


def push_ref_of(action_id: int) -> str:
    """
    The name under which an organisation's messenger speaks of a push.

    Shape: text.
    """
    return f"push_{action_id}"


def mail_key_of(action_id: int, recipient_id: int | str) -> str:
    """
    The outbox's key of the mail to one recipient.

    Shape: text.
    """
    return f"push:{action_id}:{recipient_id}"


def hold_out_of(action: CorrectiveAction) -> tuple[str, Decimal]:
    """
    By which salt and which share members are held out, as the action asks.

    Shape: salt, and a share from 0 to 1.
    """
    return push_ref_of(action.pk or 0), Decimal(action.params["hold_out_percent"]) / 100


def find_audience(action: CorrectiveAction, offers: list[Offer], at: datetime) -> Audience:
    """
    Whom a push would reach now, and whom not, and why.

    Shape: one Audience.
    """
    salt, share = hold_out_of(action)
    return choose_audience(_candidates(action, offers, at), action.params["channels"], salt, share)


def _candidates(action: CorrectiveAction, offers: list[Offer], at: datetime) -> Iterator[Candidate]:
    program = action.program
    audiences = list_audiences(program.pk, local_date(at, program.time_zone))
    wanted = [audiences.get(offer.pk) for offer in offers]
    opted_out = set(PushOptOut.objects.filter(program=program).values_list("member_id", flat=True))
    recent = set(_list_recent(action, at))
    rule = action.segment.rule if action.segment else ()

    def describe(member: PresentMember) -> Candidate:
        return Candidate(
            id=member.id,
            key=member.key,
            is_open=all(takes_in(audience, dict(member.attributes)) for audience in wanted),
            has_opted_out=member.has_opted_out or member.id in opted_out,
            is_recent=member.id in recent,
            is_known=member.is_known,
            has_address=member.has_address,
        )

    return (describe(member) for member in list_present_members(program, at) if matches(rule, member.attributes))


def _list_recent(action: CorrectiveAction, at: datetime) -> Iterator[int]:
    """Members to whom some push of the program went, or is about to go, within the days of pause that this one keeps."""
    since = at - timedelta(days=action.params["pause_days"])
    rows = PushRecipient.objects.filter(action__program=action.program_id, state__in=WRITTEN_TO, created_at__gt=since)
    return rows.exclude(action=action.pk).values_list("member_id", flat=True).iterator()


def write_message(action: CorrectiveAction, offers: list[Offer]) -> PushMessage:
    """
    What members would read now: an offer is called by the title of its newest listing, else by its id.

    Shape: one PushMessage.
    """
    listings = list_newest_listings(action.program_id).filter(offer__in=offers)
    named = {listing.offer_id: listing.title for listing in listings}
    titles = tuple(named.get(offer.pk) or offer.external_id for offer in offers)
    subject, text = (fill_words(action.params[name], titles, action.program.name) for name in ("subject", "text"))
    return PushMessage(subject, text, tuple(offer.external_id for offer in offers), titles)


def read_push(action: CorrectiveAction) -> PushFigures:
    """
    What became of a push that was carried out, at least in part. Numbers of members may be of very few people: whoever shows
    them looks at the program's minimum group.

    Shape: one PushFigures.
    """
    states = PushRecipient.objects.filter(action=action).order_by().values("state").annotate(number=Count("id"))
    mails = Outbox.objects.filter(program_id=action.program_id, dedup_key__startswith=mail_key_of(action.pk, ""))
    by_state = mails.order_by().values("state").annotate(number=Count("id"))
    told = summarise_messages(action.program_id, push_ref=push_ref_of(action.pk))
    return PushFigures(
        states=dict.fromkeys(RecipientState.values, 0) | {row["state"]: row["number"] for row in states},
        mails=dict.fromkeys(OutboxState.values, 0) | {row["state"]: row["number"] for row in by_state},
        told=told[0] if told else None,
    )


def list_announced(action_id: int) -> QuerySet[PushRecipient]:
    """
    The recipients of a push whom the organisation's own messenger was asked to write to.

    Shape: PushRecipients with their members, by row id.
    """
    rows = PushRecipient.objects.filter(action=action_id, channel=PushChannel.WEBHOOK, state=RecipientState.QUEUED)
    return rows.select_related("member").order_by("id")
