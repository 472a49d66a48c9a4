"""Where files lie that people bring: in the private storage, under a name that nobody can guess, and on no address."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage

from activity.models import Import

REPORT, REJECTS = "report.json", "rejects.csv"
REPORTS = (REPORT, REJECTS)


def prefix_of(*, brought: Import) -> str:
    """
    The folder of one import in the default storage.

    Raises: nothing of its own.
    Writes: nothing.
    """
    return f"imports/{brought.uuid}"


def store(*, brought: Import, name: str, contents: File) -> None:
    """
    Keep one file of an import, streamed; one that is there already is replaced.

    Raises: OSError where the storage cannot be written.
    Writes: the default storage.
    """
    path = f"{prefix_of(brought=brought)}/{name}"
    default_storage.delete(path)
    default_storage.save(path, contents)


def store_report(*, brought: Import, report: Mapping[str, Any]) -> None:
    """
    Keep what a check or a run found, names included.

    Raises: OSError where the storage cannot be written.
    Writes: the default storage.
    """
    store(brought=brought, name=REPORT, contents=ContentFile(json.dumps(report, ensure_ascii=False).encode()))


def store_rejects(*, brought: Import, path: Path) -> None:
    """
    Keep the rows that were not taken, or remove those of an earlier run where there are none.

    Raises: OSError where the storage cannot be written.
    Writes: the default storage.
    """
    if path.exists():
        with path.open("rb") as file:
            store(brought=brought, name=REJECTS, contents=File(file))
    else:
        default_storage.delete(f"{prefix_of(brought=brought)}/{REJECTS}")


def read_report(*, brought: Import) -> dict[str, Any]:
    """
    What the last check or run found; empty where it is gone.

    Raises: nothing of its own.
    Writes: nothing.
    """
    try:
        with default_storage.open(f"{prefix_of(brought=brought)}/{REPORT}") as file:
            found: dict[str, Any] = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return found


def has_rejects(*, brought: Import) -> bool:
    """
    Whether rows can be downloaded that were not taken.

    Raises: nothing of its own.
    Writes: nothing.
    """
    return brought.has_files and default_storage.exists(f"{prefix_of(brought=brought)}/{REJECTS}")


def open_rejects(*, brought: Import) -> File | None:
    """
    The rows that were not taken, or None; the caller closes it.

    Raises: nothing of its own.
    Writes: nothing.
    """
    try:
        return default_storage.open(f"{prefix_of(brought=brought)}/{REJECTS}")
    except FileNotFoundError:
        return None


@contextmanager
def as_folder(*, brought: Import) -> Iterator[Path]:
    """
    The files as a folder of this machine: where they lie, or a copy for as long as the block runs.

    Raises: FileNotFoundError where they are gone.
    Writes: nothing that stays.
    """
    prefix = prefix_of(brought=brought)
    try:
        own = Path(default_storage.path(prefix))
    except NotImplementedError:
        own = None
    if own is not None:
        yield own
        return
    with TemporaryDirectory(dir=settings.VAR) as copy:
        for name in brought.files:
            with default_storage.open(f"{prefix}/{name}") as source, (Path(copy) / name).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        yield Path(copy)


def remove(*, brought: Import, keeps_reports: bool) -> None:
    """
    Remove what was brought, and (unless they are kept until the import expires) what was found in it.

    Raises: OSError where the storage cannot be written.
    Writes: the default storage.
    """
    prefix = prefix_of(brought=brought)
    try:
        _, names = default_storage.listdir(prefix)
    except FileNotFoundError:
        return
    for name in names:
        if not (keeps_reports and name in REPORTS):
            default_storage.delete(f"{prefix}/{name}")
    if not keeps_reports:
        default_storage.delete(prefix)  # the folder itself, where the storage knows folders
