"""`manage.py health`: is the running system well?"""

from typing import Any

from plum_site.health import find_health
from plum_site.lib.commands import PlumCommand


class Command(PlumCommand):
    help = (
        "Look at database, migrations, connections, broker, worker, beat, ledger, jobs, disk and the last nightly verification. "
        "Changes nothing. Exit status 0 if all is well, 1 if not."
    )
    example = """
        ./plum manage health
        ./plum manage health --format json
    """

    def handle(self, **options: Any) -> None:
        health = find_health()
        if self.as_json:
            self.print_json(health.as_json())
        else:
            rows = [
                [check.name, "well" if check.ok else "NOT WELL", check.detail, "" if check.ok else check.remedy]
                for check in health.checks
            ]
            self.print_table(["what", "state", "seen", "what to do"], rows)
        if not health.ok:
            self.fail("Not well: " + ", ".join(check.name for check in health.checks if not check.ok) + ".")
