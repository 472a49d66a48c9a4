"""How one member came through the stages of one offer: what was reached, in which order, and what is missing between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Step:
    """
    One stage on the way. is_missing: a later stage was reached without this one being recorded. after: how long after the
    reached stage before it, by the first times (negative: it came first); None for the first that was reached.
    """

    stage: str
    is_missing: bool = False
    after: timedelta | None = None

    @property
    def is_out_of_order(self) -> bool:
        """Whether it happened before the stage that should lead to it."""
        return self.after is not None and self.after < timedelta()


def follow_steps(first_times: Mapping[str, datetime], order: Sequence[str]) -> list[Step]:
    """
    The stages up to the furthest that was reached, in the program's order.

    first_times: stage to when it first happened, reached stages alone. order: the stages that the program records; a
    reached stage outside it is kept at the end, so that nothing recorded is left out.
    """
    whole = [*order, *(stage for stage in first_times if stage not in order)]
    reached = [stage for stage in whole if stage in first_times]
    if not reached:
        return []
    steps, before = [], None
    for stage in whole[: whole.index(reached[-1]) + 1]:
        if stage not in first_times:
            steps.append(Step(stage, is_missing=True))
            continue
        at = first_times[stage]
        steps.append(Step(stage, after=at - before if before else None))
        before = at
    return steps


def link_reversals(events: Sequence[Mapping[str, object]]) -> dict[int, int]:
    """
    Which reversal takes back which redemption: places in a member's timeline, reversal to redemption.

    By the event id that the reversal names; else by the same transaction and offer, the latest redemption before it that
    is not taken back yet.
    """
    found: dict[int, int] = {}
    for place, event in enumerate(events):
        if event["status"] != "reversed":
            continue
        named = event["reverses"]
        candidates = [
            index
            for index, other in enumerate(events)
            if other["kind"] == "redeemed" and other["status"] == "confirmed" and index not in found.values()
        ]
        if named:
            candidates = [index for index in candidates if events[index]["event_id"] == named]
            same = [index for index in candidates if events[index]["source"] == event["source"]]
            candidates = same or candidates
        elif event["transaction_ref"]:
            both = ("transaction_ref", "offer")
            candidates = [index for index in candidates if all(events[index][name] == event[name] for name in both)]
        else:
            candidates = []
        earlier = [index for index in candidates if index < place]
        if earlier or (named and candidates):
            found[place] = (earlier or candidates)[-1]
    return found
