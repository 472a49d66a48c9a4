"""`manage.py sign_in_link`: lets a person in once, without a password."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from plum_site.lib.clock import now
from plum_site.lib.commands import PlumCommand, find_user
from plum_site.lib.signin import LIFE, make_link


class Command(PlumCommand):
    help = "Print a link that signs one person in, once, within ten minutes. Whoever holds it is let in: send it privately."
    example = """
        ./plum manage sign_in_link --username ada
        ./plum manage sign_in_link --username ada --base-url https://plum.example.org --format json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", required=True, help="who is let in")
        parser.add_argument("--base-url", default=settings.BASE_URL, help=f"the console's address (default {settings.BASE_URL})")

    def handle(self, *, username: str, base_url: str, **options: Any) -> None:
        at = now()
        link = make_link(find_user(username), at, base_url)
        if self.as_json:
            self.print_json({"username": username, "link": link, "expires_at": at + LIFE})
        else:
            self.stdout.write(link)
