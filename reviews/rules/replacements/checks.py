"""What must hold after a cutover: each check with what it found."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from offers.rules import succeed


@dataclass(frozen=True)
class Check:
    """
    One thing that must hold. faults: what does not, one line each; counted: how much was looked at. is_needed: whether a
    replacement goes on only where it holds.
    """

    name: str
    sentence: str
    counted: int = 0
    faults: tuple[str, ...] = ()
    is_needed: bool = True

    @property
    def holds(self) -> bool:
        """Whether nothing is at fault."""
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        """As it is stored, and printed by the command."""
        return {
            "check": self.name,
            "holds": self.holds,
            "sentence": self.sentence,
            "counted": self.counted,
            "faults": list(self.faults),
        }


def check_ranks(
    catalog: str,
    before: Sequence[str],
    after: Sequence[str],
    successors: Mapping[str, str | None],
    *,
    pinned: Collection[str] = (),
    must_show: bool = True,
) -> list[str]:
    """
    Whether what was shown before, with every old offer followed by its successor, is what is shown after, in this order.

    Offers that came, or went by their own dates, since are passed over, and so are those that are pinned: they stay where they
    are whoever goes; and those that follow an old offer which was not shown: nobody saw which place it handed on.
    catalog: how it is called in a sentence. must_show: whether every successor is to be seen in it.

    Shape: one line for each fault.
    Source: docs/rules/replacement.md
    """
    expected = succeed(before, successors)
    shown = set(after)
    news = {new for new in successors.values() if new is not None}
    faults = [f"{catalog}: {new} is not shown" for new in expected if must_show and new in news and new not in shown]
    faults += [f"{catalog}: {old} is still shown" for old in successors if old in shown and old not in news]
    unseen = {new for old, new in successors.items() if old not in before}
    wanted = [offer for offer in expected if offer in shown and offer not in pinned and offer not in unseen]
    kept = set(wanted)
    found = [offer for offer in after if offer in kept]
    wrong = next(((right, other) for right, other in zip(wanted, found, strict=True) if right != other), None)
    if wrong is not None:
        faults.append(f"{catalog}: {wrong[1]} stands where {wrong[0]} should")
    return faults


def say_checks(checks: Iterable[Check]) -> str:
    """
    What does not hold and is needed to go on, in one text; "" where all that does.

    Shape: text.
    """
    return " ".join(f"{check.sentence} {'; '.join(check.faults)}." for check in checks if check.is_needed and not check.holds)
