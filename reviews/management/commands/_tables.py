"""How a review is printed on a terminal."""

from collections import Counter
from typing import Any

from plum_site.lib.commands import PlumCommand
from reviews.choices import Standing
from reviews.selectors import Progress

HEADERS = [
    "#", "partner", "name", "standing", "score", "views", "unlocks", "activations", "redemptions",
    "unlock %", "activ. %", "redeem %", "reversal %", "net spend", "flags", "decision",
]  # fmt: skip


def print_review(command: PlumCommand, review: dict[str, Any], progress: Progress) -> None:
    """The ranked table of a review and a line that sums it up."""
    title = f"{review['program']} {review['month']}, revision {review['revision']} ({review['state']})"
    command.print_table(HEADERS, [_row(partner) for partner in review["partners"]], title=title)
    standings = Counter(Standing(partner["standing"]).label.lower() for partner in review["partners"])
    flags = sum(len(partner["flags"]) for partner in review["partners"])
    found = ", ".join(f"{count} {label}" for label, count in standings.most_common()) or "nobody to review"
    command.say(f"{len(review['partners'])} partners: {found}. {flags} {'flag' if flags == 1 else 'flags'}. {progress}.")
    command.say(f"Ledger up to batch {review['cutoff']}, digest {review['digest'][:16]}.")


def _row(partner: dict[str, Any]) -> list[Any]:
    metrics = partner["metrics"]
    counts = [metrics[name] for name in ("views", "unlocks", "activations", "redemptions")]
    rates = [_percent(metrics[name]) for name in ("unlock_rate", "activation_rate", "redemption_rate", "reversal_rate")]
    spend = ", ".join(f"{amount} {currency}" for currency, amount in metrics["net_spend"].items())
    flags = ", ".join(flag["rule"] for flag in partner["flags"])
    decision = partner["decision"]["kind"] if partner["decision"] else None
    standing = Standing(partner["standing"]).label
    return [
        partner["rank"],
        partner["partner"],
        partner["name"],
        standing,
        partner["score"],
        *counts,
        *rates,
        spend,
        flags,
        decision,
    ]


def _percent(rate: float | None) -> float | None:
    return None if rate is None else round(rate * 100, 1)
