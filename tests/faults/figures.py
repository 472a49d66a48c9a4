"""What fault tests count, in one form, so that a run can add it up (`tests/support/phases.py` prints the sum)."""

import json
from collections.abc import Iterable
from typing import Any

PROPERTY = "faults"


class Figures:
    """
    The counts of one test: events acknowledged, lost and doubled; faults tried and survived; seconds to recover.

    node: the test, to whose report they are added. `survived` is called once a fault is over and the next request has
    succeeded.
    """

    def __init__(self, node: Any) -> None:
        self.node, self.kinds = node, dict[str, int]()
        self.counts = {"acknowledged": 0, "lost": 0, "doubled": 0, "faults": 0, "survived": 0}
        self.recoveries: list[float] = []

    def tried(self, kind: str, count: int = 1) -> None:
        """So many faults of a kind begin."""
        self.counts["faults"] += count
        self.kinds[kind] = self.kinds.get(kind, 0) + count

    def survived(self, count: int = 1, *, seconds: float | None = None) -> None:
        """So many faults are over, and everything works again, after so many seconds."""
        self.counts["survived"] += count
        if seconds is not None:
            self.recoveries.append(round(seconds, 2))

    def report(self, **counts: int) -> None:
        """Add what the comparison with the ledger found, and put everything into the report of the run."""
        for name, count in counts.items():
            self.counts[name] += count
        said = {**self.counts, "kinds": self.kinds, "recoveries": self.recoveries}
        self.node.user_properties.append((PROPERTY, json.dumps(said)))
        print(f"{self.node.name}: {describe(said)}")


def add_up(texts: Iterable[str]) -> dict[str, Any]:
    """The figures of several tests as one."""
    total: dict[str, Any] = {"kinds": {}, "recoveries": []}
    for said in map(json.loads, texts):
        for name, value in said.items():
            if name == "kinds":
                total[name] = {kind: total[name].get(kind, 0) + value.get(kind, 0) for kind in {**total[name], **value}}
            else:
                total[name] = total[name] + value if name in total else value
    return total


def describe(said: dict[str, Any]) -> str:
    """Figures as one line."""
    counts = (
        f"{said['acknowledged']:,} acknowledged, {said['lost']} lost, {said['doubled']} doubled, "
        f"{said['survived']} of {said['faults']} faults survived"
    )
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(said["kinds"].items()))
    slow = sorted(said["recoveries"])
    pace = f"; recovery median {slow[len(slow) // 2]:.1f} s, longest {slow[-1]:.1f} s" if slow else ""
    return f"{counts} ({kinds}){pace}"
