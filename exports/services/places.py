"""Where packages lie: in Django's default storage, never reached by a URL, half-written ones apart from whole ones."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.core.files.storage import default_storage

from exports.models import Export
from exports.rules import MANIFEST

PREFIX, WORK, DATASET = "exports", ".part", "events"


def package_name(export: Export) -> str:
    """
    The folder of an export's package within the storage: program, dataset, run.

    Raises: nothing of its own.
    Writes: nothing.
    """
    return f"{PREFIX}/{export.program.code}/{DATASET}/{export.uuid}"


def work_folder(export: Export) -> Path:
    """
    Where one attempt writes: on the same file system, so that moving it into its place is one step.

    Raises: NotImplementedError, where the storage is no folder of this machine.
    Writes: nothing.
    """
    return Path(default_storage.path(f"{PREFIX}/{WORK}/{export.uuid}-{export.attempt}"))


def package_folder(export: Export) -> Path:
    """
    The folder of a whole package; it may be gone.

    Raises: NotImplementedError, where the storage is no folder of this machine.
    Writes: nothing.
    """
    return Path(default_storage.path(export.package or package_name(export)))


def is_there(export: Export) -> bool:
    """
    Whether the package lies in its place, complete.

    Raises: nothing of its own.
    Writes: nothing.
    """
    return bool(export.package) and (package_folder(export) / MANIFEST).is_file()


def put_in_place(export: Export, folder: Path) -> str:
    """
    Move a written package to where it is taken from; what an attempt that was killed at its very end left there goes.

    Raises: OSError.
    Writes: files.
    """
    name = package_name(export)
    target = Path(default_storage.path(name))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    folder.rename(target)
    sync_folder(target.parent)
    return name


def sync_folder(folder: Path) -> None:
    """
    Have the names in a folder survive a power cut.

    Raises: OSError.
    Writes: files.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def list_folders() -> Iterator[Path]:
    """
    Every folder of a package or of an attempt.

    Raises: NotImplementedError, where the storage is no folder of this machine.
    Writes: nothing.
    """
    root = Path(default_storage.path(PREFIX))
    yield from sorted((root / WORK).glob("*"))
    yield from sorted(root.glob(f"*/{DATASET}/*"))
