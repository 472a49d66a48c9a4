"""The benchmarks by name."""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from plum_site import bench
from plum_site.bench.results import Result

if TYPE_CHECKING:
    from plum_site.bench.lab import Lab

Run = Callable[["Lab"], list[Result]]


@dataclass(frozen=True)
class Benchmark:
    """One benchmark. events: how large a ledger it wants, and rounds: how often, where the command does not say otherwise."""

    name: str
    title: str
    events: int
    run: Run
    rounds: int = 5


BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(name: str, *, title: str, events: int, rounds: int = 5) -> Callable[[Run], Run]:
    """Register what `manage.py bench NAME` runs."""

    def register(function: Run) -> Run:
        BENCHMARKS[name] = Benchmark(name, title, events, function, rounds)
        return function

    return register


def load_benchmarks() -> dict[str, Benchmark]:
    """Every benchmark by name, after importing every module of this package."""
    for module in pkgutil.iter_modules(bench.__path__):
        import_module(f"{bench.__name__}.{module.name}")
    return dict(sorted(BENCHMARKS.items()))
