"""How many members have which attributes, on one day: for segments, and for choosing what to report by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import prod
from typing import Any

from django.db import connection

from activity.models import AttributeSet, Event, MemberVersion
from activity.selectors.breakdown import json_text
from offers.models import Segment
from offers.rules import matches
from partners.models import Program
from plum_site.lib.periods import first_instant

MOST_GROUPS = 64  # combinations of reporting attributes: more make figures slow, and groups too small to be shown
MOST_REPORTING = 2
MOST_VALUES = 50  # suggestions for one attribute
LOOKED_AT = 20_000  # versions, the newest, in which values are looked for


@dataclass(frozen=True)
class Groups:
    """The members of one day by some attributes: distinct values of each, and the groups from the smallest on."""

    names: tuple[str, ...]
    distinct: dict[str, int]
    product: int
    sizes: list[tuple[tuple[str, ...], int]]
    too_small: int
    members: int

    @property
    def is_too_many(self) -> bool:
        """Whether there may be more combinations than figures are kept by."""
        return self.product > MOST_GROUPS


def count_by(program: Program, names: Sequence[str], on: date) -> dict[tuple[str, ...], int]:
    """
    The members who are active at the end of a program day, by attributes as they had them then.

    Shape: values, in the order of `names` ("" for unknown), to members.
    """
    columns, source, params = _active_members(program, names, on)
    positions = ", ".join(str(number + 1) for number in range(len(names)))
    sql = f"SELECT {''.join(f'{column}, ' for column in columns)}count(*) {source}{f' GROUP BY {positions}' if names else ''}"
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return {tuple(row[:-1]): row[-1] for row in cursor.fetchall()}


def list_in_segment(segment: Segment | None, program: Program, on: date) -> list[int]:
    """
    The members who are active at the end of a program day, of a segment (None: of everyone) as its rule is now.

    Shape: row ids, ascending.
    """
    names = sorted({condition["attribute"] for condition in segment.rule}) if segment else []
    columns, source, params = _active_members(program, names, on)
    inside: dict[tuple[str, ...], bool] = {}
    found = []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {''.join(f'{column}, ' for column in columns)}m.id {source}", params)
        for *attributes, member_id in cursor.fetchall():
            values = tuple(attributes)
            if values not in inside:
                inside[values] = segment is None or matches(segment.rule, dict(zip(names, values, strict=True)))
            if inside[values]:
                found.append(member_id)
    return sorted(found)


def _active_members(program: Program, names: Sequence[str], on: date) -> tuple[list[str], str, dict[str, Any]]:
    """
    The columns of some attributes, FROM and WHERE, and the parameters: one row for each member `m` who is active at the end
    of a program day, with attributes as they had them then.
    """
    ops = connection.ops
    params: dict[str, Any] = {
        "program": program.pk,
        "day": ops.adapt_datefield_value(on),
        "after": ops.adapt_datetimefield_value(first_instant(on + timedelta(days=1), program.time_zone)),
    }
    params |= {f"name{number}": name for number, name in enumerate(names)}
    columns = [f"coalesce({json_text('v', f'name{number}')}, '')" for number in range(len(names))]
    newest = (
        "SELECT x.id FROM activity_memberversion x WHERE x.member_id = m.id"
        " AND (x.valid_from IS NULL OR x.valid_from < %(after)s) ORDER BY x.id DESC LIMIT 1"
    )
    source = (
        f"FROM activity_member m{f' LEFT JOIN activity_memberversion v ON v.id = ({newest})' if names else ''}"
        " WHERE m.program_id = %(program)s AND (m.joined_date IS NULL OR m.joined_date <= %(day)s)"
        " AND (m.deactivated_at IS NULL OR m.deactivated_at >= %(after)s)"
    )
    return columns, source, params


def count_in_segment(segment: Segment, program: Program, on: date) -> tuple[int, int]:
    """
    The active members of a segment at the end of a program day, and those of the program.

    Shape: (in the segment, all).
    """
    names = sorted({condition["attribute"] for condition in segment.rule})
    groups = count_by(program, names, on)
    inside = sum(count for values, count in groups.items() if matches(segment.rule, dict(zip(names, values, strict=True))))
    return inside, sum(groups.values())


def measure_groups(program: Program, names: Sequence[str], on: date) -> Groups:
    """
    What breaking figures down by some attributes would mean: how many groups, how small the smallest are.

    Shape: one Groups.
    """
    sizes = sorted(count_by(program, names, on).items(), key=lambda group: (group[1], group[0]))
    distinct = {name: len({values[index] for values, _ in sizes}) for index, name in enumerate(names)}
    return Groups(
        names=tuple(names),
        distinct=distinct,
        product=prod(max(number, 1) for number in distinct.values()),
        sizes=sizes,
        too_small=sum(count < program.minimum_group for _, count in sizes),
        members=sum(count for _, count in sizes),
    )


def suggest_reporting(program: Program, on: date) -> list[str]:
    """
    The first kept attributes, at most two, while the combinations of their values stay few.

    Shape: attribute names.
    """
    chosen: list[str] = []
    for name in program.member_attributes[:MOST_REPORTING]:
        if measure_groups(program, [*chosen, name], on).is_too_many:
            break
        chosen.append(name)
    return chosen


def list_known_values(program: Program) -> dict[str, list[str]]:
    """
    Values that members have or had, for suggestions: of reporting attributes all, of the others those seen lately.

    Shape: attribute to values, in order; at most MOST_VALUES each, "" left out.
    """
    found: dict[str, set[str]] = {name: set() for name in program.member_attributes}
    sets = AttributeSet.objects.filter(program=program).values_list("values", flat=True)
    versions = MemberVersion.objects.filter(member__program=program).order_by("-id").values_list("values", flat=True)
    others = set(program.member_attributes) - set(program.reporting_attributes)
    for values in [*sets, *(versions[:LOOKED_AT] if others else ())]:
        for name, value in values.items():
            if name in found and value:
                found[name].add(value)
    return {name: sorted(values)[:MOST_VALUES] for name, values in found.items()}


def has_events(program: Program) -> bool:
    """
    Whether anything is in the history of a program.

    Shape: bool.
    """
    return Event.objects.filter(program=program).exists()
