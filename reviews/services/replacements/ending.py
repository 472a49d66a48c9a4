"""What comes after the cutover, and the ways back: verified, completed, rolled back; back to a step; called off."""

from datetime import datetime

from django.db import transaction

from offers.choices import OfferState
from offers.services import change_offer_state
from partners.choices import PartnerState
from partners.models import Partner
from partners.services import change_partner_state
from plum_site.lib import audit
from plum_site.lib.errors import DomainError
from plum_site.lib.models import User
from plum_site.lib.periods import local_date
from reviews.choices import ActionState, ReplacementState
from reviews.models import Replacement
from reviews.rules.actions import UNDO_DAYS, is_in_time
from reviews.rules.replacements import say_checks
from reviews.selectors.replacements import check_replacement
from reviews.selectors.replacements.state import read_state
from reviews.services.actions.executing import fail_action, finish_action, revert_action
from reviews.services.replacements.approving import refuse_without
from reviews.services.replacements.cutover import undo_cutover
from reviews.services.replacements.holders import recall_holders
from reviews.services.replacements.log import UNAPPROVED, lock_replacement, take
from reviews.services.replacements.notices import tell_partners
from reviews.services.replacements.opening import UnableToReplace, is_whole, source_ref
from reviews.services.replacements.trying import close_trial

BACK = ("back_to_candidates", "back_to_terms", "back_to_mapping")


@transaction.atomic
def verify_replacement(*, replacement_id: int, actor: User | str, at: datetime, comment: str = "") -> Replacement:
    """
    Look whether everything holds that has to after a cutover: nobody stranded, ranks continuous, the way back intact.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; UnableToReplace - not_verified, which says what does not
    hold.
    Writes: reviews_replacement, reviews_replacementtransition, plum_auditevent, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id)
    checks = check_replacement(replacement, at)
    fault = say_checks(checks)
    if fault:
        raise UnableToReplace("not_verified", f"It does not hold yet: {fault} The state is as it was.")
    take(replacement, "verify", actor, at, comment, checks=[check.as_json() for check in checks])
    return replacement


@transaction.atomic
def complete_replacement(*, replacement_id: int, actor: User | str, at: datetime, comment: str = "") -> Replacement:
    """
    End a replacement that was verified: old offers are retired where they go for everyone, the partner where all of it goes.
    What members hold is honoured all the same. The corrective action is executed, and its effect is measured.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; UnableToReplace - not_verified.
    Writes: offers_offer, offers_offertransition, partners_partner, partners_partnertransition, reviews_replacement,
    reviews_replacementtransition, reviews_correctiveaction, reviews_actiontransition, plum_auditevent, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id)
    fault = say_checks(check_replacement(replacement, at))
    if fault:
        raise UnableToReplace("not_verified", f"It does not hold any more: {fault} Nothing was changed.")
    take(replacement, "complete", actor, at, comment, ended_at=at)
    why, reference = f"Replacement {replacement.pk} is complete.", source_ref(replacement)
    if replacement.segment_id is None:
        for row in replacement.offers.filter(old__isnull=False).select_related("old"):
            if row.old is not None and row.old.state != OfferState.RETIRED:
                change_offer_state(offer_id=row.old.pk, name="retire", actor=actor, at=at, comment=why, source_ref=reference)
    if is_whole(replacement) and Partner.objects.get(pk=replacement.partner_id).state != PartnerState.RETIRED:
        change_partner_state(
            partner_id=replacement.partner_id, name="retire", actor=actor, at=at, comment=why, source_ref=reference
        )
    replacement.after = read_state(replacement, local_date(at, replacement.program.time_zone))
    replacement.save(update_fields=["after"])
    finish_action(
        action_id=replacement.action_id,
        after={"replacement": replacement.pk, "successor": replacement.successor and replacement.successor.external_id},
        at=at,
        executed_at=replacement.cut_over_at,
        design=replacement.design,
    )
    return replacement


@transaction.atomic
def roll_back_replacement(*, replacement_id: int, actor: User | str, at: datetime, comment: str) -> Replacement:
    """
    Take back a cutover, within 30 days: what was there before is there again, if nobody has changed it since. Members who were
    told a last day are told that the offers stay. One that was not completed yet can go on from any earlier step.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - comment_required; UnableToReplace - too_late;
    ChangedSince, with the three versions.
    Writes: as undo_cutover, and reviews_replacement, reviews_replacementtransition, reviews_replacementholder,
    reviews_correctiveaction, reviews_actiontransition, plum_job, plum_outbox, plum_auditevent, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id)
    if replacement.state == ReplacementState.COMPLETED:  # its action is done: it is reverted, which comes back here
        revert_action(action_id=replacement.action_id, actor=actor, at=at, comment=comment)
        return lock_replacement(replacement_id)
    return take_back(replacement=replacement, actor=actor, at=at, comment=comment)


def take_back(*, replacement: Replacement, actor: User | str, at: datetime, comment: str) -> Replacement:
    """
    As roll_back_replacement, for a locked replacement whose action needs nothing.

    Raises, Writes: as roll_back_replacement, in the caller's transaction.
    """
    if not is_in_time(replacement.cut_over_at, at):
        sentence = f"A cutover is rolled back within {UNDO_DAYS} days. Nothing was changed: open another replacement instead."
        raise UnableToReplace("too_late", sentence)
    was_completed = replacement.state == ReplacementState.COMPLETED
    take(replacement, "roll_back", actor, at, comment, revision=replacement.revision + 1, ended_at=None)
    undo_cutover(replacement=replacement, actor=actor, at=at)
    if was_completed:
        return_partner(replacement, actor, at, comment)
    recall_holders(replacement=replacement, at=at)
    tell_partners(replacement=replacement, at=at)
    return replacement


@transaction.atomic
def go_back(*, replacement_id: int, name: str, actor: User | str, at: datetime, comment: str) -> Replacement:
    """
    Go back to an earlier step before the cutover, or after it was rolled back. An approval is void, and a trial ends. name: of
    BACK.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - comment_required, no_successor;
    UnableToReplace - ended.
    Writes: as close_trial, and reviews_replacement, reviews_replacementtransition, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id)
    if name not in BACK:
        raise DomainError("transition_refused", f"{name!r} is no way back. Nothing was changed. There are: {', '.join(BACK)}.")
    if replacement.action.state != ActionState.EXECUTING:
        raise UnableToReplace("ended", "The action of this replacement is over. Nothing was changed: propose another one.")
    changes = {"revision": replacement.revision + 1, "mapper": None, "mapped_at": None, "accepted_gaps": [], **UNAPPROVED}
    if name != "back_to_candidates":
        refuse_without(replacement)
    take(replacement, name, actor, at, comment, **changes)
    close_trial(replacement=replacement, actor=actor, at=at)
    return replacement


@transaction.atomic
def cancel_replacement(*, replacement_id: int, actor: User | str, at: datetime, comment: str) -> Replacement:
    """
    Call a replacement off before its cutover, or after a rollback: the partner stays, and a trial ends.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - comment_required.
    Writes: as close_trial, and reviews_replacement, reviews_replacementtransition, reviews_correctiveaction,
    reviews_actiontransition, plum_outbox, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id)
    take(replacement, "cancel", actor, at, comment, ended_at=at, revision=replacement.revision + 1, scheduled_at=None)
    close_trial(replacement=replacement, actor=actor, at=at)
    return_partner(replacement, actor, at, comment)
    fail_action(action_id=replacement.action_id, reason=f"The replacement was called off: {comment}", at=at)
    return replacement


def return_partner(replacement: Replacement, actor: User | str, at: datetime, comment: str) -> None:
    """
    The partner is not being replaced any more, where the replacement had made it so.

    Raises: nothing.
    Writes: partners_partner, partners_partnertransition, plum_auditevent.
    """
    partner = Partner.objects.get(pk=replacement.partner_id)
    if is_whole(replacement) and partner.state == PartnerState.REPLACING:
        change_partner_state(
            partner_id=partner.pk,
            name="stop_replacement",
            actor=audit.SYSTEM,
            at=at,
            comment=f"{audit.actor_name(actor)}: {comment}",
            source_ref=source_ref(replacement),
        )
