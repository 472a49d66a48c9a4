"""Which rows are too small to show, and which others would give these away: docs/rules/suppression.md."""

from collections.abc import Callable, Mapping

from activity.metrics import hide
from activity.selectors.breakdown import Breakdown
from activity.selectors.dimensions import SEGMENT, SIGNATURE

Key = tuple[str, ...]
Count = Callable[[Breakdown], Mapping[Key, int]]


def hidden_rows(breakdown: Breakdown, sizes: Mapping[Key, int], count_sizes: Count) -> set[Key]:
    """
    The row keys that are suppressed.

    sizes: distinct members by row key. count_sizes: the same for another breakdown over the same period.

    A filter by members, and a segment, adds up some groups of a finer breakdown. A row with some but not all of the hidden
    groups of its total would give these away, less those that are shown.

    Shape: row keys.
    Source: docs/rules/suppression.md
    """
    minimum = breakdown.program.minimum_group
    if not breakdown.is_protected():
        return set()
    filtered = [name for name in breakdown.where if breakdown.is_of_members(name) and name != SEGMENT]
    overlaps = bool(breakdown.segments)
    free = [
        index
        for index, name in enumerate(breakdown.by)
        if breakdown.is_of_members(name) and name != SEGMENT and name not in filtered
    ]
    hidden = hide(sizes, free, minimum)
    if not filtered and not overlaps:
        return hidden
    names = [*(name for name in breakdown.by if name != SEGMENT), *(name for name in filtered if name not in breakdown.by)]
    plain = {name: values for name, values in breakdown.where.items() if not breakdown.is_of_members(name)}
    finer = breakdown.again([*names, SIGNATURE] if overlaps else names, plain, breakdown.segments)
    positions = [index for index, name in enumerate(finer.by) if finer.is_of_members(name)]
    held, families = _hidden_parts(breakdown, finer, hide(count_sizes(finer), positions, minimum), filtered)
    whole = {key for key in sizes if key in held and held[key] == families[key]}
    hidden |= {key for key in sizes if key in held and key not in whole}
    if free and whole and len(plain) < len(breakdown.where):
        # Less what is shown, such a row is what the one without the filter is: hidden where that is.
        hidden |= whole & hide(count_sizes(breakdown.again(breakdown.by, plain)), free, minimum)
    return hidden


def _hidden_parts(
    breakdown: Breakdown, finer: Breakdown, hidden_cells: set[Key], filtered: list[str]
) -> tuple[dict[Key, set[Key]], dict[Key, set[Key]]]:
    """By row key: the hidden cells that the row holds, and those of the total that it is part of."""
    shared = [name for name in breakdown.by if name != SEGMENT and name not in filtered]
    totals: dict[Key, set[Key]] = {}
    for cell in hidden_cells:
        totals.setdefault(_part(finer, cell, shared), set()).add(cell)
    held: dict[Key, set[Key]] = {}
    for cell in hidden_cells:
        kept = all(cell[finer.by.index(name)] in breakdown.where[name] for name in filtered)
        for key in _rows_of(breakdown, finer, cell) if kept else ():
            held.setdefault(key, set()).add(cell)
    return held, {key: totals[_part(breakdown, key, shared)] for key in held}


def _rows_of(breakdown: Breakdown, finer: Breakdown, cell: Key) -> list[Key]:
    """The row keys that a cell is part of: one, or with segments as many as it fits, or none."""
    codes = list(breakdown.segments)
    fits = {code for code, mark in zip(codes, cell[-1], strict=True) if mark == "1"} if codes else set()
    if SEGMENT in breakdown.where and not fits & set(breakdown.where[SEGMENT]):
        return []
    plain = {name: part for name, part in zip(finer.by, cell, strict=True) if name != SIGNATURE}
    if SEGMENT not in breakdown.by:
        return [tuple(plain[name] for name in breakdown.by)]
    return [tuple(code if name == SEGMENT else plain[name] for name in breakdown.by) for code in sorted(fits)]


def _part(breakdown: Breakdown, key: Key, names: list[str]) -> Key:
    return tuple(key[breakdown.by.index(name)] for name in names)
