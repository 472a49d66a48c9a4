"""The registry behind `manage.py verify`: each app registers its checks, one name may hold several."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """One line of `verify`: what was checked, how much of it, and what is wrong (nothing: the check holds)."""

    check: str
    checked: int
    violations: list[str] = field(default_factory=list)


Check = Callable[[], Iterator[Finding]]
CHECKS: dict[str, list[Check]] = {}


def check(area: str) -> Callable[[Check], Check]:
    """Register a generator of findings under `area` (ledger, rollups, cycles, audit, tenancy, jobs, ...)."""

    def register(function: Check) -> Check:
        CHECKS.setdefault(area, []).append(function)
        return function

    return register


def run(area: str) -> Iterator[Finding]:
    """Every finding of one area, or of all areas in alphabetical order for "all"."""
    for name in sorted(CHECKS) if area == "all" else [area]:
        for function in CHECKS[name]:
            yield from function()
