"""
The files around the data: SHA256SUMS, and datapackage.json, which is written last and describes everything.

A package is `{program}/{dataset}/{run id}/` with `data/`, SHA256SUMS and datapackage.json (Data Package 2.0). Whoever
waits for data waits for datapackage.json: while it is not there, nothing else counts.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exports.rules.columns import Column
from exports.rules.totals import Totals

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
DATA, SUMS, MANIFEST = "data", "SHA256SUMS", "datapackage.json"
NULL_MARK = ""
MEDIA_TYPES = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
CSV_DIALECT = {"delimiter": ",", "lineTerminator": "\r\n", "quoteChar": '"', "doubleQuote": True, "header": True}
UNALTERED = (
    "Values are exactly those of the ledger: no cell is altered for spreadsheets. A text that begins with =, +, - or @ is "
    "taken for a formula by some of them; open the files there with care."
)


@dataclass(frozen=True)
class DataFile:
    """One file of rows, as it was written."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Content:
    """What a package says of itself, beside its files: `facts` is the block "plum", `totals` what its rows add up to."""

    name: str
    title: str
    created: str
    format: str
    facts: Mapping[str, Any]
    totals: Totals
    first_event: int | None
    last_event: int | None


def make_manifest(content: Content, columns: Sequence[Column], files: Iterable[DataFile]) -> dict[str, Any]:
    """datapackage.json, not signed yet."""
    files = list(files)
    return {
        "$schema": PROFILE,
        "name": content.name,
        "title": content.title,
        "created": content.created,
        "resources": [_resource(content, columns, file) for file in files],
        "plum": {
            **content.facts,
            "rows": content.totals.rows,
            "bytes": sum(file.bytes for file in files),
            "first_event": content.first_event,
            "last_event": content.last_event,
            "events": content.totals.plain()["counts"],
            "sums": content.totals.sums(),
            "note": UNALTERED,
        },
    }


def _resource(content: Content, columns: Sequence[Column], file: DataFile) -> dict[str, Any]:
    stem = file.path.rpartition("/")[2].partition(".")[0]
    described = {
        "name": stem,
        "path": file.path,
        "type": "table",
        "format": content.format,
        "mediatype": MEDIA_TYPES[content.format],
        "encoding": "utf-8",
        "bytes": file.bytes,
        "hash": f"sha256:{file.sha256}",
        "rows": file.rows,
    }
    if content.format == "csv":
        described["dialect"] = CSV_DIALECT
    return described | {"schema": _schema(columns)}


def _schema(columns: Sequence[Column]) -> dict[str, Any]:
    fields = [
        {"name": column.name, "type": column.type, "description": column.description}
        | ({"constraints": column.constraints} if column.constraints else {})
        for column in columns
    ]
    return {"fields": fields, "missingValues": [NULL_MARK]}


def make_sums(files: Iterable[DataFile]) -> str:
    """SHA256SUMS of the data files, as `sha256sum -c` reads it."""
    return "".join(f"{file.sha256}  {file.path}\n" for file in files)


def parse_sums(text: str) -> dict[str, str]:
    """Path to hash; ValueError for a line that is none of SHA256SUMS."""
    sums = {}
    for line in text.splitlines():
        sha256, mark, path = line[:64], line[64:66], line[66:]
        if mark not in ("  ", " *") or not path:
            raise ValueError(line)
        sums[path] = sha256
    return sums


def find_files(manifest: Mapping[str, Any]) -> list[DataFile]:
    """The data files that a manifest describes; KeyError, TypeError or ValueError where it is not one of Plum's."""
    return [
        DataFile(str(row["path"]), int(row["rows"]), int(row["bytes"]), str(row["hash"]).removeprefix("sha256:"))
        for row in manifest["resources"]
    ]


def canonical(manifest: Mapping[str, Any]) -> bytes:
    """What is signed: the manifest without its signature, as JSON with sorted keys and no blanks."""
    plum = {name: value for name, value in manifest["plum"].items() if name != "signature"}
    return json.dumps({**manifest, "plum": plum}, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
