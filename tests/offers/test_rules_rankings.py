"""What may be done with an order: nothing is lost, pins keep their places, and every change can be taken back."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers.rules import Order, check_order, find_moved, hide, lay_out, lower, move, pin, show, surface, unpin
from plum_site.lib.errors import InvalidInput

A, B, C, D, E, F = range(1, 7)
Change = Callable[[Order], Order]


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Up to nine offers, some of them hidden, absent or pinned, laid out."""
    offers = draw(st.permutations(range(1, draw(st.integers(1, 9)) + 1)))
    hidden = draw(st.sets(st.sampled_from(offers), max_size=3))
    absent = draw(st.sets(st.sampled_from(offers), max_size=3))
    places = draw(st.lists(st.integers(1, 12), unique=True, max_size=4))
    pinnable = [offer for offer in offers if offer not in hidden]
    return lay_out(Order(tuple(offers), dict(zip(pinnable, places, strict=False)), frozenset(hidden), frozenset(absent)))


@st.composite
def changes(draw: st.DrawFn) -> tuple[Change, int]:
    """Some change, and the offer that it is about."""
    offer, number = draw(st.integers(1, 9)), draw(st.integers(1, 10))
    change = draw(
        st.sampled_from(
            [
                lambda order: move(order, offer, number),
                lambda order: lower(order, offer, number),
                lambda order: surface(order, offer, number),
                lambda order: surface(order, offer),
                lambda order: pin(order, offer, number),
                lambda order: unpin(order, offer),
                lambda order: hide(order, offer),
                lambda order: show(order, offer),
            ]
        )
    )
    return change, offer


def places_of(order: Order) -> dict[int, int]:
    """Offer to place."""
    return {offer: place for place, offer in enumerate(order.shown, 1)}


def expected_places(order: Order) -> dict[int, int]:
    """Where the pins must be: at their place, or at the end one after the other where too little is shown."""
    pins = sorted((place, offer) for offer, place in order.pinned.items() if order.is_shown(offer))
    length = len(order.shown)
    return {offer: min(place, length - (len(pins) - 1 - index)) for index, (place, offer) in enumerate(pins)}


@given(orders(), st.lists(changes(), max_size=8))
def test_nothing_is_lost_or_doubled_and_pins_keep_their_places(order: Order, steps: list[tuple[Change, int]]) -> None:
    for change, _offer in steps:
        try:
            after = change(order)
        except InvalidInput:
            continue
        assert sorted(after.offers) == sorted(order.offers)
        check_order(after)
        assert lay_out(after) == after
        assert {offer: places_of(after)[offer] for offer in expected_places(after)} == expected_places(after)
        order = after


@given(orders(), changes())
def test_only_the_offer_that_is_named_leaves_its_neighbours(order: Order, step: tuple[Change, int]) -> None:
    change, offer = step
    try:
        after = change(order)
    except InvalidInput:
        return
    free = [[one for one in each.shown if one != offer and one not in each.pinned] for each in (order, after)]
    assert free[0] == free[1]


@given(orders(), st.integers(1, 9), st.integers(1, 10))
def test_a_moved_offer_is_at_its_place(order: Order, offer: int, to: int) -> None:
    try:
        after = move(order, offer, to)
    except InvalidInput:
        return
    assert places_of(after)[offer] == to


@given(orders(), st.integers(1, 9), st.integers(1, 10))
def test_what_takes_a_change_back(order: Order, offer: int, number: int) -> None:
    """Each change has one that gives exactly what was before."""
    pairs: list[tuple[Change, Change]] = [
        (lambda one: move(one, offer, number), lambda one: move(one, offer, places_of(order)[offer])),
        (lambda one: hide(one, offer), lambda one: show(one, offer)),
        (lambda one: show(one, offer), lambda one: hide(one, offer)),
    ]
    for change, back in pairs:
        try:
            after = change(order)
        except InvalidInput:
            continue
        if offer in order.pinned:
            continue  # hiding takes the pin away, for good
        restored = back(after)
        assert (restored.shown, restored.pinned, restored.hidden) == (order.shown, order.pinned, order.hidden)


ALPHABET = Order((A, B, C, D, E))


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda one: move(one, E, 1), [E, A, B, C, D]),
        (lambda one: move(one, A, 5), [B, C, D, E, A]),
        (lambda one: move(one, C, 3), [A, B, C, D, E]),
        (lambda one: lower(one, A, 2), [B, C, A, D, E]),
        (lambda one: lower(one, D, 9), [A, B, C, E, D]),
        (lambda one: surface(one, D, 2), [A, D, B, C, E]),
        (lambda one: surface(one, D), [D, A, B, C, E]),
        (lambda one: surface(pin(one, B, 1), E), [B, E, A, C, D]),
        (lambda one: lower(pin(one, B, 2), A, 1), [C, B, A, D, E]),
        (lambda one: move(pin(one, B, 2), E, 3), [A, B, E, C, D]),
        (lambda one: pin(one, E, 2), [A, E, B, C, D]),
        (lambda one: move(pin(one, E, 2), D, 1), [D, E, A, B, C]),
        (lambda one: pin(pin(one, E, 2), E, 4), [A, B, C, E, D]),
        (lambda one: unpin(pin(one, E, 2), E), [A, E, B, C, D]),
        (lambda one: hide(one, B), [A, C, D, E]),
        (lambda one: hide(pin(one, E, 2), A), [B, E, C, D]),
        (lambda one: show(hide(hide(one, B), C), B), [A, B, D, E]),
        (lambda one: hide(pin(one, E, 5), A), [B, C, D, E]),
    ],
)
def test_what_a_change_does(change: Change, shown: list[int]) -> None:
    assert change(ALPHABET).shown == shown


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda one: move(one, F, 1), "not_in_order", "Load the page again"),
        (lambda one: move(one, A, 0), "no_such_place", "from 1 to 5"),
        (lambda one: move(one, A, 6), "no_such_place", "from 1 to 5"),
        (lambda one: move(pin(one, B, 2), A, 2), "place_taken", "Place 2 belongs to an offer that is pinned there"),
        (lambda one: move(pin(one, B, 2), B, 3), "pinned", "pinned to place 2"),
        (lambda one: lower(pin(one, B, 2), B, 1), "pinned", "Unpin it first"),
        (lambda one: lower(one, A, 0), "no_such_distance", "1 or more"),
        (lambda one: surface(one, A, -1), "no_such_distance", "1 or more"),
        (lambda one: surface(hide(one, B), B), "not_shown", "Show it first"),
        (lambda one: move(replace(one, absent=frozenset({B})), B, 1), "not_shown", "not live today"),
        (lambda one: pin(pin(one, B, 2), A, 2), "place_taken", "Another offer is pinned to place 2"),
        (lambda one: pin(one, A, 6), "no_such_place", "from 1 to 5"),
        (lambda one: pin(hide(one, A), A, 1), "not_shown", "hidden"),
        (lambda one: pin(one, F, 1), "not_in_order", "not in this order"),
        (lambda one: unpin(one, A), "not_pinned", "not pinned"),
        (lambda one: hide(hide(one, A), A), "hidden", "hidden already"),
        (lambda one: show(one, A), "not_hidden", "not hidden by this ranking"),
    ],
)
def test_what_a_change_refuses(change: Change, code: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refusal:
        change(ALPHABET)
    assert refusal.value.code == code
    assert "Nothing was changed." in refusal.value.detail


def test_an_offer_that_is_not_live_yet_can_be_pinned_for_its_day() -> None:
    waiting = replace(ALPHABET, absent=frozenset({E}))
    pinned = pin(waiting, E, 2)

    assert pinned.shown == [A, B, C, D]
    assert lay_out(replace(pinned, absent=frozenset())).shown == [A, E, B, C, D]
    assert pin(waiting, E, 5).pinned == {E: 5}


@given(st.permutations(range(8)), st.permutations(range(8)))
def test_what_was_not_moved_kept_its_order(before: list[int], after: list[int]) -> None:
    moved = find_moved(before, after)
    kept = [[offer for offer in order if offer not in moved] for order in (before, after)]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("after", list(permutations([A, B, C, D])))
def test_no_fewer_can_have_been_moved(after: tuple[int, ...]) -> None:
    before = [A, B, C, D]
    longest = max(
        len(part)
        for size in range(5)
        for part in permutations(after, size)
        if [offer for offer in before if offer in part] == list(part) == [offer for offer in after if offer in part]
    )
    assert len(find_moved(before, after)) == 4 - longest


def test_one_that_came_or_went_was_not_moved() -> None:
    assert find_moved([A, B, C], [D, C, A]) == {C}
    assert find_moved([], [A]) == set()
