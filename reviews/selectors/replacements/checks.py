"""What must hold after a cutover, looked at anew: nobody stranded, ranks continuous, the way back intact."""

from datetime import date, datetime, timedelta
from typing import Any

from activity.choices import Kind, Outcome, Status
from activity.models import Event
from activity.rules import check_event
from activity.rules.events import IncomingEvent
from activity.services.rehearsal import foresee_events
from offers.choices import PresentState
from offers.selectors import find_ranking, list_ranked, load_catalog, present_state
from plum_site.lib.choices import OutboxState
from plum_site.lib.models import Outbox
from plum_site.lib.periods import local_date
from reviews.choices import HolderState
from reviews.models import Replacement
from reviews.rules.actions import UNDO_DAYS, is_in_time
from reviews.rules.replacements import Check, Gap, check_ranks
from reviews.selectors.replacements.holders import list_holdings
from reviews.selectors.replacements.losses import list_categories
from reviews.selectors.replacements.scope import read_pairs, successors_of
from reviews.selectors.replacements.state import list_mapped_offers, read_state

MOST_NAMED = 20  # faults that one check lists


def check_replacement(replacement: Replacement, at: datetime) -> list[Check]:
    """
    Everything that must hold after the cutover of a replacement, as it stands now.

    Shape: Checks, in the order in which they are read; one that says so where there was no cutover yet.
    Source: docs/rules/replacement.md
    """
    if replacement.cut_over_at is None or replacement.after is None:
        return [Check("cut_over", "There was no cutover yet.", 0, ("nothing can be verified",))]
    today = local_date(at, replacement.program.time_zone)
    return [
        _check_old_offers(replacement, today),
        _check_successors(replacement, today),
        _check_holders(replacement, at),
        _check_honoured(replacement, at),
        _check_order(replacement, today),
        _check_gaps(replacement, today),
        _check_way_back(replacement, today, at),
    ]


def _check_old_offers(replacement: Replacement, today: date) -> Check:
    """Nobody is shown an old offer any more; unlocks that came all the same are said, because the ledger keeps facts."""
    names = [pair.old for pair in read_pairs(replacement) if pair.old is not None]
    shown = {one.offer.external_id for one in _base_catalog(replacement, today)}
    ids = _old_ids(replacement)
    late = Event.objects.filter(
        program=replacement.program_id,
        offer__in=ids,
        kind=Kind.UNLOCKED,
        status=Status.CONFIRMED,
        occurred_at__gt=replacement.cut_over_at,
    )
    said = f" {count:,} unlocks came all the same." if replacement.segment_id is None and (count := late.count()) else ""
    sentence = f"Old offers take no new unlocks.{said}"
    return _checked("old_offers_closed", sentence, len(names), (f"{name} is still shown" for name in names if name in shown))


def _check_successors(replacement: Replacement, today: date) -> Check:
    """What follows is live, and so is whoever supplies it."""
    news = sorted({pair.new for pair in read_pairs(replacement) if pair.new is not None})
    offers = {offer.external_id: offer for offer in list_mapped_offers(replacement)}
    faults = (
        f"{name} is {state.label.lower()}"
        for name in news
        if (state := present_state(offers[name], today)) not in (PresentState.LIVE, PresentState.SCHEDULED)
    )
    return _checked("successors_live", "New offers are live, or will be by their dates.", len(news), faults)


def _check_holders(replacement: Replacement, at: datetime) -> Check:
    """Whoever holds an unlocked old offer was told until when it can be activated, and has that time."""
    ids = _old_ids(replacement)
    known = set(replacement.holders.values_list("member_id", "offer_id"))
    until = replacement.cut_over_at or at
    missed = sum((one.member_id, one.offer_id) not in known for one in list_holdings(replacement, ids, until, at))
    waiting = replacement.holders.filter(state=HolderState.WAITING).count()
    dead = Outbox.objects.filter(dedup_key__startswith=f"holders:{replacement.pk}:told:", state=OutboxState.DEAD).count()
    unreachable = replacement.holders.filter(state=HolderState.UNREACHABLE).count()
    faults = [
        *([f"{missed:,} unlocks of members who were not told"] if missed else []),
        *([f"{waiting:,} unlocks of members who wait to be told"] if waiting else []),
        *([f"{dead:,} mails that could not be delivered"] if dead else []),
    ]
    day, first = replacement.last_activation_date, local_date(until, replacement.program.time_zone)
    if day is None or day < first + timedelta(days=replacement.last_activation_days):
        faults.append("the last activation day is earlier than was agreed")
    said = f" {unreachable:,} have no address and no outside id: nobody can reach them." if unreachable else ""
    return _checked("nobody_stranded", f"Holders of unlocked offers were told the last day.{said}", len(known), faults)


def _check_honoured(replacement: Replacement, at: datetime) -> Check:
    """An activation and a redemption of every old offer would be taken into the ledger now, by the rules of ingest."""
    names = [pair.old for pair in read_pairs(replacement) if pair.old is not None]
    events = [_made_up(name, kind, at) for name in names for kind in ("activated", "redeemed")]
    receipt = foresee_events(program=replacement.program, events=events, catalog=load_catalog(replacement.program_id))
    faults = [f"{item.code}: {item.detail}" for item in receipt.notable if item.outcome is Outcome.REJECTED]
    return _checked("activated_honoured", "What members have activated is honoured.", len(names), faults)


def _made_up(offer: str, kind: str, at: datetime) -> IncomingEvent:
    fields = {"event_id": f"check-{kind}-{offer}", "occurred_at": at.isoformat(), "kind": kind, "member": "check", "offer": offer}
    event = check_event(fields, source="check", at=at)
    if not isinstance(event, IncomingEvent):
        raise ValueError(event.detail)
    return event


def _check_order(replacement: Replacement, today: date) -> Check:
    """Every successor stands where the old offer stood, in every catalog whose ranking nobody has changed since."""
    before, after = replacement.before or {}, replacement.after or {}
    successors = successors_of(read_pairs(replacement))
    faults, counted, changed = [], 0, 0
    for key, shown in before.get("catalogs", {}).items():
        segment_id = int(key) if key else None
        ranking = find_ranking(replacement.program_id, segment_id)
        if after["rankings"].get(key, 0) != (ranking.number if ranking else 0):
            changed += 1
            continue
        counted += 1
        now = [one.offer.external_id for one in list_ranked(replacement.program_id, None, today, segment_id)]
        base = segment_id == replacement.segment_id
        faults += check_ranks(
            "Everyone's catalog" if segment_id is None else f"The catalog of segment {segment_id}",
            shown,
            now,
            successors,
            pinned=_pinned(replacement, ranking),
            must_show=base,
        )
    said = f" {changed} rankings were changed since and are not compared." if changed else ""
    return _checked("ranks_continuous", f"New offers stand where the old ones stood.{said}", counted, faults)


def _pinned(replacement: Replacement, ranking: Any) -> set[str]:
    """Offers that a ranking pins, by external id."""
    pins = set(ranking.pins) if ranking is not None else set()
    return {name for name, facts in load_catalog(replacement.program_id).items() if facts.id in pins}


def _check_gaps(replacement: Replacement, today: date) -> Check:
    """Nobody lost the only choice in a category, but for what was accepted: by what could be chosen before, and now."""
    accepted, now = set(replacement.accepted_gaps), list_categories(replacement, today)
    before = (replacement.before or {}).get("categories", {})
    gaps = [Gap(group, category) for group, own in before.items() for category in own if category not in now.get(group, own)]
    faults = (f"nothing is left in {gap.category} for {gap.group or 'everyone'}" for gap in gaps if gap.key not in accepted)
    return _checked("gaps_accepted", "What nobody offers any more was accepted.", len(accepted), faults)


def _check_way_back(replacement: Replacement, today: date, at: datetime) -> Check:
    """What the cutover left still stands, so that it can be taken back."""
    if not is_in_time(replacement.cut_over_at, at):
        return _checked("rollback_intact", f"The {UNDO_DAYS} days in which it could be rolled back are over.", 0, ())
    after, now = replacement.after or {}, read_state(replacement, today)
    faults = [f"{name} was changed since" for name in after if after[name] != now[name]]
    sentence = "The cutover can be rolled back, as far as nobody has changed since what it left."
    return Check("rollback_intact", sentence, len(after), tuple(faults), is_needed=False)


def _old_ids(replacement: Replacement) -> list[int]:
    return [row.old_id for row in replacement.offers.order_by("id") if row.old_id is not None]


def _base_catalog(replacement: Replacement, today: date) -> Any:
    return list_ranked(replacement.program_id, None, today, replacement.segment_id)


def _checked(name: str, sentence: str, counted: int, faults: Any) -> Check:
    found = list(faults)
    more = [f"and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return Check(name, sentence, counted, (*found[:MOST_NAMED], *more))
