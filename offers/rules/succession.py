"""When one offer follows another in the order of a catalog: what takes which place. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from offers.rules.rankings import Order, lay_out


def inherit(order: Order, successors: Mapping[int, int], *, keeps_old: bool) -> Order:
    """
    The order with every successor at the place of the offer that it follows; of several that it follows, at the first.

    successors: old offer to new offer; offers that nothing follows are not named. An old offer comes right behind its
    successor, so that it is there again if the succession is taken back by hand. keeps_old: others still see the old offer, so
    that pins stay with it; otherwise a pin goes over to the successor, and being hidden to one that was not live before.

    A successor that stands before the old offer already stays there.

    Shape: one Order, laid out.
    Source: docs/rules/replacement.md
    """
    places = {offer: place for place, offer in enumerate(order.offers)}
    heirs: dict[int, list[int]] = {}
    for old, new in successors.items():
        heirs.setdefault(new, []).append(old)
    firsts = {min((places[old] for old in olds if old in places), default=len(places)): new for new, olds in heirs.items()}
    moved = {new for place, new in firsts.items() if places.get(new, len(places)) > place}
    line: list[int] = []
    for place, offer in enumerate(order.offers):
        if place in firsts and firsts[place] in moved:
            line.append(firsts[place])
        if offer not in moved:
            line.append(offer)
    line += [new for new in heirs if new not in line]
    wanted = replace(order, offers=tuple(line))
    return lay_out(wanted if keeps_old else _hand_over(wanted, successors))


def succeed(shown: Sequence[str], successors: Mapping[str, str | None]) -> list[str]:
    """
    What is shown once every old offer has given its place to its successor (None: to nobody), each new one once.

    Shape: offers, best first.
    Source: docs/rules/replacement.md
    """
    line = dict.fromkeys(successors.get(offer, offer) for offer in shown)
    return [offer for offer in line if offer is not None]


def _hand_over(order: Order, successors: Mapping[int, int]) -> Order:
    """Pins and hiding of old offers as those of their successors; a successor that is pinned keeps its own place."""
    pinned, hidden = dict(order.pinned), set(order.hidden)
    for old, new in sorted(successors.items(), key=lambda pair: order.pinned.get(pair[0], 0)):
        place = pinned.pop(old, None)
        if place is not None and new not in pinned and new not in hidden:
            pinned[new] = place
    for new in set(successors.values()):
        olds = [old for old, follower in successors.items() if follower == new]
        if new in order.absent and new not in pinned and all(old in order.hidden for old in olds):
            hidden.add(new)
    return replace(order, pinned=pinned, hidden=frozenset(hidden))
