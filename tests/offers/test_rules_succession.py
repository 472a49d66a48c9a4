"""One offer follows another in the order of a catalog."""

from offers.rules import Order, inherit, succeed

OFFERS = (1, 2, 3, 4, 5)


def test_a_successor_takes_the_place_and_the_old_one_follows_it() -> None:
    assert inherit(Order((*OFFERS, 9)), {2: 9}, keeps_old=False).offers == (1, 9, 2, 3, 4, 5)


def test_a_successor_that_is_not_named_yet_is_put_in() -> None:
    assert inherit(Order(OFFERS), {2: 9}, keeps_old=False).offers == (1, 9, 2, 3, 4, 5)


def test_of_several_it_takes_the_first_place() -> None:
    assert inherit(Order((*OFFERS, 9)), {4: 9, 2: 9}, keeps_old=False).offers == (1, 9, 2, 3, 4, 5)


def test_a_successor_that_stands_higher_stays() -> None:
    assert inherit(Order(OFFERS), {4: 2}, keeps_old=False).offers == OFFERS


def test_pins_go_over_unless_others_keep_the_old_one() -> None:
    order = Order((*OFFERS, 9), {3: 1}, frozenset())
    assert inherit(order, {3: 9}, keeps_old=False).pinned == {9: 1}
    assert inherit(order, {3: 9}, keeps_old=True).pinned == {3: 1}


def test_a_successor_keeps_a_pin_of_its_own() -> None:
    assert inherit(Order((*OFFERS, 9), {3: 1, 9: 2}), {3: 9}, keeps_old=False).pinned == {9: 2}


def test_what_follows_something_hidden_is_hidden_if_it_was_not_seen_before() -> None:
    hidden = Order((*OFFERS, 9), {}, frozenset({3}), frozenset({9}))
    assert 9 in inherit(hidden, {3: 9}, keeps_old=False).hidden
    assert 9 not in inherit(Order((*OFFERS, 9), {}, frozenset({3})), {3: 9}, keeps_old=False).hidden
    assert 9 not in inherit(hidden, {3: 9, 4: 9}, keeps_old=False).hidden, "it follows one that is shown too"


def test_two_successions_at_once_keep_their_places() -> None:
    assert inherit(Order((*OFFERS, 8, 9)), {1: 9, 5: 8}, keeps_old=False).offers == (9, 1, 2, 3, 4, 8, 5)


def test_what_is_shown_has_each_new_offer_once() -> None:
    assert succeed(["a", "b", "c"], {"a": "x", "c": "x"}) == ["x", "b"]
    assert succeed(["a", "b", "c"], {"b": None}) == ["a", "c"]
    assert succeed(["x", "a"], {"a": "x"}) == ["x"]
