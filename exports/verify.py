"""The checks of `manage.py verify exports`: ready exports lie there unchanged, and hold what the ledger held at their cut-off."""

from collections.abc import Iterator
from hashlib import sha256

from django.db.models import Count

from exports.models import Export
from exports.rules import MANIFEST
from exports.selectors import list_ready, list_stuck, make_selection, read_totals
from exports.services import check_package
from exports.services.places import is_there, package_folder
from plum_site.lib import keys
from plum_site.lib.errors import DomainError
from plum_site.lib.verify import Finding, check


@check("exports")
def check_exports() -> Iterator[Finding]:
    """Files, and rows and sums against the ledger, of every export that can be downloaded; none waits for nobody."""
    ready = list(list_ready())
    for title, find_fault in (("files", _file_fault), ("rows and sums as in the ledger", _ledger_fault)):
        faults = [(export, find_fault(export)) for export in ready]
        yield Finding(f"exports: {title}", len(ready), [f"{_name(export)}: {fault}" for export, fault in faults if fault])
    waiting = Export.objects.aggregate(number=Count("id"))["number"]
    stuck = [f"{_name(export)} is {export.state}, and no job will write it" for export in list_stuck()]
    yield Finding("exports: none is stuck", waiting, stuck)


def _name(export: Export) -> str:
    return f"{export.program.code}/{export.uuid}"


def _file_fault(export: Export) -> str:
    """What is wrong with the files, "" for nothing."""
    if not is_there(export):
        return "its files are not in the storage"
    folder = package_folder(export)
    if sha256((folder / MANIFEST).read_bytes()).hexdigest() != export.sha256:
        return f"{MANIFEST} is not the one that was written"
    fault, _described = check_package(folder=folder, public_key=keys.signing_key().public_key().public_bytes_raw().hex())
    return str(fault) if fault else ""


def _ledger_fault(export: Export) -> str:
    """Where manifest and ledger differ, "" for nowhere."""
    if not is_there(export):
        return ""  # said already
    _fault, described = check_package(folder=package_folder(export))
    cutoff = export.cutoff or 0
    try:
        selection = make_selection(export.program, export.starts_date, export.ends_date, export.filters, cutoff)
    except DomainError as error:
        return f"its filters do not fit any more: {error.detail}"
    totals, first, last = read_totals(selection)
    there = {
        "rows": totals.rows,
        "events": totals.plain()["counts"],
        "sums": totals.sums(),
        "first_event": first,
        "last_event": last,
    }
    for name, value in there.items():
        if described.get(name) != value:
            return f"{name} is {described.get(name)}, in the ledger up to its cut-off {value}"
    return "" if export.rows == totals.rows else f"its row says {export.rows} events, the ledger has {totals.rows}"
