"""
The cutover: in one transaction new offers take the places of old ones, which take no new unlocks from then on; and its undoing.

What members have activated is honoured: the ledger takes activations, redemptions and reversals of every offer for ever.
"""

from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from offers.choices import OfferState
from offers.rules import Order, inherit
from offers.selectors import find_order, find_ranking, list_ranked_segments, read_audiences
from offers.services import leave_out_segment, restore_audiences, restore_ranking, save_ranking
from partners.choices import PartnerState
from partners.models import Program
from partners.services import change_partner_state
from plum_site.lib import audit
from plum_site.lib.crashpoints import crashpoint
from plum_site.lib.errors import DomainError
from plum_site.lib.models import User
from plum_site.lib.periods import local_date
from reviews.choices import ReplacementState
from reviews.models import Replacement
from reviews.selectors.replacements.losses import list_categories
from reviews.selectors.replacements.state import State, list_mapped_offers, read_catalogs, read_state
from reviews.services.actions.effects import design_against_others
from reviews.services.actions.kinds.base import ChangedSince
from reviews.services.replacements.gaps import check_gaps
from reviews.services.replacements.holders import freeze_holders, plan_telling
from reviews.services.replacements.log import UNAPPROVED, lock_replacement, take_by_itself
from reviews.services.replacements.mapping import check_saved
from reviews.services.replacements.notices import tell_of_failed_cutover, tell_partners
from reviews.services.replacements.opening import source_ref
from reviews.services.replacements.placing import JOIN, bring_in, restore_offer, say_why, take_step
from reviews.services.replacements.trying import close_trial, finish_trial


def cut_over(*, replacement_id: int, revision: int, at: datetime) -> Replacement:
    """
    Carry out a scheduled cutover, if it still waits as it was scheduled: everything is one transaction, so that any number of
    runs, and a crash anywhere, leave one cutover. What cannot be carried out fails with a reason, and changes nothing. A trial
    that still runs ends in it, either way.

    Raises: NotFound.
    Writes: offers_offer, offers_offertransition, offers_audience, offers_rankingrevision, partners_partner,
    partners_partnertransition, partners_program.catalog_revision, reviews_replacement, reviews_replacementtransition,
    reviews_replacementholder, plum_job, plum_outbox, plum_auditevent, what listeners write; one transaction.
    Source: docs/rules/replacement.md
    """
    with transaction.atomic():
        replacement = lock_replacement(replacement_id)
        if replacement.state != ReplacementState.SCHEDULED or replacement.revision != revision:
            return replacement
        crashpoint("replacement.locked")
        try:
            with transaction.atomic():
                _cut_over(replacement, at)
        except DomainError as error:
            replacement.refresh_from_db()
            take_by_itself(replacement, "fail", at, error.detail, failure=error.detail, **UNAPPROVED)
            close_trial(replacement=replacement, actor=audit.SYSTEM, at=at)
            tell_of_failed_cutover(replacement=replacement, at=at)
        crashpoint("replacement.before_commit")
    crashpoint("replacement.committed")
    return replacement


def _cut_over(replacement: Replacement, at: datetime) -> None:
    program = Program.objects.select_for_update().get(pk=replacement.program_id)
    today = local_date(at, program.time_zone)
    check_gaps(replacement, check_saved(replacement, at), at)
    replacement.cut_over_at = at
    seen = {"catalogs": read_catalogs(replacement, today), "categories": list_categories(replacement, today)}
    before = read_state(replacement, today) | seen
    design = design_against_others(replacement.action, at)
    orders = _plan_orders(replacement, today)
    before |= finish_trial(replacement=replacement, before=before, at=at)
    bring_in(replacement, today, at)
    _take_out(replacement, today, at)
    crashpoint("replacement.offers_changed")
    for segment_id, order in orders.items():
        save_ranking(
            program_id=program.pk,
            segment_id=segment_id,
            offer_ids=order.offers,
            pinned=order.pinned,
            hidden=order.hidden,
            actor=audit.SYSTEM,
            at=at,
            comment=say_why(replacement),
            source_ref=source_ref(replacement),
        )
    crashpoint("replacement.ranked")
    after = read_state(replacement, today)
    last_day = today + timedelta(days=replacement.last_activation_days)
    stamps: dict[str, Any] = {
        "cut_over_at": at,
        "before": before,
        "after": after,
        "design": design.as_json(),
        "last_activation_date": last_day,
        "failure": "",
    }
    take_by_itself(replacement, "cut_over", at, **stamps)
    freeze_holders(replacement=replacement, at=at)
    crashpoint("replacement.holders_frozen")
    plan_telling(replacement=replacement, at=at, key=str(replacement.revision))
    tell_partners(replacement=replacement, at=at)


def undo_cutover(*, replacement: Replacement, actor: User | str, at: datetime) -> None:
    """
    Put back what was there before a cutover, where everything still is as it left it: what members see is as before. Offers
    that were drafts are paused then, and a successor that joined by it is paused too.

    Raises: ChangedSince, with the three versions.
    Writes: offers_offer, offers_offertransition, offers_audience, offers_rankingrevision, partners_partner,
    partners_partnertransition, partners_program.catalog_revision, plum_auditevent; in the caller's transaction.
    Source: docs/rules/replacement.md
    """
    program = Program.objects.select_for_update().get(pk=replacement.program_id)
    today = local_date(at, program.time_zone)
    before, after, now = replacement.before or {}, replacement.after or {}, read_state(replacement, today)
    if now != after:
        sentence = "Somebody changed since what the cutover left. Nothing was changed: put that back first, or leave it."
        raise ChangedSince(sentence, {name: before[name] for name in after}, after, now)
    offers = {offer.external_id: offer for offer in list_mapped_offers(replacement)}
    for name, offer in offers.items():
        restore_offer(replacement, offer, before["offers"][name], actor, at)
        if before["audiences"][name] != after["audiences"][name]:
            restore_audiences(offer_id=offer.pk, earlier=before["audiences"][name], starts_date=today, actor=actor, at=at)
    for key, number in after["rankings"].items():
        if before["rankings"].get(key, 0) != number:
            restore_ranking(
                program_id=program.pk,
                segment_id=int(key) if key else None,
                revision=before["rankings"].get(key, 0),
                replaces=number,
                actor=actor,
                at=at,
                comment=f"Replacement {replacement.pk} was rolled back.",
                source_ref=source_ref(replacement),
            )
    _restore_partners(replacement, before, actor, at)


def _plan_orders(replacement: Replacement, today: date) -> dict[int | None, Order]:
    """The rankings as they will be, by segment row id (None: everyone's); those that stay as they are left out."""
    rows = replacement.offers.order_by("id")
    successors = {row.old_id: row.new_id for row in rows if row.old_id is not None and row.new_id is not None}
    program_id, own = replacement.program_id, replacement.segment_id
    keys: list[int | None] = [None, *(segment.pk for segment in list_ranked_segments(program_id))]
    everyone = find_order(program_id, None, today)
    if own is not None and own not in keys and any(old in everyone.pinned for old in successors):
        keys.append(own)  # its successors have to be pinned for this segment alone
    orders: dict[int | None, Order] = {}
    for key in keys if successors else ():
        order = find_order(program_id, key, today)
        wanted = inherit(order, successors, keeps_old=own is not None and key != own)
        if wanted != order or find_ranking(program_id, key) is None:
            orders[key] = wanted
    return orders


def _take_out(replacement: Replacement, today: date, at: datetime) -> None:
    """Old offers take no new unlocks: paused, or closed to the segment where others keep them."""
    segment_id = replacement.segment_id
    for row in replacement.offers.filter(old__isnull=False).select_related("old").order_by("id"):
        old = row.old
        if old is None:
            continue
        is_for_all = segment_id is None or any(said["segment"] == segment_id for said in read_audiences(old.pk, today))
        if not is_for_all and segment_id is not None:
            leave_out_segment(offer_id=old.pk, segment_id=segment_id, starts_date=today, actor=audit.SYSTEM, at=at)
        elif old.state == OfferState.PUBLISHED:
            take_step(replacement, old, "pause", audit.SYSTEM, at)


def _restore_partners(replacement: Replacement, before: State, actor: User | str, at: datetime) -> None:
    replacement.partner.refresh_from_db(fields=["state"])
    comment, reference = f"Replacement {replacement.pk} was rolled back.", source_ref(replacement)
    if replacement.partner.state == PartnerState.RETIRED:
        change_partner_state(
            partner_id=replacement.partner_id, name="reinstate", actor=actor, at=at, comment=comment, source_ref=reference
        )
    if replacement.successor_id is not None and before["successor"] in JOIN:
        change_partner_state(
            partner_id=replacement.successor_id, name="pause", actor=actor, at=at, comment=comment, source_ref=reference
        )
