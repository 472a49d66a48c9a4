"""People files: the rows of a members.csv, read one by one, sound or not."""

from collections.abc import Iterator, Sequence

from activity.rules import MemberRow, PeopleFault, parse_member
from activity.services.canonical import Row, Table, read_rows
from plum_site.lib.errors import InvalidInput


def read_people(*, table: Table, attributes: Sequence[str]) -> Iterator[MemberRow | PeopleFault]:
    """
    The rows of a checked people file, in order, streamed; each is a sound row or says what is wrong with it.

    attributes: those that the program keeps; columns that are neither these nor PERSON_COLUMNS are not read.
    Raises: nothing of its own.
    Writes: nothing.
    """
    for row in read_rows(table):
        yield _read(row, attributes)


def _read(row: Row, attributes: Sequence[str]) -> MemberRow | PeopleFault:
    if row.fault:
        return PeopleFault(row.line, "", "unreadable", f"Line {row.line}: {row.fault}.", "", row.text)
    try:
        return parse_member(row.cells, attributes, row.line, row.text)
    except InvalidInput as error:
        column = next(iter(error.fields), "")
        # A row whose id can be read names somebody, whatever else is wrong with it: that person is not missing.
        external_id = "" if column == "external_id" else row.cells["external_id"]
        return PeopleFault(row.line, column, error.code, error.detail, external_id, row.text)
