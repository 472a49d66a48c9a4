"""What a benchmark works with: time, memory, and ledgers of a known make."""

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

from partners.models import Program
from plum_site.bench.ledger import make_ledger
from plum_site.bench.usage import KILOBYTE, resident


class Lab:
    """
    One run of one benchmark. events: how large a ledger is wanted. rounds: how often everything is measured.

    folder: an empty folder on disk that goes with the run. notes: what the run was about, for the JSON. areas: what is
    verified afterwards; empty for everything. tables: what is shown beside the results, as columns and rows.
    """

    def __init__(self, *, events: int, rounds: int, folder: Path, say: Callable[[str], None]) -> None:
        self.events, self.rounds, self.folder, self.say = events, rounds, folder, say
        self.programs: dict[str, int] = {}
        self.notes: dict[str, object] = {}
        self.areas: tuple[str, ...] = ()
        self.tables: list[dict[str, list[Any]]] = []

    def make_ledger(
        self, events: int, *, code: str = "bench", starts: date = date(2026, 5, 1), days: int = 31, members: int | None = None
    ) -> Program:
        """
        A sealed program with `events` events spread over `days` days; the same ones for the same arguments.

        300 partners, 3,000 offers, 24 attribute sets, UUIDv7 event ids; a member for every 20 events, if nothing is said.
        """
        began = perf_counter()
        program = make_ledger(
            events=events, code=code, starts=starts, days=days, members=members or max(events // 20, 24), folder=self.folder,
            say=self.say,
        )  # fmt: skip
        self.programs[code] = events
        self.say(f"{code}: {events:,} events recorded and sealed in {perf_counter() - began:.0f} s")
        return program

    def time(self, act: Callable[[], object]) -> float:
        """The seconds that one call takes; rubbish is collected before, not meanwhile."""
        gc.collect()
        gc.disable()
        try:
            began = perf_counter()
            act()
            return perf_counter() - began
        finally:
            gc.enable()

    def interleave(self, ways: Mapping[str, Callable[[], object]], *, rounds: int = 0) -> dict[str, list[float]]:
        """
        The seconds of each way in each round, after one round that is not counted.

        The ways take turns, and each round begins with another one, so that a machine that is busy for a while, or gets
        slower, is so for all of them.
        """
        rounds = rounds or self.rounds
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number, name in self.turns(list(ways), rounds):
            taken = self.time(ways[name])
            if number >= 0:
                seconds[name].append(round(taken, 4))
            self.say_turn(name, f"{taken:.3f} s", number, rounds)
        return seconds

    def turns(self, names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
        """Round and way, round -1 first, which is not counted; each round begins with another way."""
        for number in range(-1, rounds):
            turn = (number + 1) % len(names)
            for name in [*names[turn:], *names[:turn]]:
                yield number, name

    def say_turn(self, name: str, text: str, number: int, rounds: int) -> None:
        """One line for the person who waits."""
        self.say(f"{name}: {text}" + (" (not counted)" if number < 0 else f" (round {number + 1} of {rounds})"))

    def growth_of_memory(self, act: Callable[[], object]) -> float:
        """By how many MB the memory of this process peaks above where it was before the call."""
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
        before = resident("self", "VmRSS")
        act()
        return (resident("self", "VmHWM") - before) / KILOBYTE


def describe_machine() -> dict[str, object]:
    """What the figures were taken on."""
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
    }
