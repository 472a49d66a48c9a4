"""What processes of the lab do about webhooks: make endpoints, and announce what has happened."""

import json
import time
from pathlib import Path

from django.db import transaction

from partners.models import Program
from plum_site.lib.announcements import announce
from plum_site.lib.clock import now
from plum_site.lib.wakeups import SENDER
from tests.factories.programs import make_program
from tests.factories.webhooks import make_endpoint_and_secret

CODE = "hooks"


def make_endpoints(file: str, *urls: str) -> None:
    """A program with these endpoints; path and secret of each go to a file."""
    program = Program.objects.filter(code=CODE).first() or make_program(CODE)
    with open(file, "a", encoding="utf-8") as secrets:
        for url in urls:
            _, secret = make_endpoint_and_secret(program, name=url, url=url)
            secrets.write(f"/{url.rpartition('/')[2]} {secret}\n")


def tell(file: str, first: int, count: int) -> None:
    """Announce so many flags, one transaction each; when each was committed goes to a file."""
    program = Program.objects.get(code=CODE)
    committed = {}
    for number in range(first, first + count):
        name = f"P{number}"
        data = {
            "program": CODE,
            "month": "2026-06",
            "partner": name,
            "rules": ["fall"],
            "severity": "warning",
            "url": "https://x",
        }
        with transaction.atomic():
            announce(type="partner.flagged", program_id=program.pk, key=name, data=data, at=now())
        committed[name] = time.time()
    SENDER.flush(5)  # a web server lives on; this process ends, and would leave the wake-up to the next sweep
    known = json.loads(Path(file).read_text(encoding="utf-8")) if Path(file).exists() else {}
    Path(file).write_text(json.dumps(known | committed), encoding="utf-8")
