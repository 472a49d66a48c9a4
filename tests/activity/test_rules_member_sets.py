"""Sets of members are exact, whatever their size and however they were put together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity.rules import add_members, pack_members, unite_members, unpack_members
from activity.rules.member_sets import HIGHEST_ID, MOST_PLAIN

SETS = st.sets(st.integers(0, HIGHEST_ID), max_size=2 * MOST_PLAIN) | st.sets(st.integers(0, 300), max_size=2 * MOST_PLAIN)


@given(SETS)
def test_what_is_packed_is_unpacked(members: set[int]) -> None:
    assert set(unpack_members(pack_members(members))) == members


@given(st.lists(SETS, max_size=6))
def test_a_union_is_that_of_the_sets(sets: list[set[int]]) -> None:
    assert set(unite_members([pack_members(members) for members in sets])) == set().union(*sets)


@given(SETS, st.lists(st.integers(0, 2 * MOST_PLAIN), max_size=2 * MOST_PLAIN))
def test_members_are_added_once(members: set[int], more: list[int]) -> None:
    packed, count = add_members(pack_members(members) if members else None, more)
    assert set(unpack_members(packed)) == members | set(more)
    assert count == len(members | set(more))


def test_size_is_that_of_the_smaller_form() -> None:
    assert len(pack_members(range(MOST_PLAIN))) == 1 + 4 * MOST_PLAIN
    assert len(pack_members(range(10_000))) < 10_000


def test_what_is_no_set_is_refused() -> None:
    for packed in (b"", b"\x02rest"):
        with pytest.raises(ValueError, match="begins with"):
            unpack_members(packed)
    with pytest.raises(OverflowError):
        pack_members([HIGHEST_ID + 1])
