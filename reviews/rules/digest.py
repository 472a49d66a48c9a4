"""The canonical form of a review and its SHA-256: the same on every engine, for every order of arrival."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from reviews.rules.measures import COUNTS, DECIMALS, MONEY, Figures

FORMAT = 1  # raise it when what is hashed changes; a cycle keeps the format it was closed with


@dataclass(frozen=True)
class Verdict:
    """What the digest holds of one partner. flags: (rule code, observed) pairs."""

    partner: str
    figures: Figures
    standing: str
    flags: Sequence[tuple[str, float]]
    cause: str | None


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no blanks, ASCII only; refuses floats, which have no one form."""
    _refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def hash_json(value: Any) -> str:
    """SHA-256, in hex, of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def number_text(value: Decimal | float) -> str:
    """A number as text with 9 decimals, so that it is written in one way only."""
    return f"{Decimal(str(value)):.{DECIMALS}f}"


def minor_units(text: str) -> int:
    """
    A decimal string of the metric layer as its digits without the point: "12.50" is 1250.

    The metric layer writes every amount with the exponent of its currency, so the digits are the minor units.
    """
    return int(text.replace(".", ""))


def review_content(
    *,
    program: str,
    month: str,
    recorded_stages: Sequence[str],
    rule_digests: Sequence[str],
    metric_version: str,
    verdicts: Sequence[Verdict],
) -> dict[str, Any]:
    """
    What a review says, without row ids, clocks, cut-off, revision or software version.

    Source: docs/rules/digest.md
    """
    return {
        "format": FORMAT,
        "program": program,
        "month": month,
        "recorded_stages": sorted(recorded_stages),
        "rules": sorted(rule_digests),
        "metric_version": metric_version,
        "partners": {verdict.partner: _partner_content(verdict) for verdict in verdicts},
    }


def review_digest(content: Mapping[str, Any]) -> str:
    """
    The digest of a review: SHA-256 of the canonical JSON of `review_content`.

    Source: docs/rules/digest.md
    """
    return hash_json(content)


def _partner_content(verdict: Verdict) -> dict[str, Any]:
    money = {name: verdict.figures.get(name) or {} for name in MONEY}
    return {
        "counts": {name: int(verdict.figures[name]) for name in COUNTS},
        "minor_units": {
            name: {currency: minor_units(text) for currency, text in amounts.items()} for name, amounts in money.items()
        },
        "standing": str(verdict.standing),
        "flags": sorted([code, number_text(observed)] for code, observed in verdict.flags),
        "cause": verdict.cause,
    }


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("a float has no canonical form: write it with number_text")
    if isinstance(value, Mapping):
        for entry in value.values():
            _refuse_floats(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            _refuse_floats(entry)
