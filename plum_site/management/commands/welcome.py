"""`manage.py welcome`: what `./plum up` shows once everything runs, in one go."""

from io import StringIO
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from partners.selectors import list_programs
from plum_site.demo.people import list_users
from plum_site.lib.clock import now
from plum_site.lib.commands import PlumCommand
from plum_site.lib.models import User
from plum_site.lib.periods import local_date, month_start, month_text
from plum_site.lib.signin import make_link
from plum_site.progress import list_progress
from reviews.management.commands._tables import print_review
from reviews.selectors import describe_review, find_latest_cycle, summarise_progress


class Command(PlumCommand):
    help = (
        "Print the latest review of every program, shortened, who can sign in to the sample programs and, for --sign-in, a "
        "link that lets that person in once. Changes nothing."
    )
    example = """
        ./plum manage welcome
        ./plum manage welcome --sign-in admin --format json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--most", type=int, default=25, metavar="N", help="show at most so many partners (default 25)")
        parser.add_argument("--sign-in", metavar="NAME", help="whom the link lets in; no link if there is no such person")
        parser.add_argument("--base-url", default=settings.BASE_URL, help=f"the console's address (default {settings.BASE_URL})")

    def handle(self, *, most: int, sign_in: str | None, base_url: str, **options: Any) -> None:
        at = now()
        programs = list(list_programs())
        progress = list_progress(at)
        present = {program.code: month_start(local_date(at, program.time_zone)) for program in programs}
        # The running month is consolidated every day; only what is over is worth waiting for.
        waiting = [
            f"{row.program} {month_text(month)}" for row in progress for month in row.waiting if month < present[row.program]
        ]
        found = [(program, cycle) for program in programs if (cycle := find_latest_cycle(program.pk))]
        reviews = [describe_review(cycle, program) for program, cycle in found]
        users = list_users({program.pk: program.code for program in programs})
        person = User.objects.filter(username=sign_in, is_active=True).first() if sign_in else None
        link = make_link(person, at, base_url) if person else None
        text = StringIO()
        page = PlumCommand(stdout=text)
        for (_, cycle), review in zip(found, reviews, strict=True):
            print_review(page, review, summarise_progress(cycle.pk), most)
            page.say("")
        if self.as_json:
            rows = [
                {"program": row.program, "months_due": row.months_due, "months_done": row.months_done, "latest": row.latest}
                for row in progress
            ]
            self.print_json(
                {
                    "programs": rows,
                    "waiting": waiting,
                    "reviews": reviews,
                    "text": text.getvalue(),
                    "users": users,
                    "sign_in_link": link,
                }
            )
            return
        self.say(text.getvalue().rstrip() or "No month of any program has been reviewed yet.")
        if users:
            self.print_table(["username", "role", "program"], [list(user.values()) for user in users])
        if link:
            self.say(link)
