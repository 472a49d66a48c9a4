"""Who is in a segment, and whom an audience takes in. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from offers.choices import SegmentOperator
from partners.rules import field_error


def check_segment_rule(rule: Any, attributes: Sequence[str]) -> None:
    """
    Refuse what is not a list of {"attribute", "operator", "values"} over attributes that the program keeps.

    Raises: InvalidInput, code "invalid_rule" or "unknown_attribute".
    """
    if not isinstance(rule, list):
        raise field_error("invalid_rule", "rule", "Write a list of conditions.")
    for condition in rule:
        if not isinstance(condition, dict) or set(condition) != {"attribute", "operator", "values"}:
            raise field_error("invalid_rule", "rule", "A condition has exactly attribute, operator and values.")
        if condition["operator"] not in SegmentOperator.values:
            raise field_error("invalid_rule", "rule", f"The operator is one of {', '.join(SegmentOperator.values)}.")
        values = condition["values"]
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            raise field_error("invalid_rule", "rule", 'The values are a list of one text or more; "" stands for unknown.')
        if condition["attribute"] not in attributes:
            kept = ", ".join(attributes) or "none"
            raise field_error("unknown_attribute", "rule", f"{condition['attribute']!r} is not kept of members. Kept: {kept}.")


def matches(rule: Iterable[Mapping[str, Any]], attributes: Mapping[str, str]) -> bool:
    """Whether a member with these attributes is in a segment: every condition holds; an absent attribute is ""."""
    for condition in rule:
        found = attributes.get(condition["attribute"], "") in condition["values"]
        if found != (condition["operator"] == SegmentOperator.IS):
            return False
    return True


def is_open_to(
    rule: Iterable[Mapping[str, Any]] | None,
    countries: Sequence[str],
    attributes: Mapping[str, str],
    excluded: Iterable[Iterable[Mapping[str, Any]]] = (),
) -> bool:
    """
    Whether an audience takes in these attributes.

    rule: of its segment, None for everyone. countries: empty for all. excluded: the rules of the segments that it leaves out,
    whatever the other two say.
    """
    if countries and attributes.get("country", "") not in countries:
        return False
    return (rule is None or matches(rule, attributes)) and not any(matches(other, attributes) for other in excluded)


def check_excluded(field: str, segment: str | None, excluded: Iterable[str]) -> None:
    """
    Refuse an audience that leaves out the very segment that it is for. Segments by their codes; None: everyone.

    Raises: InvalidInput, code "excluded_and_included".
    """
    if segment is not None and segment in excluded:
        sentence = (
            f"The offer would be open to segment {segment!r} alone and leave it out at once: open to nobody. "
            "Nothing was changed. Name another segment, take this one in again, or pause the offer."
        )
        raise field_error("excluded_and_included", field, sentence)
