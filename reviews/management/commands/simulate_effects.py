from typing import Any

from django.core.management.base import CommandError, CommandParser

from plum_site.lib.commands import COULD_NOT, PlumCommand
from reviews.rules.effects.trials import (
    COVERAGE,
    LEAST_HARM,
    LEAST_POWER,
    MOST_CANNOT_TELL,
    MOST_WORKED,
    SCENARIOS,
    Outcome,
    find_shortfalls,
    simulate_effects,
    summarise_trials,
)

MOST_RUNS = 20_000  # of each scenario, over half an hour


class Command(PlumCommand):
    """Measure the measuring of effects."""

    help = (
        "Measure how far verdicts on corrective actions can be trusted: made-up actions of known effect go through the code that "
        "designs and measures real ones. Audiences of which a share is held out, and offers held against others that moved "
        "alike; actions that do nothing, lift by a fifth or do harm, and too little data. Nothing is stored. Exit status 1 "
        f"unless at most {MOST_WORKED:.0%} of the actions that did nothing are called worked, intervals hold the truth in "
        f"{COVERAGE[0]:.0%} to {COVERAGE[1]:.0%} of the runs, at least {LEAST_POWER:.0%} of the lifts and {LEAST_HARM:.0%} of "
        f"the harm are found, and at most {MOST_CANNOT_TELL:.0%} are left open where data suffice."
    )
    example = """
    ./plum manage simulate_effects --runs 500
    ./plum manage simulate_effects --runs 500 --seed 7 --format json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--runs",
            type=int,
            default=500,
            help=f"actions of each scenario (default 500, at most {MOST_RUNS}; 500 take about a minute)",
        )
        parser.add_argument("--seed", type=int, default=1, help="another number makes other audiences and units")

    def handle(self, *args: Any, **options: Any) -> None:
        runs = options["runs"]
        if not 1 <= runs <= MOST_RUNS:
            raise CommandError(
                f"--runs {runs} is not possible: write 1 to {MOST_RUNS}. Nothing was measured.", returncode=COULD_NOT
            )
        with self.progress(runs * len(SCENARIOS), "Made-up actions") as steps:
            outcomes = simulate_effects(runs, options["seed"], steps.reach)
        figures = summarise_trials(outcomes)
        if self.as_json:
            details = {"runs": runs, "seed": options["seed"], "scenarios": [one.as_json() for one in outcomes]}
            self.print_json({**figures, "details": details})
        else:
            self._say_all(outcomes, figures)
        if shortfalls := find_shortfalls(figures):
            self.fail(" ".join(shortfalls))

    def _say_all(self, outcomes: list[Outcome], figures: dict[str, float | None]) -> None:
        rows = [one.as_json() for one in outcomes]
        columns = [name for name in rows[0] if name != "is_enough"]
        self.print_table([name.replace("_", " ") for name in columns], [[row[name] for name in columns] for row in rows])
        self.say("")
        self.print_table(["figure", "measured"], [[name, value] for name, value in figures.items()])
