"""What was not taken of files that were loaded: kept outside the database, for the people who mend them."""

import csv
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from activity.rules import PeopleFault
from activity.services.canonical import Row
from plum_site.lib.errors import DomainError

SHOWN = 200  # rows that are also kept at hand, to be shown


class RejectsFile:
    """Rows that were not taken, one CSV line each: file, line, column, reason, detail and the row itself. Made at first need."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.first: list[tuple[str, int, str, str]] = []  # file, line, column, detail
        self._file: Any = None

    def add(self, file: str, row: Row, column: str, reason: str, detail: str) -> None:
        """Write down one row that was not taken."""
        self.write(file, row.line, column, reason, detail, row.text)

    def write(self, file: str, line: int, column: str, reason: str, detail: str, text: str) -> None:
        """Write down where something stands that was not taken, why, and how it reads."""
        if self._file is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = open(descriptor, "w", newline="", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 - closed by `close`
            self._writer = csv.writer(self._file)
            self._writer.writerow(["file", "line", "column", "reason", "detail", "row"])
        self._writer.writerow([file, line, column, reason, detail, text.rstrip("\r\n")])
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append((file, line, column, detail))

    def add_error(self, file: str, row: Row, error: DomainError) -> None:
        """Write down one row that a DomainError speaks about."""
        self.add(file, row, next(iter(error.fields), ""), error.code, error.detail)

    def add_fault(self, fault: PeopleFault) -> None:
        """Write down one row of a people file that was not taken."""
        self.write("members.csv", fault.line, fault.column, fault.reason, fault.detail, fault.text)

    def close(self) -> None:
        """Put what was written on disk."""
        if self._file is not None:
            self._file.close()


def rejects_path(*, program: str, at: datetime) -> Path:
    """
    Where the rejects of one `load_program` are written.

    Raises: nothing of its own.
    Writes: nothing.
    """
    return Path(settings.VAR) / "rejects" / f"{program}-{at:%Y%m%dT%H%M%S%f}Z.csv"
