"""
Exact sets of members as bytes: what the rollups keep so that distinct members can be counted over any days and groups.

Members are named by their row id, below 2^32. The first byte says how the rest is to be read: PLAIN is the sorted ids, four
little-endian bytes each; ROARING a bitmap in the portable roaring format, which is smaller and faster from some dozens on.
"""

import sys
from array import array
from collections.abc import Iterable, Sequence

from pyroaring import BitMap

PLAIN, ROARING = b"\x00", b"\x01"
MOST_PLAIN = 64
HIGHEST_ID = 2**32 - 1
UNSIGNED = "I" if array("I").itemsize == 4 else "L"


def pack_members(ids: Iterable[int]) -> bytes:
    """A set of members as bytes. OverflowError for an id above HIGHEST_ID."""
    members = ids if isinstance(ids, BitMap) else BitMap(array(UNSIGNED, ids))
    return ROARING + members.serialize() if len(members) > MOST_PLAIN else _as_plain(members)


def unpack_members(packed: bytes) -> BitMap:
    """The set that `pack_members` made bytes of. ValueError for anything else."""
    return unite_members([packed])


def unite_members(parts: Iterable[bytes]) -> BitMap:
    """The union of packed sets, any number of them at once: far faster than one after the other."""
    plain, bitmaps = bytearray(), []
    for part in parts:
        form = part[:1]
        if form == PLAIN:
            plain += part[1:]
        elif form == ROARING:
            bitmaps.append(BitMap.deserialize(part[1:]))
        else:
            raise ValueError(f"a set of members begins with {form!r}")
    return BitMap.union(BitMap(_from_plain(bytes(plain))), *bitmaps)


def add_members(packed: bytes | None, ids: Iterable[int]) -> tuple[bytes, int]:
    """A packed set (None: an empty one) with more members in it, and how many it has then."""
    if packed is None or packed[:1] == PLAIN:
        merged = set(ids)
        if packed:
            merged.update(_from_plain(packed[1:]))
        if len(merged) <= MOST_PLAIN:
            return _as_plain(sorted(merged)), len(merged)
        members = BitMap(array(UNSIGNED, merged))
    else:
        members = unpack_members(packed)
        members.update(array(UNSIGNED, ids))
    return pack_members(members), len(members)


def _as_plain(ids: Iterable[int]) -> bytes:
    values = array(UNSIGNED, ids)
    if sys.byteorder == "big":
        values.byteswap()
    return PLAIN + values.tobytes()


def _from_plain(text: bytes) -> Sequence[int]:
    values = array(UNSIGNED)
    values.frombytes(text)
    if sys.byteorder == "big":
        values.byteswap()
    return values
