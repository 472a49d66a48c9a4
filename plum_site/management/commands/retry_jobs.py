"""`manage.py retry_jobs`: gives jobs that were given up another chance."""

from typing import Any

from django.core.management.base import CommandParser

from plum_site.lib.audit import SYSTEM
from plum_site.lib.clock import now
from plum_site.lib.commands import PlumCommand, find_user
from plum_site.lib.jobs import list_dead, revive


class Command(PlumCommand):
    help = "Give dead jobs all their attempts again, after their cause was mended: those named, or all of them."
    example = """
        ./plum manage retry_jobs
        ./plum manage retry_jobs 41 57 --as ada
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "jobs", nargs="*", type=int, metavar="JOB", help="job numbers, as `verify jobs` names them; all dead ones by default"
        )
        parser.add_argument("--as", dest="username", metavar="USER", help="who does it, for the audit log")

    def handle(self, *, jobs: list[int], **options: Any) -> None:
        actor = find_user(options["username"]) if options["username"] else SYSTEM
        ids = jobs or list_dead()
        for job_id in ids:
            revive(job_id=job_id, actor=actor, at=now())
        if self.as_json:
            self.print_json({"retried": ids})
        else:
            self.say(f"{len(ids)} jobs are due again.")
