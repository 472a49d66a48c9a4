"""Re-ranking: a new revision of the order of offers, for everyone or for one segment."""

from collections.abc import Callable
from datetime import datetime

from offers.models import RankingRevision
from offers.rules import Order, hide, lower, move, pin, show, surface, unpin
from offers.selectors import find_order, find_ranking
from offers.services import restore_ranking, save_ranking
from plum_site.lib import audit
from plum_site.lib.errors import DomainError
from plum_site.lib.periods import local_date
from reviews.models import CorrectiveAction
from reviews.services.actions.kinds.base import (
    Applied,
    Change,
    ChangedSince,
    Handling,
    Preview,
    State,
    UnableToExecute,
    source_ref,
)
from reviews.services.actions.kinds.offers import named_offers

# What each way of re-ranking does with one offer, and with the next one at the place behind it.
STEPS: dict[str, Callable[[Order, int, int], Order]] = {
    "top": lambda order, offer, place: surface(order, offer),
    "place": move,
    "lower": lower,
    "pin": pin,
    "unpin": lambda order, offer, place: unpin(order, offer),
    "hide": lambda order, offer, place: hide(order, offer),
    "show": lambda order, offer, place: show(order, offer),
}


def preview(action: CorrectiveAction, at: datetime) -> Preview:
    """Each offer's place before and after."""
    order, wanted = _orders(action, at)
    offers = named_offers(action)
    return Preview(tuple(Change(offer.external_id, _say(order, offer.pk), _say(wanted, offer.pk)) for offer in offers))


def apply(action: CorrectiveAction, at: datetime) -> Applied:
    """Save the new order."""
    before = find_ranking(action.program_id, action.segment_id)
    _, wanted = _orders(action, at)
    made = save_ranking(
        program_id=action.program_id,
        segment_id=action.segment_id,
        offer_ids=wanted.offers,
        pinned=wanted.pinned,
        hidden=wanted.hidden,
        actor=audit.SYSTEM,
        at=at,
        comment=action.reason or f"Corrective action {action.pk}.",
        source_ref=source_ref(action),
    )
    return Applied(_as_state(before), _as_state(made))


def undo(action: CorrectiveAction, done: Applied, actor: str, at: datetime) -> None:
    """Put the order from before back, if it is still the one that the action left."""
    now = _as_state(find_ranking(action.program_id, action.segment_id))
    if now != done.after:
        raise ChangedSince("Somebody changed the order since. Nothing was changed.", done.before, done.after, now)
    restore_ranking(
        program_id=action.program_id,
        segment_id=action.segment_id,
        revision=done.before["revision"],
        replaces=now["revision"],
        actor=actor,
        at=at,
        comment=f"Corrective action {action.pk} was reverted.",
        source_ref=source_ref(action),
    )


def _orders(action: CorrectiveAction, at: datetime) -> tuple[Order, Order]:
    """The order as it is now, and as the action makes it."""
    order = find_order(action.program_id, action.segment_id, local_date(at, action.program.time_zone))
    how, place = action.params["how"], action.params.get("place", 0)
    offers = [offer.pk for offer in named_offers(action)]
    if how in ("top", "lower"):
        offers.reverse()  # each goes before the one that went before it, so that they stand as they are named
    wanted = order
    for number, offer in enumerate(offers):
        step = number if how in ("place", "pin") else 0
        try:
            wanted = STEPS[how](wanted, offer, place + step)
        except DomainError as error:
            raise UnableToExecute(error.code, error.detail) from error
    if wanted == order:
        raise UnableToExecute("same_order", "The offers stand there already. Nothing would change.")
    return order, wanted


def _say(order: Order, offer: int) -> str:
    """Where an offer stands in an order."""
    if offer in order.hidden:
        return "hidden"
    if offer in order.absent:
        return "not live"
    place = f"place {order.shown.index(offer) + 1}"
    return f"{place}, pinned" if offer in order.pinned else place


def _as_state(revision: RankingRevision | None) -> State:
    if revision is None:
        return {"revision": 0}
    return {
        "revision": revision.number,
        "offer_ids": list(revision.offer_ids),
        "pinned": dict(revision.pinned),
        "hidden": list(revision.hidden),
    }


RERANK = Handling(preview, apply, undo)
