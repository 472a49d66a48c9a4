"""Write the events of a period as a package into a folder."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from exports.choices import ExportState
from exports.rules import MANIFEST
from exports.services import copy_package, request_export, run_export, take_export
from exports.services.downloads import PACKAGE
from partners.selectors import get_program
from plum_site.lib.access import Actor, check
from plum_site.lib.audit import SYSTEM
from plum_site.lib.clock import now
from plum_site.lib.commands import COULD_NOT, PlumCommand, condition, day, find_user


class Command(PlumCommand):
    help = (
        "Write every event of a period, as it stands in the ledger now, as a package of files: data/, SHA256SUMS and "
        "datapackage.json, in DIR/PROGRAM/events/RUN. Members are pseudonyms of this export; --identified writes their outside "
        "ids instead, with a reason. The export is in the console like any other. Check a package with export verify."
    )
    example = """
        ./plum manage export_activity --program acme --from 2026-03-01 --to 2026-04-01 --export-format csv --out exports
        ./plum manage export_activity --program acme --from 2026-03-01 --to 2026-04-01 --export-format jsonl --out exports \
--where partner=P1,P2 --where kind=redeemed
        ./plum manage export_activity --program acme --from 2026-03-01 --to 2026-04-01 --export-format csv --out exports \
--identified --reason 'match with payroll' --as ada
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--program", required=True, metavar="CODE", help="the program")
        parser.add_argument("--from", dest="starts_date", type=day, required=True, metavar="DAY", help="first program day")
        parser.add_argument("--to", dest="ends_date", type=day, required=True, metavar="DAY", help="the day after the last")
        parser.add_argument("--export-format", required=True, metavar="FORMAT", help="csv or jsonl")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the package is put; made if missing")
        parser.add_argument(
            "--where",
            type=condition,
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="keep what has this value, by the names of metrics, or by kind or status; commas and repetition as there",
        )
        parser.add_argument("--identified", action="store_true", help="outside ids, not pseudonyms; needs --reason and --as")
        parser.add_argument("--reason", default="", help="why outside ids are needed; it is logged")
        parser.add_argument("--as", dest="username", metavar="USER", help="who asks (default: the system)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, write, and put the package where it was asked for."""
        program = get_program(options["program"])
        actor = find_user(options["username"]) if options["username"] else SYSTEM
        if options["identified"] and not options["username"]:
            self.fail("Outside ids are given to a person: say who asks with --as USER. Nothing was written.", COULD_NOT)
        if not isinstance(actor, str):
            check(Actor(user=actor), "export.identified" if options["identified"] else "export.request", program.pk)
        where: dict[str, list[str]] = {}
        for name, values in options["where"]:
            where.setdefault(name, []).extend(values)
        export = request_export(
            program_id=program.pk,
            starts_date=options["starts_date"],
            ends_date=options["ends_date"],
            format=options["export_format"],
            filters=where,
            is_identified=options["identified"],
            reason=options["reason"],
            actor=actor,
            at=now(),
            in_background=False,
        )
        with self.progress(None, "Exporting") as steps:

            def show(done: int, total: int, note: str) -> None:
                steps.note(note)
                steps.reach(done, total)

            export = run_export(export_id=export.pk, actor=actor, at=now(), progress=show)
        if export.state != ExportState.READY:
            self.fail(export.error)
        take_export(export_id=export.pk, what=PACKAGE, actor=actor, at=now())
        try:
            folder = copy_package(export=export, out=options["out"])
        except OSError as error:
            self.fail(f"The package could not be put into {options['out']}: {error}. It can be downloaded from the console.")
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if self.as_json:
            self.print_json(manifest | {"folder": str(folder)})
        else:
            self.show(manifest, folder)

    def show(self, manifest: dict[str, Any], folder: Path) -> None:
        """What was written, and how to check it."""
        files = [[row["path"], row["rows"], row["bytes"], row["hash"]] for row in manifest["resources"]]
        self.print_table(["file", "rows", "bytes", "hash"], files)
        for name, amounts in manifest["plum"]["sums"].items():
            self.say(f"{name}: {', '.join(f'{amount} {code}' for code, amount in amounts.items())}")
        self.say(f"{manifest['plum']['rows']} events in {folder}\nCheck it anywhere: ./plum manage export verify {folder}")
