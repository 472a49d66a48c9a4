"""A promotional push: a message about chosen offers to the members of a segment, less those who must not get it."""

from datetime import datetime
from itertools import islice

from offers.choices import PresentState
from offers.models import Offer
from offers.selectors import present_state
from partners.models import Program
from plum_site.lib import jobs
from plum_site.lib.periods import local_date
from reviews.choices import PushArm, RecipientState
from reviews.models import CorrectiveAction, PushRecipient
from reviews.rules.effects import NONE, EffectDesign
from reviews.rules.effects.design import USUAL_MINIMUM, USUAL_WINDOW
from reviews.rules.pushes import Audience
from reviews.selectors.actions import read_approvals
from reviews.selectors.effects import design_push
from reviews.selectors.pushes import find_audience, hold_out_of, push_ref_of, write_message
from reviews.services.actions.kinds.base import Applied, Change, Handling, Preview, UnableToExecute
from reviews.services.actions.kinds.offers import named_offers

SEND = "reviews.send_push"
AT_ONCE = 2000  # rows in one statement
NUMBERS = {
    "in_segment": "Active members of the segment",
    "not_in_audience": "of them not in the audience of every offer",
    "opted_out": "want no messages",
    "recently": "were written to lately",
    "no_address": "have no address",
    "held_out": "held out, to tell the effect",
    "to_be_sent": "To be written to",
}


def preview(action: CorrectiveAction, at: datetime) -> Preview:
    """Every number of the audience, and the message as members read it."""
    offers = _live_offers(action, at)
    audience = _audience(action, offers, at)
    message = write_message(action, offers)
    changes = [Change(NUMBERS[name], "", f"{number:,}") for name, number in audience.as_json().items()]
    notes = (message.subject, message.text, "What went out cannot be taken back; what has not left yet can be stopped.")
    return Preview(tuple(changes), members=len(audience.chosen), notes=notes)


def count(action: CorrectiveAction, at: datetime) -> int:
    """How many members would be written to now; 0 where it could not be carried out."""
    try:
        return len(_audience(action, _live_offers(action, at), at).chosen)
    except UnableToExecute:
        return 0


def freeze(action: CorrectiveAction, at: datetime) -> None:
    """
    Write down who gets it, who is held out, and what they read; the numbers and the words are `before`.

    Pushes of one program are frozen one after the other, so that two at once do not write to the same person.
    """
    Program.objects.select_for_update().get(pk=action.program_id)
    offers = _live_offers(action, at)
    audience = _audience(action, offers, at)
    limit = read_approvals(action.program_id).spec.push_limit
    if not action.needs_two and len(audience.chosen) > limit:
        sentence = (
            f"By now {len(audience.chosen):,} members would be written to; above {limit:,} two people have to approve. "
            "Nobody was written to. Edit the action, so that it is proposed again."
        )
        raise UnableToExecute("audience_grew", sentence)
    _write_recipients(action, audience, at)
    message = write_message(action, offers).as_json()
    action.before = {"push": push_ref_of(action.pk), "audience": audience.as_json(), "message": message}


def apply(action: CorrectiveAction, at: datetime) -> Applied:
    """Have it sent by a job to whom it was frozen for."""
    plan_sending(action, at)
    return Applied(action.before or {}, {}, is_done=False)


def design(action: CorrectiveAction, metric: str, at: datetime) -> EffectDesign:
    """How its effect is told: those it was frozen for against those held out by chance; not at all where nobody is."""
    salt, share = hold_out_of(action)
    if not share:
        return EffectDesign(NONE, metric, sentence="Cannot be told: nobody is held out.")
    return design_push(
        program=action.program,
        metric=metric,
        members=members(action),
        offers=[offer.external_id for offer in named_offers(action)],
        starts_date=local_date(at, action.program.time_zone),
        salt=salt,
        window_days=USUAL_WINDOW,
        minimum_effect=USUAL_MINIMUM,
        hold_out_share=share,
    )


def members(action: CorrectiveAction) -> list[int]:
    """Everybody who was in the audience when it was carried out, of either arm."""
    return list(PushRecipient.objects.filter(action=action).values_list("member_id", flat=True))


def plan_sending(action: CorrectiveAction, at: datetime) -> None:
    """Have what waits of a push sent in the background. Writes: plum_job."""
    jobs.plan(
        name=SEND, key=push_ref_of(action.pk), program_id=action.program_id, arguments={"action_id": action.pk}, due_at=at, at=at
    )


def _write_recipients(action: CorrectiveAction, audience: Audience, at: datetime) -> None:
    arms = (
        (PushArm.TREATED, RecipientState.WAITING, audience.chosen),
        (PushArm.HELD_OUT, RecipientState.HELD_OUT, audience.held_out),
    )
    rows = (
        PushRecipient(action_id=action.pk, member_id=member_id, arm=arm, channel=channel, state=state, created_at=at)
        for arm, state, ways in arms
        for member_id, channel in ways.items()
    )
    for some in iter(lambda: list(islice(rows, AT_ONCE)), []):
        PushRecipient.objects.bulk_create(some)


def _audience(action: CorrectiveAction, offers: list[Offer], at: datetime) -> Audience:
    audience = find_audience(action, offers, at)
    smallest = action.program.minimum_group
    if audience.in_segment < smallest:
        sentence = f"Fewer than {smallest} members are in it. A push is no way to write to single people. Nobody was written to."
        raise UnableToExecute("group_too_small", sentence)
    if not audience.chosen:
        raise UnableToExecute("nobody_left", "Nobody would get this message: see who is left out and why. Nobody was written to.")
    return audience


def _live_offers(action: CorrectiveAction, at: datetime) -> list[Offer]:
    today = local_date(at, action.program.time_zone)
    offers = named_offers(action)
    gone = [offer.external_id for offer in offers if present_state(offer, today) != PresentState.LIVE]
    if gone:
        sentence = f"Offer {gone[0]!r} is not live: who reads the message could not use it. Nobody was written to."
        raise UnableToExecute("offer_not_live", sentence)
    return offers


PROMOTIONAL_PUSH = Handling(preview, apply, undo=None, count=count, freeze=freeze, design=design, members=members)
