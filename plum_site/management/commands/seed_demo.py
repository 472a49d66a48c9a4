"""Make the sample programs: one made up, one of real, anonymised data."""

from typing import Any

from django.core.management.base import CommandParser

from plum_site.demo.people import list_users
from plum_site.demo.profiles import CODE
from plum_site.demo.seeding import load_sample, seed_demo
from plum_site.lib.clock import now
from plum_site.lib.commands import PlumCommand


class Command(PlumCommand):
    help = (
        "Make two sample programs with people, partners, offers, members and events: a made-up employee program of 13 full "
        "months up to now, and The Complete Journey, a grocer's real, anonymised coupon campaigns of 2017. "
        "What is there already is left alone."
    )
    example = "./plum manage seed_demo"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--program", default=CODE, metavar="CODE", help=f"short name of the made-up program (default: {CODE})"
        )
        parser.add_argument("--events", type=int, default=90_000, metavar="N", help="about how many events (default: 90000)")
        parser.add_argument("--seed", type=int, default=1, metavar="N", help="another number makes other events (default: 1)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make both programs, then say what there is and who can sign in."""
        with self.progress(None, "Sample programs") as steps:

            def show(step: str, done: float, total: float) -> None:
                steps.note(step)
                steps.reach(done, total)

            sample = load_sample(at=now(), progress=show)
            demo = seed_demo(
                code=options["program"], event_count=options["events"], seed=options["seed"], at=now(), progress=show
            )
        programs = [demo, sample]
        users = list_users({program.pk: program.code for program in programs})
        if self.as_json:
            self.print_json({"programs": [program.code for program in programs], "users": users})
            return
        self.print_table(
            ["program", "name", "time zone"], [[program.code, program.name, program.time_zone] for program in programs]
        )
        self.print_table(["username", "role", "program"], [list(user.values()) for user in users])
        self.say("Nobody has a password: ./plum manage sign_in_link --username admin")
