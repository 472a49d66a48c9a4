"""Reading an events file in Parquet."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from activity.services.canonical import Row, Table, UnableToReadFolder

PARQUET_ROWS = 8192


def check_parquet(path: Path, required: tuple[str, ...]) -> Table:
    """
    As `canonical.check_table`, of a Parquet file.

    Raises: UnableToReadFolder - not_parquet, missing_column, damaged.
    Writes: nothing.
    """
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowInvalid, OSError):
        raise UnableToReadFolder("not_parquet", f"{path.name} is not a Parquet file, though its name says so.") from None
    columns = tuple(file.schema_arrow.names)
    missing = [name for name in required if name not in columns]
    if missing:
        raise UnableToReadFolder(
            "missing_column", f"{path.name} has no column {', '.join(missing)}; it has {', '.join(columns)}."
        )
    try:
        for batch in file.iter_batches(batch_size=PARQUET_ROWS):
            batch.validate()
    except (pyarrow.ArrowInvalid, OSError):
        raise UnableToReadFolder("damaged", f"{path.name} is damaged: it cannot be read to its end.") from None
    return Table(path, columns, file.metadata.num_rows)


def read_parquet(table: Table) -> Iterator[Row]:
    """
    The rows of a checked Parquet file, as text cells, streamed.

    Raises: nothing of its own.
    Writes: nothing.
    """
    line = 0
    for batch in pyarrow.parquet.ParquetFile(table.path).iter_batches(batch_size=PARQUET_ROWS):
        for cells in _in_microseconds(batch).to_pylist():
            line += 1
            values = {name: _plain(cell) for name, cell in cells.items()}
            yield Row(line, values, json.dumps(values, ensure_ascii=False), "")


def _in_microseconds(batch: Any) -> Any:
    """Instants finer than Plum keeps are cut to microseconds; Python has no finer ones."""
    fields = [
        field.with_type(pyarrow.timestamp("us", field.type.tz)) if pyarrow.types.is_timestamp(field.type) else field
        for field in batch.schema
    ]
    return batch.cast(pyarrow.schema(fields), safe=False)


def _plain(cell: object) -> str:
    """A Parquet value as the text that a CSV file would hold; instants without a zone are UTC, as Parquet means them."""
    if cell is None:
        return ""
    if hasattr(cell, "isoformat"):
        text = str(cell.isoformat())
        return text + "Z" if "T" in text and getattr(cell, "tzinfo", None) is None else text
    return str(cell)
