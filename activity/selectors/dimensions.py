"""What figures may be broken down and filtered by: the names, what they stand for, and which values there are."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from activity.metrics import METRICS
from activity.models import Member
from offers.models import Segment
from partners.models import Program
from plum_site.lib.errors import InvalidInput
from plum_site.lib.periods import MONTH

TIME = ("month", "day")
CATALOG = ("partner", "offer", "offer_type", "category", "country")
SEGMENT = "segment"
COHORTS = ("join_month", "first_activation_month")
MEMBER = "member"  # a filter for those who may read that member's timeline; nobody is hidden from them
SIGNATURE = "segments"  # of suppression alone: which of some segments an event fits, as text of 0 and 1
FIXED = (*TIME, *CATALOG, "source", SEGMENT, *COHORTS, MEMBER)
MEMBER_PREFIX = "member."  # `member.country` is the member's; `country` alone is the partner's
RESERVED = {*FIXED, *METRICS, SIGNATURE, "suppressed"}
MOST_NAMED = 20  # values that an error lists


def attribute_of(program: Program, name: str) -> str | None:
    """
    The member attribute that a dimension names, or None for one of FIXED.

    Shape: text or None.
    Raises: InvalidInput - unknown_dimension.
    """
    attribute = name.removeprefix(MEMBER_PREFIX)
    if name in FIXED:
        return None
    if attribute in program.member_attributes and name not in RESERVED:
        return attribute
    known = ", ".join([*FIXED, *(f"{MEMBER_PREFIX}{name}" if name in RESERVED else name for name in program.member_attributes)])
    raise InvalidInput("unknown_dimension", f"{name!r} is nothing that figures can be broken down by. There are: {known}.")


def check_question(by: Sequence[str], where: Mapping[str, Sequence[str]]) -> None:
    """
    Refuse a question whose names cannot stand where they do, and months that are none.

    Shape: nothing.
    Raises: InvalidInput - doubled_dimension, time_filter, filter_only, invalid_month.
    """
    doubled = {name for name in by if list(by).count(name) > 1}
    if doubled:
        raise InvalidInput("doubled_dimension", f"{', '.join(sorted(doubled))} is named twice. Name it once.")
    timed = [name for name in where if name in TIME]
    if timed:
        raise InvalidInput("time_filter", f"{timed[0]} is no filter. Choose days with the start and the end of the period.")
    if MEMBER in by:
        raise InvalidInput("filter_only", "Figures are not broken down by single members. Filter by one member instead.")
    for name in COHORTS:
        for value in where.get(name, ()):
            if value and not MONTH.fullmatch(value):
                raise InvalidInput(
                    "invalid_month",
                    f"{value!r} is no month for {name}. Write it as YYYY-MM, for example 2026-03; empty for members without one.",
                )


def refuse_personal(where: Mapping[str, Sequence[str]]) -> None:
    """
    Refuse a question about one member: its figures are read by those who may open the timeline, and that is logged.

    Shape: nothing.
    Raises: InvalidInput - personal_filter.
    """
    if MEMBER in where:
        raise InvalidInput(
            "personal_filter", "Figures of one member are no metrics. Open the member's timeline instead, and give your reason."
        )


def find_segments(program: Program, *, is_broken_down: bool, codes: Sequence[str]) -> dict[str, Segment]:
    """
    The segments that a question is about: all of the program where figures are broken down by them, else those named.

    Shape: code to Segment, by code.
    Raises: InvalidInput - unknown_segment.
    """
    if not is_broken_down and not codes:
        return {}
    segments = {segment.code: segment for segment in Segment.objects.filter(program=program).order_by("code")}
    unknown = [code for code in codes if code not in segments]
    if unknown:
        raise InvalidInput("unknown_segment", f"There is no segment {unknown[0]!r} in {program.code}. {_listed(segments)}")
    return segments if is_broken_down else {code: segments[code] for code in sorted({*codes})}


def find_member_ids(program: Program, keys: Iterable[str]) -> list[int]:
    """
    The row ids of members by their keys, 32 hexadecimal digits each.

    Shape: ids, ascending.
    Raises: InvalidInput - unknown_member.
    """
    found = []
    for text in keys:
        try:
            key = bytes.fromhex(text) if len(text) == 32 else b""
        except ValueError:
            key = b""
        member_id = Member.objects.filter(program=program, key=key).values_list("pk", flat=True).first() if key else None
        if member_id is None:
            raise InvalidInput(
                "unknown_member",
                f"{text!r} is no member of {program.code}. Members are named by their key, 32 hexadecimal digits.",
            )
        found.append(member_id)
    return sorted(set(found))


def attributes_of_rule(rule: Iterable[Mapping[str, Any]]) -> set[str]:
    """
    The member attributes that a segment's rule asks about.

    Shape: names.
    """
    return {condition["attribute"] for condition in rule}


def _listed(segments: Iterable[str]) -> str:
    codes = list(segments)
    if not codes:
        return "It has no segments yet."
    more = f" and {len(codes) - MOST_NAMED} more" if len(codes) > MOST_NAMED else ""
    return f"There are: {', '.join(codes[:MOST_NAMED])}{more}."
