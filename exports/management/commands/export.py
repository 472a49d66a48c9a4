"""`manage.py export verify PATH`: is a package whole? `manage.py export key`: the key that Plum signs packages with."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from exports.services import check_package
from plum_site.lib import keys
from plum_site.lib.commands import COULD_NOT, PlumCommand


class Command(PlumCommand):
    help = (
        "Check a package of export_activity, or one downloaded and unpacked, wherever it lies: files, sizes, hashes, rows, sums "
        "and the signature against its datapackage.json. Needs no database. Exit status 0 if it is whole; 1 names the first "
        "thing that is not; 2 if there is no folder."
    )
    example = """
        ./plum manage export verify exports/acme/events/0b0f6c1e-5a5e-4a55-9d3a-6d1f0b7c2f11
        ./plum manage export key
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["verify", "key"], help="verify a package, or print the public key of this Plum")
        parser.add_argument("path", nargs="?", type=Path, metavar="PATH", help="the folder that holds datapackage.json")
        parser.add_argument(
            "--public-key", default="", metavar="HEX", help="the key it must be signed with, as `export key` prints it there"
        )

    def handle(self, *, what: str, path: Path | None, public_key: str, **options: Any) -> None:
        if what == "key":
            key = keys.signing_key().public_key().public_bytes_raw().hex()
            if self.as_json:
                self.print_json({"public_key": key})
            else:
                self.stdout.write(key)
            return
        if path is None or not path.is_dir():
            self.fail(f"{path or 'Nothing'} is no folder. Nothing was checked. Name the one with datapackage.json.", COULD_NOT)
        with self.progress(None, "Checking") as steps:
            fault, described = check_package(folder=path, public_key=public_key, progress=steps.reach)
        facts = {name: described.get(name) for name in ("id", "program", "from", "to", "rows", "sums", "cut_off", "as_of")}
        if self.as_json:
            found = {"file": fault.file, "line": fault.line, "detail": fault.detail} if fault else None
            self.print_json({"ok": fault is None, "fault": found, **facts})
        if fault is not None:
            self.fail(f"{path} is not whole. {fault}")
        self.say(
            f"{path} is whole: {facts['rows']} events of {facts['program']}, {facts['from']} to {facts['to']} (excluded), "
            f"as recorded by {facts['as_of'] or 'the start'}; signed."
        )
