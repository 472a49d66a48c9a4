"""
Checking a package that lies somewhere, without a database: is it what its manifest says, and the manifest itself whole?

The first thing that is wrong is named; what comes after it may follow from it.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from exports.rules import DATA, MANIFEST, SUMS, DataFile, Totals, canonical, find_files, parse_sums
from plum_site.lib.errors import InvalidInput
from plum_site.lib.money import parse_minor

PIECE = 1 << 20
AMOUNTS = ("spend", "reward_cost")
csv.field_size_limit(1 << 24)


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong with a package: the file, its line where there is one, and a sentence."""

    file: str
    detail: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.detail}"


class _Broken(Exception):
    def __init__(self, file: str, detail: str, line: int | None = None) -> None:
        super().__init__(detail)
        self.fault = Fault(file, detail, line)


def check_package(
    *, folder: Path, public_key: str = "", progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[Fault | None, dict[str, Any]]:
    """
    The first fault of a package, None where it is whole, and what its manifest says of itself.

    public_key: the hexadecimal Ed25519 key of the Plum it must come from; without it, the manifest's own is taken, which
    shows what was changed afterwards but not who wrote it.
    Raises: nothing of its own.
    Writes: nothing.
    """
    described: dict[str, Any] = {}
    try:
        manifest = _read_manifest(folder)
        described = manifest["plum"]
        _check_signature(manifest, public_key)
        files = _files_of(manifest)
        _check_names(folder, files)
        for file in files:
            _check_bytes(folder, file)
        totals = Totals()
        for file, resource in zip(files, manifest["resources"], strict=True):
            _check_rows(folder, file, resource, totals)
            progress(totals.rows, described["rows"])
        _check_totals(described, totals)
    except _Broken as broken:
        return broken.fault, described
    return None, described


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise _Broken(MANIFEST, f"is not there. {folder} is no finished package: the manifest is written last.")
    try:
        manifest = json.loads(path.read_bytes())
        if not isinstance(manifest["plum"]["rows"], int):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise _Broken(MANIFEST, "is no manifest of Plum: it cannot be read, or lacks what every one has.") from None
    return dict(manifest)


def _check_signature(manifest: Mapping[str, Any], wanted: str) -> None:
    plum = manifest["plum"]
    if wanted and str(plum.get("public_key", "")).lower() != wanted.lower():
        raise _Broken(MANIFEST, "was signed with another key than the one given: it does not come from that Plum.")
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(plum["public_key"]))
        key.verify(bytes.fromhex(plum["signature"]), canonical(manifest))
    except (InvalidSignature, KeyError, TypeError, ValueError):
        raise _Broken(MANIFEST, "its signature does not fit: it was changed after it was written.") from None


def _files_of(manifest: Mapping[str, Any]) -> list[DataFile]:
    try:
        files = find_files(manifest)
    except (KeyError, TypeError, ValueError):
        raise _Broken(MANIFEST, "describes a file without path, rows, bytes or hash.") from None
    for file in files:
        if not file.path.startswith(f"{DATA}/") or ".." in Path(file.path).parts:
            raise _Broken(MANIFEST, f"names {file.path!r}, which does not lie in {DATA}/.")
    return files


def _check_names(folder: Path, files: list[DataFile]) -> None:
    """Every file that is described is there, and no other; SHA256SUMS says the same as the manifest."""
    for file in files:
        if not (folder / file.path).is_file():
            raise _Broken(file.path, "is missing.")
    known = {file.path for file in files}
    for path in sorted((folder / DATA).iterdir()):
        if f"{DATA}/{path.name}" not in known:
            raise _Broken(f"{DATA}/{path.name}", "does not belong to the package: the manifest does not name it.")
    try:
        sums = parse_sums((folder / SUMS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _Broken(SUMS, "is missing.") from None
    except (UnicodeDecodeError, ValueError):
        raise _Broken(SUMS, "has a line that is not a hash, two blanks and a path.") from None
    for file in files:
        if sums.get(file.path) != file.sha256:
            raise _Broken(SUMS, f"gives another hash of {file.path} than {MANIFEST}, or none.")
    if extra := sorted(set(sums) - known):
        raise _Broken(SUMS, f"names {extra[0]}, which the manifest does not.")


def _check_bytes(folder: Path, file: DataFile) -> None:
    path = folder / file.path
    size = path.stat().st_size
    if size != file.bytes:
        raise _Broken(file.path, f"has {size:,} bytes where {file.bytes:,} were written.")
    digest = sha256()
    with path.open("rb") as opened:
        while piece := opened.read(PIECE):
            digest.update(piece)
    if digest.hexdigest() != file.sha256:
        raise _Broken(file.path, "was changed: its SHA-256 is not the one that was written down.")


def _check_rows(folder: Path, file: DataFile, resource: Mapping[str, Any], totals: Totals) -> None:
    """Every row has every column and adds to the totals; their number is what the manifest says."""
    names = [field["name"] for field in resource["schema"]["fields"]]
    read = _csv_rows if resource["format"] == "csv" else _json_rows
    rows = 0
    with (folder / file.path).open(encoding="utf-8", newline="") as opened:
        for line, row in read(file.path, opened, names):
            rows += 1
            try:
                _add(totals, row)
            except (InvalidInput, KeyError, TypeError) as error:
                raise _Broken(file.path, f"a row cannot be read: {error}", line) from None
    if rows != file.rows:
        raise _Broken(file.path, f"has {rows:,} rows where {file.rows:,} were written.")


def _csv_rows(path: str, opened: TextIO, names: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(opened, strict=True)
    try:
        if next(reader, None) != names:
            raise _Broken(path, "its header is not the list of columns in the manifest.", 1)
        for cells in reader:
            if len(cells) != len(names):
                raise _Broken(path, f"a row has {len(cells)} cells where there are {len(names)} columns.", reader.line_num)
            yield reader.line_num, dict(zip(names, cells, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise _Broken(path, f"is not well-formed CSV in UTF-8: {error}.", reader.line_num) from None


def _json_rows(path: str, opened: TextIO, names: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    line = 0
    try:
        for line, text in enumerate(opened, start=1):
            row = json.loads(text)
            if not isinstance(row, dict) or list(row) != names:
                raise _Broken(path, "a line is no object with exactly the columns in the manifest.", line)
            yield line, row
    except (UnicodeDecodeError, ValueError) as error:
        raise _Broken(path, f"is not well-formed JSON in UTF-8: {error}.", line) from None


def _add(totals: Totals, row: Mapping[str, Any]) -> None:
    totals.count(row["kind"], row["status"])
    for name in AMOUNTS:
        currency = row[f"{name}_currency"]
        if currency:
            totals.add(name, row["status"], currency, parse_minor(row[f"{name}_amount"], currency))


def _check_totals(described: Mapping[str, Any], totals: Totals) -> None:
    """What the rows add up to is what the ledger had when they were written."""
    if totals.rows != described["rows"]:
        raise _Broken(MANIFEST, f"speaks of {described['rows']:,} rows, the files hold {totals.rows:,}.")
    plain = totals.plain()
    if plain["counts"] != described["events"]:
        raise _Broken(MANIFEST, "its numbers of events by kind and status are not those of the files.")
    sums = totals.sums()
    for name in sorted({*sums, *described["sums"]}):
        if sums.get(name) != described["sums"].get(name):
            raise _Broken(MANIFEST, f"its sum of {name} is {described['sums'].get(name)}, the rows add up to {sums.get(name)}.")
