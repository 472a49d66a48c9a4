"""
The base of import-export Resources whose rows go through services, and the one place where cells are made safe.

A dry run does everything and rolls back, so that the preview shows exactly what a real run would do.
"""

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString
from import_export.formats.base_formats import CSV
from import_export.resources import ModelResource
from import_export.results import Error, Result, RowResult
from tablib import Dataset  # type: ignore[import-untyped]

from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import User

MOST_ROWS = 20_000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """Text for a cell that a spreadsheet program will not take for a formula: a leading apostrophe where it might."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def plain_cell(text: str) -> str:
    """What `safe_cell` was given: a file that was exported can be imported again unchanged."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(FORMULA_STARTS) else text


def cell_text(value: Any) -> str:
    """A cell of any format as text: spreadsheets turn days and whole numbers into values of their own."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return plain_cell(str(value).strip())


class LinedCSV(CSV):
    """CSV that remembers on which line of the file each row begins; blank lines and line ends in cells count too."""

    def create_dataset(self, in_stream: Any, **kwargs: Any) -> Dataset:
        text = in_stream.decode(self.encoding or "utf-8") if isinstance(in_stream, bytes) else in_stream
        dataset = super().create_dataset(text, **kwargs)
        dataset.lines = list_lines(text)
        return dataset

    def get_title(self) -> str:
        return "csv"


def list_lines(text: str) -> list[int]:
    """The line on which each row of a CSV text begins, the header (line 1) left out."""
    reader, lines, begins = csv.reader(io.StringIO(text, newline="")), [], 1
    for number, cells in enumerate(reader):
        if cells and number:
            lines.append(begins)
        begins = reader.line_num + 1
    return lines


def line_of(dataset: Dataset, index: int) -> int:
    """Where a row stands in its file; in one without lines, such as a sheet, counted from the header as line 1."""
    lines = getattr(dataset, "lines", [])
    return int(lines[index]) if index < len(lines) else index + 2


class ServiceResource(ModelResource):
    """
    A table of one program, in and out as canonical columns; one service call saves all rows of a file.

    Subclasses set `columns` (the required ones first), `required`, `examples` and Meta.model, and say how a row is
    parsed, how rows are saved and how what is stored reads. A new object is made for each request.
    """

    columns: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str, ...]] = ()
    examples: ClassVar[tuple[dict[str, str], ...]] = ()

    def __init__(
        self, *, program_id: int | None = None, actor: User | str = "system", at: datetime | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.program_id, self.actor, self.at = program_id, actor, at or now()
        self._exported: dict[str, dict[str, str]] = {}

    def parse(self, cells: dict[str, str]) -> Any:
        """One row of text as the service takes it; InvalidInput with the column at fault."""
        raise NotImplementedError

    def save(self, rows: Sequence[Any]) -> Any:
        """Save parsed rows; partners.rules.SavedRows."""
        raise NotImplementedError

    def stored(self) -> dict[str, dict[str, str]]:
        """What the program has now: external id to column to text."""
        raise NotImplementedError

    def bound_program_id(self) -> int:
        """The program whose rows these are; there is no table across programs."""
        if self.program_id is None:
            raise RuntimeError("a resource is made with the id of its program")
        return self.program_id

    @classmethod
    def template(cls) -> Dataset:
        """What a file looks like: the columns and two rows, to be downloaded."""
        rows = [[example.get(name, "") for name in cls.columns] for example in cls.examples]
        return Dataset(*rows, headers=list(cls.columns))

    def get_queryset(self) -> QuerySet[Model]:
        """The rows of this program only."""
        return super().get_queryset().filter(program_id=self.bound_program_id())

    def before_export(self, queryset: Any, **kwargs: Any) -> None:
        """Read what is exported in a few statements, not row by row."""
        self._exported = self.stored()

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> str:
        """One cell, safe to be opened in a spreadsheet program."""
        return safe_cell(self._exported[instance.external_id][field.column_name])

    def import_data_inner(
        self,
        dataset: Dataset,
        dry_run: bool,
        raise_errors: bool,
        using_transactions: bool,
        collect_failed_rows: bool,
        **kwargs: Any,
    ) -> Result:
        """Check every row, save the sound ones in one call, and say of each row what became of it."""
        result = Result()
        result.diff_headers = list(self.columns)
        result.total_rows = len(dataset)
        headers = [str(name).strip() for name in dataset.headers or []]
        problem = self.find_problem(headers, len(dataset))
        if problem:
            self.handle_import_error(result, problem, raise_errors)
            return result
        raw = [dict(zip(headers, map(cell_text, values), strict=False)) for values in dataset]
        faults: dict[int, DomainError] = {}
        parsed, places = [], []
        for index, cells in enumerate(raw):
            try:
                parsed.append(self.parse({name: cells[name] for name in self.columns if name in cells}))
                places.append(index)
            except InvalidInput as error:
                faults[index] = error
        before = self.stored()
        faults |= {places[fault.index]: fault.error for fault in self.save(parsed).faults}
        after = self.stored()
        ids = dict(self._meta.model.objects.filter(program_id=self.bound_program_id()).values_list("external_id", "id"))
        for index, cells in enumerate(raw):
            key = cells.get("external_id", "")
            row = self.failed_row(faults[index]) if index in faults else self.saved_row(before.get(key), after[key])
            row.row_values, row.object_id, row.object_repr = cells, ids.get(key), key
            result.increment_row_result_total(row)
            result.append_row_result(row)
            if row.validation_error:
                shown = {name: cells.get(name, "") for name in self.columns}
                result.append_invalid_row(line_of(dataset, index), shown, row.validation_error)
        return result

    def find_problem(self, headers: list[str], row_count: int) -> InvalidInput | None:
        """Why a file as a whole cannot be taken, or None."""
        missing = [name for name in self.required if name not in headers]
        strange = [name for name in headers if name not in self.columns]
        if missing:
            return InvalidInput(
                "missing_column", f"The file has no column {', '.join(missing)}. Nothing was changed. Use the template."
            )
        if strange or len(set(headers)) < len(headers):
            names = ", ".join(strange) or "one that is there twice"
            return InvalidInput("unknown_column", f"Plum does not know this column: {names}. Nothing was changed. Take it out.")
        if row_count > MOST_ROWS:
            sentence = f"{row_count} rows are more than a page takes ({MOST_ROWS}). Nothing was changed. Use load_program."
            return InvalidInput("too_many_rows", sentence)
        return None

    def failed_row(self, error: DomainError) -> RowResult:
        """The result of a row that was left out."""
        row = RowResult()
        row.import_type = RowResult.IMPORT_TYPE_INVALID
        row.validation_error = ValidationError(error.fields or error.detail)
        return row

    def saved_row(self, before: dict[str, str] | None, after: dict[str, str]) -> RowResult:
        """The result of a row that is stored: new, changed or the same; changed cells show both values."""
        row = RowResult()
        same = before == after
        row.import_type = (
            RowResult.IMPORT_TYPE_NEW if before is None else RowResult.IMPORT_TYPE_SKIP if same else RowResult.IMPORT_TYPE_UPDATE
        )
        row.diff = [show_change("" if before is None else before[name], after[name]) for name in self.columns]
        return row

    def handle_import_error(self, result: Result, error: Exception, raise_errors: bool = False) -> None:
        """A file that cannot be taken is the person's to mend: said, and not logged as a crash."""
        if raise_errors:
            raise error
        result.append_base_error(Error(error))


def show_change(before: str, after: str) -> SafeString:
    """One cell of the preview: the value, or the old one struck out beside the new one."""
    if before == after:
        return format_html("{}", after)
    if not before:
        return format_html("<ins>{}</ins>", after)
    return format_html("<del>{}</del> <ins>{}</ins>", before, after)
