"""The order of offers: what may be done with one, and what two of them differ in. Pure."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from offers.choices import OrderChange, OrderStep
from offers.rules.offers import OfferRow
from plum_site.lib.errors import InvalidInput

UNCHANGED = "Nothing was changed."


@dataclass(frozen=True)
class Order:
    """
    An order of offers, best first, as `lay_out` makes it.

    pinned: offer to its place, from 1, among those that are shown. hidden: offers that this audience does not see.
    absent: offers that are not to be seen today for another reason, such as their dates; they have no place meanwhile.
    """

    offers: tuple[int, ...]
    pinned: Mapping[int, int] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()
    absent: AbstractSet[int] = frozenset()

    def is_shown(self, offer: int) -> bool:
        """Whether an offer has a place."""
        return offer not in self.hidden and offer not in self.absent

    @property
    def shown(self) -> list[int]:
        """The offers that have a place, the first at place 1."""
        return [offer for offer in self.offers if self.is_shown(offer)]


def lay_out(order: Order) -> Order:
    """
    The same order with every pinned offer at its place.

    All others keep the order that they have among themselves. Where fewer are shown than a pin's place says, the pinned
    offer is the last; several such follow one another by their places.
    """
    fixed = sorted((place, offer) for offer, place in order.pinned.items() if order.is_shown(offer))
    held = {offer for _place, offer in fixed}
    laid: list[int] = []
    place, waiting = 1, 0
    for offer in order.offers:
        if offer in held:
            continue
        if order.is_shown(offer):
            while waiting < len(fixed) and fixed[waiting][0] <= place:
                laid.append(fixed[waiting][1])
                place, waiting = place + 1, waiting + 1
            place += 1
        laid.append(offer)
    return replace(order, offers=(*laid, *(offer for _place, offer in fixed[waiting:])))


@dataclass(frozen=True)
class Step:
    """One thing to do with one offer. number: the place to move or pin to, or by how many to lower or surface."""

    do: str
    offer: int
    number: int | None = None


@dataclass(frozen=True)
class Difference:
    """How one offer stands in two orders. before, after: its place in each, None without one; changes: of OrderChange."""

    offer: int
    before: int | None
    after: int | None
    changes: tuple[OrderChange, ...]


def check_order(order: Order) -> None:
    """
    Refuse what is no order: an offer twice, two pins on one place, a pin on no place, and what is hidden and pinned at once.

    Raises: InvalidInput (code "named_twice", "place_taken", "no_such_place", "hidden_and_pinned").
    """
    if len(set(order.offers)) < len(order.offers):
        raise InvalidInput("named_twice", f"An offer is in the order twice. {UNCHANGED} Name each once.")
    if any(place < 1 for place in order.pinned.values()):
        raise InvalidInput("no_such_place", f"An offer is pinned to a place before the first. {UNCHANGED} Places begin with 1.")
    if len(set(order.pinned.values())) < len(order.pinned):
        raise InvalidInput("place_taken", f"Two offers are pinned to one place. {UNCHANGED} Give each a place of its own.")
    if not order.hidden.isdisjoint(order.pinned):
        raise InvalidInput("hidden_and_pinned", f"An offer is pinned and hidden at once. {UNCHANGED} Leave one of the two.")


def move(order: Order, offer: int, to: int) -> Order:
    """
    The offer at place `to`; those between its old and its new place close up, pinned ones stay where they are.

    Raises: InvalidInput (code "not_in_order", "not_shown", "pinned", "no_such_place", "place_taken").
    """
    shown = free_to_move(order, offer)
    check_place(order, to)
    if shown[to - 1] != offer and shown[to - 1] in order.pinned:
        detail = f"Place {to} belongs to an offer that is pinned there. {UNCHANGED} Take another place, or unpin that one first."
        raise InvalidInput("place_taken", detail)
    others = [one for one in shown if one != offer and one not in order.pinned]
    return put_before(order, offer, others, to - 1 - sum(one in order.pinned for one in shown[: to - 1]))


def lower(order: Order, offer: int, by: int) -> Order:
    """
    The offer behind the next `by` that are not pinned; at the end, if there are fewer.

    Raises: InvalidInput (code "not_in_order", "not_shown", "pinned", "no_such_distance").
    """
    return shift(order, offer, check_distance(by))


def surface(order: Order, offer: int, by: int | None = None) -> Order:
    """
    The offer before the `by` before it that are not pinned; without a number, at the first place that no pin holds.

    Raises: InvalidInput (code "not_in_order", "not_shown", "pinned", "no_such_distance").
    """
    return shift(order, offer, -len(order.offers) if by is None else -check_distance(by))


def pin(order: Order, offer: int, to: int) -> Order:
    """
    The offer at place `to` whatever else moves, until it is unpinned. An offer that is pinned elsewhere is pinned here then;
    one that is not live yet takes its place when it is.

    Raises: InvalidInput (code "not_in_order", "not_shown", "no_such_place", "place_taken").
    """
    if offer not in order.absent or offer in order.hidden:
        check_shown(order, offer)
    check_named(order, offer)
    check_place(order, to, beyond=offer in order.absent)
    if any(place == to and other != offer for other, place in order.pinned.items()):
        detail = f"Another offer is pinned to place {to}. {UNCHANGED} Unpin that one first, or pin this one to another place."
        raise InvalidInput("place_taken", detail)
    return lay_out(replace(order, pinned={**order.pinned, offer: to}))


def unpin(order: Order, offer: int) -> Order:
    """
    The offer where it is, free to move.

    Raises: InvalidInput (code "not_in_order", "not_pinned").
    """
    check_named(order, offer)
    if offer not in order.pinned:
        raise InvalidInput("not_pinned", f"This offer is not pinned. {UNCHANGED}")
    return lay_out(replace(order, pinned={one: place for one, place in order.pinned.items() if one != offer}))


def hide(order: Order, offer: int) -> Order:
    """
    The offer not shown to this audience, and not pinned any more; shown again, it follows the offers that it follows now.

    Raises: InvalidInput (code "not_in_order", "hidden").
    """
    check_named(order, offer)
    if offer in order.hidden:
        raise InvalidInput("hidden", f"This offer is hidden already. {UNCHANGED}")
    pinned = {one: place for one, place in order.pinned.items() if one != offer}
    return lay_out(replace(order, pinned=pinned, hidden=order.hidden | {offer}))


def show(order: Order, offer: int) -> Order:
    """
    The offer shown again, behind the offers that it followed.

    Raises: InvalidInput (code "not_in_order", "not_hidden").
    """
    check_named(order, offer)
    if offer not in order.hidden:
        raise InvalidInput("not_hidden", f"This offer is not hidden by this ranking. {UNCHANGED}")
    return lay_out(replace(order, hidden=order.hidden - {offer}))


def shift(order: Order, offer: int, by: int) -> Order:
    """The offer `by` places further among those that are not pinned, back if negative, and never beyond an end."""
    shown = free_to_move(order, offer)
    others = [one for one in shown if one not in order.pinned]
    place = others.index(offer)
    others.remove(offer)
    return put_before(order, offer, others, min(max(place + by, 0), len(others)))


def put_before(order: Order, offer: int, others: Sequence[int], index: int) -> Order:
    """The offer before the one at `index` of the others that are shown and not pinned; behind the last where that is past it."""
    rest = [one for one in order.offers if one != offer]
    if index < len(others):
        at = rest.index(others[index])
    elif others:
        at = rest.index(others[-1]) + 1
    else:
        return order
    return lay_out(replace(order, offers=(*rest[:at], offer, *rest[at:])))


def free_to_move(order: Order, offer: int) -> list[int]:
    """What is shown, if the offer is among it and not pinned."""
    check_shown(order, offer)
    if offer in order.pinned:
        detail = f"This offer is pinned to place {order.pinned[offer]}. {UNCHANGED} Unpin it first, or pin it to another place."
        raise InvalidInput("pinned", detail)
    return order.shown


def check_named(order: Order, offer: int) -> None:
    """InvalidInput (code "not_in_order") for an offer that the order does not name."""
    if offer not in order.offers:
        raise InvalidInput("not_in_order", f"This offer is not in this order. {UNCHANGED} Load the page again.")


def check_shown(order: Order, offer: int) -> None:
    """InvalidInput (code "not_in_order" or "not_shown") for an offer without a place."""
    check_named(order, offer)
    if offer in order.hidden:
        raise InvalidInput("not_shown", f"This offer is hidden and has no place. {UNCHANGED} Show it first.")
    if offer in order.absent:
        raise InvalidInput("not_shown", f"This offer is not live today and has no place. {UNCHANGED} Wait until it is live.")


def check_place(order: Order, to: int, *, beyond: bool = False) -> None:
    """InvalidInput (code "no_such_place") unless some offer is at that place, or it is the one `beyond` the last."""
    last = len(order.shown) + beyond
    if not 1 <= to <= last:
        raise InvalidInput("no_such_place", f"There is no place {to}. {UNCHANGED} Write a place from 1 to {last}.")


def check_distance(by: int) -> int:
    """InvalidInput (code "no_such_distance") unless it is 1 or more."""
    if by < 1:
        raise InvalidInput("no_such_distance", f"An offer cannot move by {by} places. {UNCHANGED} Write 1 or more.")
    return by


def find_moved(before: Sequence[int], after: Sequence[int]) -> set[int]:
    """
    The fewest offers in both orders that must have been moved by hand to turn one into the other; all others kept the order
    among themselves and only made room.
    """
    places = {offer: place for place, offer in enumerate(before)}
    line = [offer for offer in after if offer in places]
    ends: list[int] = []  # by length less one: the smallest place on which a rising line of that length ends
    tails: list[int] = []  # the offer there
    previous: dict[int, int | None] = {}
    for offer in line:
        length = bisect_left(ends, places[offer])
        previous[offer] = tails[length - 1] if length else None
        ends[length : length + 1] = [places[offer]]
        tails[length : length + 1] = [offer]
    kept: set[int] = set()
    last = tails[-1] if tails else None
    while last is not None:
        kept.add(last)
        last = previous[last]
    return set(line) - kept


def take_step(order: Order, step: Step) -> Order:
    """
    The order after one step.

    Raises: InvalidInput (code "number_missing", "unknown_step", and those of the step itself).
    """
    simple = {OrderStep.UNPIN: unpin, OrderStep.HIDE: hide, OrderStep.SHOW: show}
    numbered = {OrderStep.MOVE: move, OrderStep.LOWER: lower, OrderStep.SURFACE: surface, OrderStep.PIN: pin}
    if step.do in simple:
        return simple[OrderStep(step.do)](order, step.offer)
    if step.do == OrderStep.SURFACE and step.number is None:
        return surface(order, step.offer)
    if step.do not in numbered:
        raise InvalidInput("unknown_step", f"There is no step {step.do!r}. {UNCHANGED} Steps: {', '.join(OrderStep.values)}.")
    if step.number is None:
        raise InvalidInput("number_missing", f"To {step.do} an offer needs a number. {UNCHANGED} Write one.")
    return numbered[OrderStep(step.do)](order, step.offer, step.number)


def compare_orders(before: Order, after: Order) -> tuple[list[Difference], int]:
    """
    What two orders differ in: the offers that were changed, by their place after, and how many others only made room.

    Places are counted among what each of the two shows.
    """
    left = {offer: place for place, offer in enumerate(before.shown, 1)}
    right = {offer: place for place, offer in enumerate(after.shown, 1)}
    moved = find_moved(before.shown, after.shown)
    found, made_room = [], 0
    for offer in dict.fromkeys((*after.shown, *after.offers, *before.offers)):
        changes = []
        if offer not in before.offers:
            changes.append(OrderChange.NEW)
        if offer not in after.offers:
            changes.append(OrderChange.GONE)
        if offer in after.hidden and offer not in before.hidden:
            changes.append(OrderChange.HIDDEN)
        if offer in before.hidden and offer not in after.hidden:
            changes.append(OrderChange.SHOWN)
        if offer in after.pinned and after.pinned[offer] != before.pinned.get(offer):
            changes.append(OrderChange.PINNED)
        if offer in before.pinned and offer not in after.pinned:
            changes.append(OrderChange.UNPINNED)
        places = left.get(offer), right.get(offer)
        if places[0] and places[1] and places[0] != places[1]:
            if offer in moved or changes:
                changes.append(OrderChange.UP if places[1] < places[0] else OrderChange.DOWN)
            else:
                made_room += 1
        if changes:
            found.append(Difference(offer, *places, tuple(changes)))
    return found, made_room


def seed_order(row: OfferRow | None, partner_external_id: str, external_id: str) -> tuple[bool, int, str, str]:
    """The sort key of the first ranking: by rank, empty last; then partner; then offer."""
    rank = row.rank if row else None
    return rank is None, rank or 0, partner_external_id, external_id
