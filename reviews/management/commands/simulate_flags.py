from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandParser

from plum_site.lib.commands import PlumCommand, Steps
from reviews.rules.simulation import FAULTS
from reviews.rules.trials import LEAST_FOUND, MOST_FALSE, count_false_flags, find_planted

USUAL_SPREAD = 0.15  # how much partners of a made-up program differ, as a share of their rates
PROGRAMS = 8  # with five faults each
MONTHS_AFTER = 3


class Command(PlumCommand):
    """Measure the rules that a new program starts with."""

    help = (
        "Measure the rules that a new program ships with on made-up programs, through the code that judges real ones: how "
        "often somebody is called where nobody is at fault (evaluated after each day), how often a fall is found in its month, "
        "and who is found, with which cause, where several things go wrong. Nothing is stored. Exit status 1 if more than "
        f"{MOST_FALSE:.0%} of the months have a false flag, or fewer than {LEAST_FOUND:.0%} of the falls are found."
    )
    example = """
    ./plum manage simulate_flags --partners 300 --identical --months 24
    ./plum manage simulate_flags --only planted --slow --left 0.5 --format json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--partners", type=int, default=300, help="partners of a program (default 300)")
        parser.add_argument("--months", type=int, default=24, help="months in which nobody is at fault (default 24)")
        parser.add_argument("--activations", type=int, default=500, help="activations of a partner in a month (default 500)")
        parser.add_argument("--identical", action="store_true", help="all partners have the same rates and size")
        parser.add_argument("--left", type=float, default=0.6, help="what is left of a step (default 0.6: a fall by 40 %%)")
        parser.add_argument("--slow", action="store_true", help="planted faults grow over four months instead of at once")
        parser.add_argument("--seed", type=int, default=1, help="another number makes other programs")
        parser.add_argument("--only", choices=["false", "power", "planted"], help="one of the three measurements alone")

    def handle(self, *args: Any, **options: Any) -> None:
        spread = 0.0 if options["identical"] else USUAL_SPREAD
        size = {"partners": options["partners"], "activations": options["activations"], "seed": options["seed"]}
        report: dict[str, Any] = {**size, "is_identical": options["identical"]}
        if options["only"] in (None, "false"):
            with self.progress(options["months"], "Nobody at fault") as steps:
                found = count_false_flags(**size, months=options["months"], spread=spread, progress=reaching(steps))
            report["nobody_at_fault"] = found.as_json()
        plants: dict[str, Any] = {**size, "programs": PROGRAMS, "spread": spread, "left": options["left"]}
        if options["only"] in (None, "power"):
            with self.progress(PROGRAMS, "A fall in its month") as steps:
                power = find_planted(**plants, months_after=1, causes=("friction",), progress=reaching(steps))
            report["power"] = power.as_json()
        if options["only"] in (None, "planted"):
            with self.progress(PROGRAMS, "Several faults") as steps:
                plants |= {"months_after": MONTHS_AFTER, "is_slow": options["slow"]}
                report["planted"] = find_planted(**plants, causes=FAULTS, progress=reaching(steps)).as_json()
        if self.as_json:
            self.print_json(report)
        else:
            self._say_all(report, options["left"])
        if report.get("nobody_at_fault", {}).get("share", 0) > MOST_FALSE:
            self.fail("Too many months in which somebody was called and nobody was at fault.")
        if report.get("power", {}).get("recall", 1) < LEAST_FOUND:
            self.fail("Too many falls that were not found within their month.")

    def _say_all(self, report: dict[str, Any], left: float) -> None:
        if false := report.get("nobody_at_fault"):
            self.say(
                f"Nobody at fault: {false['months_with_false_flag']} of {false['months']} months with a false flag "
                f"({false['share']:.1%}; at most {false['limit']:.0%}), over {false['evaluations']} evaluations of "
                f"{false['partners']} partners. A bare threshold: {false['raw_months_with_false_flag']} months."
            )
        if power := report.get("power"):
            self.say(
                f"A fall of redemptions by {1 - left:.0%}: {power['found']} of {power['planted']} found within the month "
                f"({power['recall']:.0%}; at least {LEAST_FOUND:.0%})."
            )
        if planted := report.get("planted"):
            rows = [[name, str(count)] for name, count in planted["causes"].items()]
            self.print_table(["planted and what it was called", "partners"], rows)
            self.say(
                f"Planted {planted['planted']}, found {planted['found']}: recall {planted['recall']}, precision "
                f"{planted['precision']}, right cause {planted['right_cause']}, after {planted['months_to_detection']} months."
            )


def reaching(steps: Steps) -> Callable[[int, int, str], None]:
    """What moves a progress bar on."""
    return lambda done, total, note: steps.reach(done, total)
