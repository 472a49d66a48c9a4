"""
Events files in chunks of at most one batch: their rows, checked events, and the row of one of which there is something to say.

Chunks of a CSV file that hold nothing but short, printable ASCII without quotes are split and read at once; from the first
chunk on that does not, the file is read row by row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import islice
from pathlib import Path

from activity.models.ledger import POSITIONS
from activity.rules import IncomingEvent, Rejection, check_event
from activity.rules.plain_rows import LONGEST_ROW, row_reader
from activity.services.canonical import LONGEST_LINE, Row, Table, open_bytes, read_rows

BLOCK = 1 << 20
# Printable ASCII but the quote, and the end of a line.
PLAIN = bytes(number for number in range(0x20, 0x7F) if number != ord('"')) + b"\n"


@dataclass
class Chunk:
    """
    Some rows of a file, in its order: as rows, or as plain lines of these columns. Its events are made when they are asked for.

    source: of events that name none. at: now.
    """

    source: str
    at: datetime
    rows: Sequence[Row] = ()
    columns: tuple[str, ...] = ()
    lines: Sequence[str] = field(default=(), repr=False)
    first_line: int = 0

    def __len__(self) -> int:
        return len(self.rows) or len(self.lines)

    @cached_property
    def events(self) -> list[IncomingEvent | Rejection]:
        """An event for each row, or why it is none."""
        if self.rows:
            return [read_event_row(row, self.source, self.at) for row in self.rows]
        columns, width, source, at = self.columns, len(self.columns), self.source, self.at
        read = row_reader(columns, source=source, at=at)
        return [
            (read(row) if len(row := line.split(",")) == width and len(line) <= LONGEST_ROW else None)
            or read_event_row(make_row(columns, line, number), source, at)
            for number, line in enumerate(self.lines, start=self.first_line)
        ]

    def row(self, index: int) -> Row:
        """The row of an event, for a message or a rejects file."""
        return self.rows[index] if self.rows else make_row(self.columns, self.lines[index], self.first_line + index)


def read_chunks(table: Table, *, source: str, at: datetime) -> Iterator[Chunk]:
    """
    Every row of a checked events file, streamed.

    Raises: nothing of its own.
    Writes: nothing.
    """
    done = 0
    if ".csv" in table.path.name:
        for chunk in _read_plain(table, source, at):
            done += len(chunk)
            yield chunk
    rows = read_rows(table, skip=done)
    while part := list(islice(rows, POSITIONS)):
        yield Chunk(source, at, part)


def _read_plain(table: Table, source: str, at: datetime) -> Iterator[Chunk]:
    first_line, lines = 2, list[str]()
    for block in _plain_blocks(table.path):
        lines += block.split("\n")
        while len(lines) >= POSITIONS:
            yield Chunk(source, at, columns=table.columns, lines=lines[:POSITIONS], first_line=first_line)
            first_line += POSITIONS
            lines = lines[POSITIONS:]
    if lines:
        yield Chunk(source, at, columns=table.columns, lines=lines, first_line=first_line)


def _plain_blocks(path: Path) -> Iterator[str]:
    """The lines behind the header, some at a time, without the end of the last; up to the first block that is not plain."""
    with open_bytes(path) as file:
        if b'"' in file.readline(LONGEST_LINE):
            return
        rest = b""
        while read := file.read(BLOCK):
            whole, newline, rest = (rest + read).rpartition(b"\n")
            if not newline:
                return  # a line of a whole block
            text = _as_plain(whole)
            if not text:
                return
            yield text
        if rest and (text := _as_plain(rest)):
            yield text


def _as_plain(block: bytes) -> str:
    """Whole lines as text; empty if anything in them is not plain, or a line is blank."""
    block = block.replace(b"\r\n", b"\n").removesuffix(b"\r")
    if block.translate(None, PLAIN) or b"\n\n" in block or block[:1] == b"\n" or block[-1:] == b"\n":
        return ""
    return block.decode("ascii")


def make_row(columns: Sequence[str], line: str, number: int) -> Row:
    """A line without quotes as a row."""
    cells = line.split(",")
    if len(cells) != len(columns):
        return Row(number, {}, line, f"the row has {len(cells)} cells, the header has {len(columns)}")
    return Row(number, dict(zip(columns, cells, strict=True)), line, "")


def read_event_row(row: Row, source: str, at: datetime) -> IncomingEvent | Rejection:
    """A row of an events file as a checked event, or why it is none."""
    if row.fault:
        return Rejection("malformed", "", f"Line {row.line}: {row.fault}.", "", source)
    return check_event(row.cells, source=source, at=at)
