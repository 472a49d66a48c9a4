from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from activity.models import EventSource
from partners.models import Program
from partners.selectors import get_program
from plum_site.lib.access import SYSTEM_ACTOR, Actor, check
from plum_site.lib.audit import SYSTEM
from plum_site.lib.clock import now
from plum_site.lib.commands import PlumCommand, find_user, month
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import User
from reviews.management.commands._tables import print_review
from reviews.selectors import describe_review, summarise_progress
from reviews.services import accept_gaps_of, close_cycle, consolidate_cycle, decide_by_standing
from reviews.workflow import ACCEPT

ACCEPTED = "Accepted by name where the month was closed."


class Command(PlumCommand):
    """Consolidates a month by hand; with --close, decides and closes it as the person that --as names."""

    help = (
        "Score every partner of a program for one month and print the ranked review. A month that is over is frozen; "
        "a closed one is printed as it was closed. Exit status 1 if --close finds partners without a decision, or a data gap "
        "that nobody has accepted."
    )
    example = """
    ./plum manage run_review --program acme --month 2026-03
    ./plum manage run_review --program acme --month 2026-03 --close --decide-by-standing --as ada --format json
    ./plum manage run_review --program acme --month 2026-03 --close --as ada --accept-gap till --reason "It was being moved."
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--program", required=True, help="code of the program")
        parser.add_argument("--month", required=True, type=month, help="the month, as YYYY-MM")
        parser.add_argument(
            "--close", action="store_true", help="close the review afterwards; refused while a partner is undecided"
        )
        parser.add_argument(
            "--decide-by-standing",
            action="store_true",
            help="with --close: first decide about the undecided by standing (excellent, on track: pass; without data: exempt; "
            "others: monitor)",
        )
        parser.add_argument(
            "--accept-gap",
            action="append",
            default=[],
            metavar="SOURCE",
            help="with --close: first accept whatever this source left out of the month; may stand several times",
        )
        parser.add_argument("--reason", default=ACCEPTED, help=f"with --accept-gap: why it is accepted (default: {ACCEPTED})")
        parser.add_argument("--as", dest="username", help="who closes it: the user name of a person with the right to")

    def handle(self, *args: Any, **options: Any) -> None:
        program, at = get_program(options["program"]), now()
        if options["decide_by_standing"] and not options["close"]:
            raise InvalidInput("close_missing", "--decide-by-standing goes with --close. Nothing was changed.")
        if options["accept_gap"] and not options["close"]:
            raise InvalidInput("close_missing", "--accept-gap goes with --close. Nothing was changed.")
        if options["close"] and not options["username"]:
            raise InvalidInput("actor_missing", "--close needs --as USER: somebody has to sign for it. Nothing was changed.")
        person = find_user(options["username"]) if options["username"] else None
        actor: User | str = person or SYSTEM
        who = Actor(user=person) if person else SYSTEM_ACTOR
        check(who, "review.run", program.pk)
        if options["close"]:
            check(who, "review.close", program.pk)
        if options["decide_by_standing"]:
            check(who, "review.decide", program.pk)
        if options["accept_gap"]:
            check(who, ACCEPT, program.pk)
            check_sources_known(program, options["accept_gap"])
        with self.progress(None, f"Review {options['month']:%Y-%m}") as steps:

            def show(done: int, total: int, note: str) -> None:
                steps.reach(done, total)
                steps.note(note)

            cycle = consolidate_cycle(
                program_id=program.pk,
                month_start_date=options["month"],
                actor=actor,
                at=at,
                progress=show,
                by_hand=True,
            )
        if options["close"]:
            for source in options["accept_gap"] if cycle.state != "closed" else ():
                gaps = accept_gaps_of(cycle=cycle, source=source, reason=options["reason"], actor=actor, at=at)
                if not gaps:
                    self.stderr.write(f"{source}: no gap in {options['month']:%Y-%m} that is not accepted yet.")
            if options["decide_by_standing"] and cycle.state != "closed":
                decide_by_standing(cycle_id=cycle.pk, actor=actor, at=at)
            cycle = close_cycle(cycle_id=cycle.pk, actor=actor, at=at)
        review = describe_review(cycle, program)
        if self.as_json:
            self.print_json(review)
        else:
            print_review(self, review, summarise_progress(cycle.pk))


def check_sources_known(program: Program, sources: Sequence[str]) -> None:
    """Refuse the name of a source that has never sent anything: more likely a slip than a source without a gap."""
    known = set(EventSource.objects.filter(program=program).values_list("code", flat=True))
    for source in sources:
        if source not in known:
            named = ", ".join(sorted(known)) or "none yet"
            sentence = f"There is no source {source!r} in {program.code}. Nothing was changed. Sources: {named}."
            raise InvalidInput("unknown_source", sentence)
