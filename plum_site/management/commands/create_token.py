"""`manage.py create_token`: a machine's key to one program, shown once."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from partners.selectors import get_program
from plum_site.lib.audit import SYSTEM
from plum_site.lib.choices import Scope
from plum_site.lib.clock import now
from plum_site.lib.commands import PlumCommand, find_user, names
from plum_site.lib.tokens import create_token


class Command(PlumCommand):
    help = "Make an API token for one program and print it. It is shown this once; only a digest of it is kept."
    example = """
        ./plum manage create_token --program harbour --name "till" --scopes events:write
        ./plum manage create_token --program harbour --name "BI" --scopes metrics:read --days 90 --as ada --format json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--program", required=True, metavar="CODE", help="the program that it opens, and no other")
        parser.add_argument("--name", required=True, help="what uses it, for the list of tokens")
        parser.add_argument(
            "--scopes", required=True, type=names, metavar="A,B", help=f"what it may do: any of {', '.join(Scope.values)}"
        )
        parser.add_argument("--days", type=int, default=90, help="how long it is good for, at most 365 (default 90)")
        parser.add_argument("--sandbox", action="store_true", help="events sent with it never count")
        parser.add_argument("--as", dest="username", metavar="USER", help="who makes it, for the audit log")

    def handle(self, *, program: str, name: str, scopes: list[str], days: int, sandbox: bool, **options: Any) -> None:
        at = now()
        token, secret = create_token(
            program_id=get_program(program).pk,
            name=name,
            scopes=scopes,
            is_sandbox=sandbox,
            expires_at=at + timedelta(days=min(days, 36500)),
            actor=find_user(options["username"]) if options["username"] else SYSTEM,
            at=at,
        )
        if self.as_json:
            self.print_json(
                {
                    "token": secret,
                    "id": token.pk,
                    "program": program,
                    "name": token.name,
                    "scopes": token.scopes,
                    "sandbox": token.is_sandbox,
                    "expires_at": token.expires_at,
                }
            )
            return
        self.stdout.write(secret)
        self.stderr.write(
            f"Shown this once. Good for {program} until {token.expires_at:%Y-%m-%d}. Send it as: Authorization: Bearer TOKEN"
        )
