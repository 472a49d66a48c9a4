"""
Reading the canonical folder: partners.csv, offers.csv, members.csv and one events file.

A fault of a file (missing, not gzip, not UTF-8, a column missing) is found before anything is written and is raised.
A fault of a row is the caller's to report: every row comes with its line number and its own text.
"""

import csv
import gzip
import io
import json
import zlib
from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from plum_site.lib.errors import DomainError
from plum_site.lib.lazy import lazily

EVENT_FILES = ("events.csv", "events.csv.gz", "events.jsonl", "events.jsonl.gz", "events.parquet")
REQUIRED = {
    "partners.csv": ("external_id", "name"),
    "offers.csv": ("external_id", "partner_external_id", "title", "offer_type"),
    "members.csv": ("external_id",),
    "seasonal_index.csv": ("category", "month", "expected_index"),
    "events": ("event_id", "occurred_at", "kind", "member", "offer"),
}
parquet_files = lazily("activity.services.parquet_files")  # 30 MB
LONGEST_LINE = 64 * 1024
CHUNK = 1 << 20

csv.field_size_limit(LONGEST_LINE)


class UnableToReadFolder(DomainError):
    """A file is missing or cannot be read as what it is named; nothing was written."""

    status = 422

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, f"{detail} Nothing was loaded.")


class Row(NamedTuple):
    """One row: its line in the file, its cells by column, its text, and a fault that made it unreadable ("" if none)."""

    line: int
    cells: dict[str, str]
    text: str
    fault: str


class Table(NamedTuple):
    """A file of the folder: its columns in order (empty for JSONL) and how many rows it has, about."""

    path: Path
    columns: tuple[str, ...]
    rows: int


def find_events_file(folder: Path) -> Path:
    """The one events file of a folder; raises where there is none or more than one."""
    found = [folder / name for name in EVENT_FILES if (folder / name).exists()]
    if len(found) != 1:
        names = " and ".join(path.name for path in found) or "none"
        raise UnableToReadFolder("events_file", f"{folder} must hold exactly one of {', '.join(EVENT_FILES)}; it holds {names}.")
    return found[0]


def check_table(path: Path, required: tuple[str, ...]) -> Table:
    """
    Read a file through once: that it exists, inflates, is UTF-8 and has its columns.

    Raises: UnableToReadFolder - missing_file, not_gzip, damaged, encoding, missing_column, not_parquet.
    Writes: nothing.
    """
    if not path.exists():
        raise UnableToReadFolder("missing_file", f"{path} does not exist.")
    if path.suffix == ".parquet":
        table: Table = parquet_files.check_parquet(path, required)
        return table
    lines = _count_lines(path)
    if ".jsonl" in path.name:
        return Table(path, (), lines)
    with open_text(path) as file:
        header = file.readline(LONGEST_LINE)
    columns = next(csv.reader([header]), [])
    missing = [name for name in required if name not in columns]
    if missing:
        raise UnableToReadFolder(
            "missing_column",
            f"{path.name} has no column {', '.join(missing)}; its first line is {header.strip()[:200]!r}.{_hint(header)}",
        )
    doubled = {name for name in columns if columns.count(name) > 1}
    if doubled:
        raise UnableToReadFolder("doubled_column", f"{path.name} has the column {', '.join(sorted(doubled))} twice.")
    return Table(path, tuple(columns), max(lines - 1, 0))


def _hint(header: str) -> str:
    """What probably happened to a header that lacks columns."""
    separator = next((name for mark, name in ((";", "semicolons"), ("\t", "tabs")) if mark in header and "," not in header), "")
    return f" Its cells seem to be separated by {separator}: save it again with commas." if separator else ""


def open_bytes(path: Path) -> IO[bytes]:
    """The bytes of a file, gzip or plain."""
    return cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else path.open("rb"))


def open_text(path: Path) -> io.TextIOWrapper:
    """A text file, gzip or plain, as UTF-8 with or without a byte order mark; line ends are kept as they are."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="")


def read_rows(table: Table, *, skip: int = 0) -> Iterator[Row]:
    """
    The rows of a checked file, in order, streamed.

    skip: so many lines after the header of a CSV file are passed over, each of which is a row.
    Raises: nothing of its own.
    Writes: nothing.
    """
    if table.path.suffix == ".parquet":
        rows: Iterator[Row] = parquet_files.read_parquet(table)
        return rows
    return _read_jsonl(table) if ".jsonl" in table.path.name else _read_csv(table, skip)


def _count_lines(path: Path) -> int:
    decoder = getincrementaldecoder("utf-8")()
    lines, last = 0, b"\n"
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
                lines += chunk.count(b"\n")
                last = chunk[-1:]
            decoder.decode(b"", final=True)
    except gzip.BadGzipFile:
        raise UnableToReadFolder("not_gzip", f"{path.name} is not a gzip file, though its name says so.") from None
    except (EOFError, zlib.error):
        raise UnableToReadFolder(
            "damaged", f"{path.name} ends in the middle or is damaged: it does not inflate to its end."
        ) from None
    except UnicodeDecodeError as error:
        raise UnableToReadFolder(
            "encoding", f"{path.name} is not UTF-8 (near line {lines + 1}: {error.reason}). Save it again as UTF-8."
        ) from None
    return lines + (last != b"\n")


class _Lines:
    """Lines for csv.reader, keeping the text of the current row; an over-long line becomes an empty, noted one."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self.file, self.text, self.too_long = file, "", False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.file.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            self.too_long, self.text = True, line[:200] + "…"
            while (rest := self.file.readline(CHUNK)) and not rest.endswith("\n"):
                pass
            return "\n"
        self.text += line
        return line


def _read_csv(table: Table, skip: int) -> Iterator[Row]:
    columns = table.columns
    with open_text(table.path) as file:
        lines = _Lines(file)
        reader = csv.reader(lines)
        next(reader, None)
        for _ in range(skip):
            file.readline()
        while True:
            lines.text, lines.too_long = "", False
            line = reader.line_num + 1 + skip
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, {}, lines.text, f"the row cannot be read: {error}")
                continue
            if lines.too_long:
                yield Row(line, {}, lines.text, f"the line is longer than {LONGEST_LINE} characters")
            elif not cells:
                continue
            elif len(cells) != len(columns):
                yield Row(line, {}, lines.text, f"the row has {len(cells)} cells, the header has {len(columns)}")
            else:
                yield Row(line, dict(zip(columns, cells, strict=True)), lines.text, "")


def _read_jsonl(table: Table) -> Iterator[Row]:
    with open_text(table.path) as file:
        lines = _Lines(file)
        for line, text in enumerate(lines, start=1):
            if lines.too_long:
                yield Row(line, {}, lines.text, f"the line is longer than {LONGEST_LINE} characters")
            elif text.strip():
                cells, fault = _json_cells(text)
                yield Row(line, cells, text, fault)
            lines.text, lines.too_long = "", False


def _json_cells(text: str) -> tuple[dict[str, str], str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}, "the line is not JSON"
    if not isinstance(value, dict):
        return {}, "the line is not a JSON object"
    odd = [name for name, cell in value.items() if not isinstance(cell, str | int | None.__class__) or isinstance(cell, bool)]
    if odd:
        return {}, f"{', '.join(odd)[:100]} must be text (amounts as decimal strings)"
    return {name: "" if cell is None else str(cell) for name, cell in value.items()}, ""
