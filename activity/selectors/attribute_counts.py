"""Plain numbers of events by partner and member attribute, from one pass over the ledger."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from activity.metrics import Tally, hide
from activity.selectors.breakdown import Breakdown, Span
from activity.selectors.counts import as_counts
from activity.selectors.dimensions import MEMBER_PREFIX
from activity.selectors.figures import checked_span
from activity.selectors.ledger import Prefix, prefix_of
from activity.selectors.tallies import Key, count_marked, count_sizes
from partners.models import Program
from plum_site.lib.snapshot import snapshot


def count_by_attributes(
    *, program: Program, starts_date: date, ends_date: date, attributes: Sequence[str], cutoff: int | None = None
) -> dict[str, dict[Key, dict[str, int] | None]]:
    """
    As count_by for month and partner and each kept member attribute in turn, the cost being that of one.

    Shape: attribute to {(month, partner, value): as count_by, or None where the group must not be shown}.
    Raises: as summarise.
    Source: docs/rules/suppression.md
    """
    if not attributes:
        return {}
    names = [f"{MEMBER_PREFIX}{attribute}" for attribute in attributes]
    span = checked_span(starts_date, ends_date)
    counted: dict[str, dict[Key, dict[str, int] | None]] = {}
    with snapshot():
        prefix = prefix_of(program.pk, cutoff)
        together = count_marked(Breakdown(program, ("month", "partner", *names), {}), span, prefix)
        for place, attribute in enumerate(attributes):
            tallies, marks = _fold(together, place)
            hidden = _find_hidden(program, names[place], marks, span, prefix)
            counted[attribute] = {key: None if key in hidden else as_counts(tally) for key, tally in tallies.items()}
    return counted


def _fold(together: Mapping[Key, tuple[Tally, int]], place: int) -> tuple[dict[Key, Tally], dict[Key, int]]:
    """The groups of one attribute: what has several values is added up for each of them, and the marks of members united."""
    tallies: dict[Key, Tally] = {}
    marks: dict[Key, int] = {}
    for (month, partner, *values), (tally, mark) in together.items():
        key = (month, partner, values[place])
        tallies.setdefault(key, Tally()).add(tally)
        marks[key] = marks.get(key, 0) | mark
    return tallies, marks


def _find_hidden(program: Program, name: str, marks: Mapping[Key, int], span: Span, prefix: Prefix) -> set[Key]:
    """
    The groups that must not be shown. A group has at least as many members as marks: members are counted only for partners
    of which some group may be too small.
    """
    if program.minimum_group <= 1:
        return set()
    doubtful = {key[1] for key, mark in marks.items() if mark.bit_count() < program.minimum_group}
    if not doubtful:
        return set()
    where: dict[str, Any] = {"partner": sorted(doubtful)}
    counted = count_sizes(Breakdown(program, ("month", "partner", name), where), span, prefix)
    return hide({key: counted.get(key, 0) for key in marks if key[1] in doubtful}, [2], program.minimum_group)
