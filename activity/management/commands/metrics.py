"""Print every metric of a period, broken down and filtered as asked."""

from typing import Any

from django.core.management.base import CommandParser

from activity.metrics import METRICS, Unit, shown_rates
from activity.selectors import Summary, refuse_personal, summarise
from partners.selectors import get_program
from plum_site.lib.commands import PlumCommand, condition, day, names

SHOWN = ("members_any", "impressions", "views", "unlocks", "activations", "redemptions", "net_spend")


class Command(PlumCommand):
    help = (
        "Print the metrics of a period, exact. Break them down by month, day, partner, offer, offer_type, category, country, "
        "source, segment, join_month, first_activation_month or any kept member attribute (member.NAME where the name is one "
        "of these). Groups of members that are too small are suppressed. The table shows the main figures, --format json "
        "every metric."
    )
    example = (
        "./plum manage metrics --program acme --from 2026-03-01 --to 2026-04-01 --by month,business_unit --where partner=P1,P2"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--program", required=True, metavar="CODE", help="the program")
        parser.add_argument("--from", dest="starts_date", type=day, required=True, metavar="DAY", help="first program day")
        parser.add_argument("--to", dest="ends_date", type=day, required=True, metavar="DAY", help="the day after the last")
        parser.add_argument(
            "--by", type=names, default=[], metavar="A,B", help="what to break the figures down by, in this order"
        )
        parser.add_argument(
            "--where",
            type=condition,
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="keep what has this value; several values with commas, several conditions by repeating the option",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """One question, one answer."""
        where: dict[str, list[str]] = {}
        for name, values in options["where"]:
            where.setdefault(name, []).extend(values)
        refuse_personal(where)
        program = get_program(options["program"])
        summary = summarise(
            program=program,
            starts_date=options["starts_date"],
            ends_date=options["ends_date"],
            by=options["by"],
            where=where,
        )
        if self.as_json:
            self.print_json({"as_of": summary.as_of, "recorded_stages": summary.recorded_stages, "rows": summary.rows})
        else:
            self._print(summary, options["by"], [*SHOWN, *shown_rates(program.stage_order)])

    def _print(self, summary: Summary, by: list[str], keys: list[str]) -> None:
        rows = [[*(row[name] for name in by), *(cell(row, key) for key in keys)] for row in summary.rows]
        self.print_table([*by, *(METRICS[key].label for key in keys)], rows)
        self.say(f"as of seal {summary.as_of}; recorded stages: {', '.join(summary.recorded_stages) or 'none'}")


def cell(row: dict[str, Any], key: str) -> Any:
    """A figure as the table shows it: suppressed groups say so, ratios as percent, money with its currency."""
    value = row[key]
    if row["suppressed"]:
        return "suppressed"
    if value is None:
        return None
    if METRICS[key].unit is Unit.MONEY:
        return ", ".join(f"{amount} {currency}" for currency, amount in value.items()) or None
    return f"{value:.1%}" if METRICS[key].unit is Unit.RATIO else value
