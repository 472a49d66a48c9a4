"""Taking an export: who took what is logged before a byte leaves."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from django.db import transaction

from exports.choices import ExportState
from exports.models import Export, ExportDownload
from exports.rules import DATA, MANIFEST, SUMS
from exports.services.places import DATASET, is_there, package_folder
from exports.services.requests import lock_export
from plum_site.lib import audit
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.models import User
from plum_site.lib.people import names_of

PACKAGE = "package"
AT_ONCE = 1 << 20
EPOCH = (1980, 1, 1, 0, 0, 0)


class UnableToTakeExport(DomainError):
    """It is not ready, its files are gone, or it is somebody else's."""


def list_files(*, export: Export) -> list[str]:
    """
    The files of a package, in the order in which a reader needs them.

    Raises: nothing of its own.
    Writes: nothing.
    """
    if not is_there(export):
        return []
    folder = package_folder(export)
    return [MANIFEST, SUMS, *sorted(f"{DATA}/{path.name}" for path in (folder / DATA).iterdir())]


@transaction.atomic
def take_export(*, export_id: int, what: str, actor: User | str, at: datetime) -> Export:
    """
    Note that somebody takes a file of an export, or all of it (what: "package"); the caller then sends it.

    Raises: NotFound; UnableToTakeExport - not_ready, expired, files_missing.
    Writes: exports_exportdownload, plum_auditevent; one transaction.
    """
    export = lock_export(export_id)
    if export.state == ExportState.EXPIRED or (export.expires_at is not None and export.expires_at <= at):
        raise UnableToTakeExport("expired", f"{export} has expired and its files are removed. Nothing was sent. Ask for it anew.")
    if export.state != ExportState.READY:
        sentence = f"{export} is not ready: {export.get_state_display().lower()}. Nothing was sent. Wait until it is."
        raise UnableToTakeExport("not_ready", sentence)
    if not is_there(export):
        sentence = f"The files of {export} are not in the storage any more. Nothing was sent. Ask for it anew."
        raise UnableToTakeExport("files_missing", sentence)
    if what != PACKAGE and what not in list_files(export=export):
        raise NotFound("file of this export", what)
    ExportDownload.objects.create(export=export, what=what, downloaded_by=audit.actor_name(actor), downloaded_at=at)
    audit.record(
        program_id=export.program_id,
        actor=actor,
        action="exports.take_export",
        row=export,
        at=at,
        after={"what": what, "rows": export.rows, "identified": export.is_identified},
    )
    return export


def file_name(*, export: Export, what: str) -> str:
    """
    What a download is called: program, period, export and whoever asked for it, so that a copy leads back.

    Raises: nothing of its own.
    Writes: nothing.
    """
    name = names_of([export.asked_by])[export.asked_by]
    requester = "".join(char if char.isalnum() or char in "-_." else "-" for char in name)
    stem = f"{export.program.code}-{DATASET}-{export.starts_date}-{export.ends_date}-{export.uuid}-{requester}"
    return f"{stem}.zip" if what == PACKAGE else f"{stem}-{PurePosixPath(what).name}"


def open_file(*, export: Export, what: str) -> Any:
    """
    One file of a package, open for reading.

    Raises: OSError; NotFound where it is no file of the package.
    Writes: nothing.
    """
    if what not in list_files(export=export):
        raise NotFound("file of this export", what)
    return (package_folder(export) / what).open("rb")


def stream_zip(*, export: Export) -> Iterator[bytes]:
    """
    The whole package as a zip, made while it is sent: nothing is stored, memory stays flat, the manifest comes last.

    Raises: OSError.
    Writes: nothing.
    """
    folder, out = package_folder(export), _Pipe()
    root = f"{export.program.code}-{DATASET}-{export.uuid}"
    names = list_files(export=export)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:  # type: ignore[call-overload]
        for name in [*names[1:], *names[:1]]:
            entry = zipfile.ZipInfo(f"{root}/{name}", EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            with (folder / name).open("rb") as file, archive.open(entry, "w", force_zip64=True) as target:
                while text := file.read(AT_ONCE):
                    target.write(text)
                    yield out.take()
            yield out.take()
    yield out.take()


def copy_package(*, export: Export, out: Path) -> Path:
    """
    Put a package under `out` as `{program}/{dataset}/{run id}`, by hard links where that is possible; returns its folder.

    Raises: OSError; UnableToTakeExport ("in_the_way") where that folder exists.
    Writes: files.
    """
    target = out / export.program.code / DATASET / str(export.uuid)
    if target.exists():
        raise UnableToTakeExport("in_the_way", f"{target} exists already. Nothing was written.")
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(package_folder(export), part, copy_function=_link_or_copy)
    part.rename(target)
    return target


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


class _Pipe:
    """What a zip is written to: kept until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, text: bytes) -> int:
        """Keep some more."""
        self._pieces.append(bytes(text))
        self._size += len(text)
        return len(text)

    def tell(self) -> int:
        """How much was written so far."""
        return self._size

    def flush(self) -> None:
        """Nothing waits."""

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken
