"""Figures counted the slow and obvious way, in plain Python, to hold the statements of the selectors against."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from activity.choices import Measure
from activity.metrics import Tally
from activity.rules.events import KINDS, STATUSES
from plum_site.lib.money import parse_minor
from plum_site.lib.periods import local_date

Event = Mapping[str, str]
Key = tuple[str, ...]
MEMBERS = {
    "members_viewed": {"viewed"},
    "members_unlocked": {"unlocked"},
    "members_activated": {"activated"},
    "members_redeemed": {"redeemed"},
    "members_reached": {"impression", "viewed"},
    "members_engaged": {"unlocked", "activated", "redeemed"},
}


def instant(event: Event) -> datetime:
    """When an event happened."""
    return datetime.fromisoformat(event["occurred_at"])


def month_of(event: Event, time_zone: str) -> str:
    """The program month of an event."""
    return f"{local_date(instant(event), time_zone):%Y-%m}"


def tally_groups(events: Iterable[Event], key_of: Callable[[Event], Key]) -> dict[Key, Tally]:
    """Events, amounts and members by group."""
    groups: dict[Key, list[Event]] = defaultdict(list)
    for event in events:
        groups[key_of(event)].append(event)
    return {key: tally_events(rows) for key, rows in groups.items()}


def tally_events(events: Sequence[Event]) -> Tally:
    """Events, amounts and members of one group."""
    tally = Tally()
    for event in events:
        kind, status = KINDS[event["kind"]], STATUSES[event["status"]]
        tally.add_events(kind, status, 1)
        for measure, name in ((Measure.SPEND, "spend"), (Measure.REWARD_COST, "reward_cost")):
            if event["kind"] == "redeemed" and event.get(f"{name}_amount"):
                currency = event[f"{name}_currency"]
                tally.add_amount(measure, status, currency, 1, parse_minor(event[f"{name}_amount"], currency))
    confirmed = [event for event in events if event["status"] == "confirmed"]
    tally.members = {"members_any": len({event["member"] for event in events})} | {
        key: len({event["member"] for event in confirmed if event["kind"] in kinds}) for key, kinds in MEMBERS.items()
    }
    return tally


def follow(events: Sequence[Event], stages: Sequence[str]) -> list[Event | None]:
    """The steps of one pair in order: its first event of the first stage, then the first of the next at or after it, ..."""
    steps: list[Event | None] = []
    since: datetime | None = None
    for stage in stages:
        later = [
            e for e in events if e["kind"] == stage and e["status"] == "confirmed" and (since is None or instant(e) >= since)
        ]
        step = min(later, key=instant, default=None) if len(steps) == 0 or steps[-1] is not None else None
        steps.append(step)
        since = instant(step) if step else None
    return steps


def count_pairs(
    events: Iterable[Event], stages: Sequence[str], key_of: Callable[[Event], Key]
) -> dict[Key, list[tuple[str, int, int]]]:
    """(stage, pairs, members) by the group of each pair's first step."""
    pairs: dict[Key, list[Event]] = defaultdict(list)
    for event in events:
        pairs[event["member"], event["offer"]].append(event)
    reached: dict[Key, list[list[str]]] = defaultdict(lambda: [[] for _ in stages])
    for (member, _offer), rows in pairs.items():
        steps = follow(rows, stages)
        if steps[0] is None:
            continue
        for number, step in enumerate(steps):
            if step is not None:
                reached[key_of(steps[0])][number].append(member)
    return {
        key: [(stage, len(members), len(set(members))) for stage, members in zip(stages, found, strict=True)]
        for key, found in reached.items()
    }
