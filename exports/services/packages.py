"""Writing one package: the rows of one moment, then SHA256SUMS, then datapackage.json, each put on disk before the next."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from activity.models import Seal
from activity.services import signed_head
from exports.models import Export
from exports.rules import (
    DATA,
    MANIFEST,
    SUMS,
    Content,
    DataFile,
    canonical,
    list_columns,
    make_manifest,
    make_sums,
)
from exports.selectors.exports import describe_export
from exports.selectors.rows import Part, Selection, read_parts, read_totals, rows_statement
from exports.services.members import forget_members, prepare_members
from exports.services.places import DATASET, sync_folder
from exports.services.streams import header_of, stream_rows
from plum_site.lib import keys
from plum_site.lib.errors import DomainError
from plum_site.lib.snapshot import snapshot

Progress = Callable[[int, int, str], None]


class UnableToWriteExport(DomainError):
    """What was written is not what the ledger holds; nothing of it can be taken."""


def write_package(
    *, export: Export, selection: Selection, folder: Path, requester: str, at: datetime, progress: Progress
) -> dict[str, Any]:
    """
    Write a whole package into an empty folder; returns its manifest.

    Rows, sums and files are of one snapshot. Rows are counted twice, by the database and as they are written.
    Raises: UnableToWriteExport ("rows_differ"), OSError (no room), DatabaseError.
    Writes: files in the folder, a temporary table.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / DATA).mkdir(mode=0o700, parents=True)
    with snapshot(read_only=False):
        progress(0, 0, "counting")
        totals, first, last = read_totals(selection)
        parts = read_parts(selection, totals.rows, first, last)
        progress(0, totals.rows, "members")
        prepare_members(export=export, selection=selection, still_here=lambda: progress(0, totals.rows, "members"))
        files, done = [], 0
        for number, part in enumerate(parts, start=1):
            path = f"{DATA}/{DATASET}-{number:05d}.{export.format}"
            note = f"file {number} of {len(parts)}" if len(parts) > 1 else ""
            for file in _write_file(folder, path, export.format, selection, part):
                progress(done + file.rows, totals.rows, note)
            files.append(file)
            done += file.rows
        forget_members()
        seal = Seal.objects.filter(program_id=export.program_id, number=selection.cutoff).first()
    if done != totals.rows:
        raise UnableToWriteExport(
            "rows_differ", f"{done} rows were written where the ledger has {totals.rows}. Nothing can be taken."
        )
    _write(folder / SUMS, make_sums(files).encode())
    sync_folder(folder / DATA)
    facts = {
        **describe_export(export),
        "dataset": DATASET,
        "time_zone": export.program.time_zone,
        "requested_by": requester,
        "requested_at": _text(export.asked_at),
        "reason": export.reason,
        "cut_off": selection.cutoff,
        "as_of": _text(seal.sealed_at) if seal else None,
        "ledger_head": signed_head(program=export.program, number=seal.number, chain=bytes(seal.chain), at=seal.sealed_at)
        if seal
        else None,
    }
    name = f"{export.program.code}-{DATASET}-{export.uuid}".lower()
    title = f"Events of {export.program.name}, {export.starts_date} to {export.ends_date} (excluded)"
    content = Content(name, title, _text(at), export.format, facts, totals, first, last)
    manifest = _sign(make_manifest(content, list_columns(export.program.reporting_attributes), files))
    _write(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n")
    sync_folder(folder)
    return manifest


def _write_file(folder: Path, path: str, form: str, selection: Selection, part: Part) -> Iterator[DataFile]:
    """Write one file; yields what there is of it after each piece, at last the whole."""
    digest, rows, size = sha256(), 0, 0
    with _open(folder / path) as file:

        def put(text: bytes) -> None:
            nonlocal size
            file.write(text)
            digest.update(text)
            size += len(text)

        put(header_of(form, selection.names))
        for text, number in stream_rows(form, *rows_statement(selection, part), selection.names):
            put(text)
            rows += number
            yield DataFile(path, rows, size, "")
        file.flush()
        os.fsync(file.fileno())
    yield DataFile(path, rows, size, digest.hexdigest())


def _open(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _write(path: Path, text: bytes) -> None:
    with _open(path) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sign(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with a signature over everything else in it, by the key that signs ledger heads."""
    key = keys.signing_key()
    manifest["plum"]["public_key"] = key.public_key().public_bytes_raw().hex()
    manifest["plum"]["signature"] = key.sign(canonical(manifest)).hex()
    return manifest


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
