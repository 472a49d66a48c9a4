"""How a review is printed on a terminal."""

from collections import Counter
from typing import Any

from plum_site.lib.commands import PlumCommand
from reviews.choices import Standing
from reviews.selectors import Progress

HEADERS = [
    "#", "partner", "name", "standing", "score", "views", "unlock", "activ.", "redeem", "unl.%", "act.%", "red.%", "rev.%",
    "net spend", "flags",
]  # fmt: skip
LONGEST_NAME = 24  # so that a row without flags stays below 140 characters


def print_review(command: PlumCommand, review: dict[str, Any], progress: Progress, most: int | None = None) -> None:
    """The ranked table of a review and a line that sums it up; `most`: at most so many partners, flagged ones and the top."""
    partners = review["partners"]
    shown = partners if most is None else _choose(partners, most)
    title = f"{review['program']} {review['month']}, revision {review['revision']} ({review['state']})"
    command.print_table(HEADERS, [_row(partner) for partner in shown], title=title)
    if len(shown) < len(partners):
        rest = f"./plum manage show_review --program {review['program']} --month {review['month']}"
        command.say(f"… and {len(partners) - len(shown)} more: {rest}")
    standings = Counter(Standing(partner["standing"]).label.lower() for partner in partners)
    flags = sum(len(partner["flags"]) for partner in partners)
    found = ", ".join(f"{count} {label}" for label, count in standings.most_common()) or "nobody to review"
    command.say(f"{len(partners)} partners: {found}. {flags} {'flag' if flags == 1 else 'flags'}. {progress}.")
    command.say(f"Ledger up to batch {review['cutoff']}, digest {review['digest'][:16]}.")


def _choose(partners: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The flagged partners, those that need a decision and, as far as there is room, those at the top; in their order."""

    def urgency(index: int) -> tuple[bool, bool, int]:
        return not partners[index]["flags"], partners[index]["decision"] is not None, index

    first = sorted(range(len(partners)), key=urgency)
    return [partners[index] for index in sorted(first[:most])]


def _row(partner: dict[str, Any]) -> list[Any]:
    metrics, name = partner["metrics"], partner["name"]
    decision = f": {partner['decision']['kind']}" if partner["decision"] else ""
    return [
        partner["rank"],
        partner["partner"],
        name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…",
        Standing(partner["standing"]).label + decision,
        None if partner["score"] is None else round(partner["score"], 1),
        *[metrics[name] for name in ("views", "unlocks", "activations", "redemptions")],
        *[_percent(metrics[name]) for name in ("unlock_rate", "activation_rate", "redemption_rate", "reversal_rate")],
        ", ".join(f"{amount} {currency}" for currency, amount in metrics["net_spend"].items()),
        ", ".join(flag["rule"] for flag in partner["flags"]),
    ]


def _percent(rate: float | None) -> float | None:
    return None if rate is None else round(rate * 100, 1)
