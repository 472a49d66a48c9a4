"""Trying the successor's offers with a share of members, before the cutover: champion and challenger."""

from datetime import datetime, timedelta

from django.db import transaction

from offers.choices import OfferState
from offers.models import Offer
from offers.services import end_trial, start_trial
from partners.choices import SUPPLYING
from partners.models import Partner, Program
from partners.services import change_partner_state
from plum_site.lib import audit
from plum_site.lib.crashpoints import crashpoint
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import User
from plum_site.lib.periods import local_date
from plum_site.lib.workflow import find_transition
from reviews.models import Replacement
from reviews.rules.actions import SOLO_HOURS
from reviews.selectors.replacements import compare_arms
from reviews.selectors.replacements.state import State, list_mapped_offers, read_state
from reviews.services.replacements.gaps import check_gaps
from reviews.services.replacements.log import lock_replacement, take
from reviews.services.replacements.mapping import check_saved
from reviews.services.replacements.notices import tell_challenger
from reviews.services.replacements.opening import source_ref
from reviews.services.replacements.placing import JOIN, bring_in, say_why, take_step
from reviews.workflow import REPLACEMENT_TRANSITIONS


@transaction.atomic
def start_replacement_trial(
    *, replacement_id: int, share_percent: int, actor: User | str, at: datetime, comment: str = "", replaces: int | None = None
) -> Replacement:
    """
    Show a share of members the new offers in the places of the old ones, from now on; nobody else is shown anything new. The
    successor joins and its drafts are published, as they would be by the cutover; its contacts are told by mail, those of the
    partner that may go are not. Where one person approved it, not before the 24 hours that such an approval waits.

    Another trial of the same replacement draws the same members first, so that a share can grow from trial to trial.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - no_successor, invalid_share, invalid_time,
    invalid_mapping, tried_already, gaps_not_accepted, changed_since.
    Writes: offers_catalogtrial, offers_catalogtrialoffer, offers_offer, offers_offertransition, offers_audience,
    partners_partner, partners_partnertransition, partners_program.catalog_revision, reviews_replacement,
    reviews_replacementtransition, plum_outbox, plum_auditevent, what listeners write; one transaction.
    Source: docs/rules/trial.md
    """
    replacement = lock_replacement(replacement_id, replaces)
    find_transition(REPLACEMENT_TRANSITIONS, "start_trial", replacement.state)
    program = Program.objects.select_for_update().get(pk=replacement.program_id)
    _check_start(replacement, at)
    check_gaps(replacement, check_saved(replacement, at), at)
    today = local_date(at, program.time_zone)
    before = read_state(replacement, today)
    trial = start_trial(
        program_id=program.pk,
        pairs=list(replacement.offers.order_by("id").values_list("old_id", "new_id")),
        share_percent=share_percent,
        salt=f"replacement:{program.uuid}:{replacement.pk}",
        segment_id=replacement.segment_id,
        actor=actor,
        at=at,
        source_ref=source_ref(replacement),
    )
    take(replacement, "start_trial", actor, at, comment, trial=trial, trial_before=before)
    crashpoint("trial.started")
    bring_in(replacement, today, at)
    crashpoint("trial.brought_in")
    tell_challenger(replacement=replacement, at=at)
    return replacement


@transaction.atomic
def end_replacement_trial(*, replacement_id: int, actor: User | str, at: datetime, comment: str = "") -> Replacement:
    """
    End a trial: everybody is shown the old offers again, and the replacement stays approved.

    Raises: NotFound; NotAllowed; DomainError - transition_refused.
    Writes: as close_trial, and reviews_replacement, reviews_replacementtransition, what listeners write; one transaction.
    Source: docs/rules/trial.md
    """
    replacement = lock_replacement(replacement_id)
    take(replacement, "end_trial", actor, at, comment)
    close_trial(replacement=replacement, actor=actor, at=at)
    crashpoint("trial.ended")
    return replacement


def close_trial(*, replacement: Replacement, actor: User | str, at: datetime) -> None:
    """
    End the trial of a replacement, if one runs: offers that were published for it are paused, and so is a successor that joined
    for it and offers nothing else. What members unlocked or activated of them is honoured. The successor's contacts are told by
    mail, with what was found.

    Raises: nothing.
    Writes: offers_catalogtrial, offers_offer, offers_offertransition, partners_partner, partners_partnertransition,
    partners_program.catalog_revision, plum_outbox, plum_auditevent; in the caller's transaction. Nothing if none runs.
    Source: docs/rules/trial.md
    """
    if not is_on_trial(replacement):
        return
    before, verdicts = replacement.trial_before or {}, _find_verdicts(replacement, at)
    for offer in _list_fresh(replacement):
        if offer.state == OfferState.PUBLISHED:
            take_step(replacement, offer, "pause", actor, at)
    crashpoint("trial.taken_out")
    _end(replacement, actor, at)
    successor = Partner.objects.filter(pk=replacement.successor_id or 0, state__in=SUPPLYING).first()
    offers_more = Offer.objects.filter(partner=successor, state=OfferState.PUBLISHED).exists()
    if successor is not None and before["successor"] in JOIN and not offers_more:
        change_partner_state(
            partner_id=successor.pk,
            name="pause",
            actor=actor,
            at=at,
            comment=f"The trial of replacement {replacement.pk} ended. {say_why(replacement)}",
            source_ref=source_ref(replacement),
        )
    tell_challenger(replacement=replacement, at=at, verdicts=verdicts)


def finish_trial(*, replacement: Replacement, before: State, at: datetime) -> State:
    """
    End the trial of a replacement by its cutover, if one runs: what was tried stays, for everybody.

    Shape: of before, as the cutover found it, the parts that the trial had changed, as the trial found them.
    Raises: nothing.
    Writes: offers_catalogtrial, partners_program.catalog_revision, plum_auditevent; in the caller's transaction.
    Source: docs/rules/trial.md
    """
    if not is_on_trial(replacement):
        return {}
    found = replacement.trial_before or {}
    names = [offer.external_id for offer in _list_fresh(replacement)]
    _end(replacement, audit.SYSTEM, at)
    changed = {part: before[part] | {name: found[part][name] for name in names} for part in ("offers", "audiences")}
    return changed | {"successor": found["successor"]}


def is_on_trial(replacement: Replacement) -> bool:
    """
    Whether a trial of a replacement runs.

    Raises: nothing.
    Writes: nothing.
    """
    return replacement.trial is not None and replacement.trial.ended_at is None


def _check_start(replacement: Replacement, at: datetime) -> None:
    """InvalidInput for a replacement of which nothing can be tried, or not yet."""
    if not replacement.offers.filter(new__isnull=False).exists():
        sentence = "It goes without a successor: there is nothing to try. Schedule the cutover instead."
        raise InvalidInput("no_successor", f"Nothing was changed. {sentence}")
    if replacement.is_solo and replacement.approved_at is not None:
        earliest = replacement.approved_at + timedelta(hours=SOLO_HOURS)
        if at < earliest:
            sentence = f"One person approved it: it waits {SOLO_HOURS} hours. Try it from {earliest:%Y-%m-%d %H:%M} UTC on."
            raise InvalidInput("invalid_time", f"Nothing was changed. {sentence}")


def _find_verdicts(replacement: Replacement, at: datetime) -> dict[str, str]:
    """What both arms come to by metric; nothing where they cannot be compared, which keeps nobody from ending a trial."""
    try:
        compared = compare_arms(replacement, at)
    except DomainError:
        return {}
    return {figure.metric: str(figure.effect.verdict) for figure in compared.figures} if compared else {}


def _end(replacement: Replacement, actor: User | str, at: datetime) -> None:
    if replacement.trial_id is not None:
        replacement.trial = end_trial(trial_id=replacement.trial_id, actor=actor, at=at)


def _list_fresh(replacement: Replacement) -> list[Offer]:
    """The offers that the trial brought into the catalog."""
    fresh = set(replacement.trial.offers.filter(is_fresh=True).values_list("new_id", flat=True)) if replacement.trial else set()
    return [offer for offer in list_mapped_offers(replacement) if offer.pk in fresh]
