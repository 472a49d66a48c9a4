"""Who tries other offers, and what they see. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from offers.rules.rankings import Order
from offers.rules.segments import matches
from offers.rules.succession import inherit
from plum_site.lib.draws import is_drawn


def say_trial(offer: str, part: Mapping[str, Any]) -> str:
    """
    Who sees an offer while it is in a trial, in words.

    part: what offers.selectors.trial_now found of it. Shape: half a sentence.
    Source: docs/rules/trial.md
    """
    whom = f"{part['share']}\u00a0% of {part['segment'] or 'members'}"
    if offer == part["new"]:
        if part["is_fresh"]:
            return f"on trial: only {whom} see it"
        return f"on trial: {whom} see it in the place of {part['old']}" if part["old"] else f"on trial with {whom}"
    return f"on trial: {whom} see {part['new']} instead" if part["new"] else f"on trial: {whom} do not see it"


@dataclass(frozen=True)
class Trial:
    """
    One trial that runs. rule: of the segment whose members take part, None for everyone. successors: old offer to the new one
    in its place. olds: the offers that whoever tries is not shown; fresh: those that nobody else is shown.
    """

    id: int
    salt: str
    share: Decimal
    rule: list[dict[str, Any]] | None
    successors: Mapping[int, int]
    olds: frozenset[int]
    fresh: frozenset[int]

    def takes(self, member_key: bytes, attributes: Mapping[str, str]) -> bool:
        """
        Whether a member with these attributes tries the new offers: drawn, and in the segment.

        Source: docs/rules/trial.md
        """
        return is_drawn(member_key, self.salt, self.share) and (self.rule is None or matches(self.rule, dict(attributes)))

    def put_in_place(self, order: Order) -> Order:
        """
        The order that whoever tries is shown: as a cutover to the new offers would leave it.

        Source: docs/rules/trial.md
        """
        return inherit(order, self.successors, keeps_old=False)
