"""What exports and webhooks look like, without a database."""

from exports.rules.columns import COLUMNS, Column, column_names, list_columns
from exports.rules.manifest import (
    DATA,
    MANIFEST,
    NULL_MARK,
    SUMS,
    Content,
    DataFile,
    canonical,
    find_files,
    make_manifest,
    make_sums,
    parse_sums,
)
from exports.rules.totals import Totals
from exports.rules.webhooks import (
    RETRY_DELAYS,
    encode_body,
    encode_secret,
    make_message_id,
    pause_asked_for,
    shown_address,
    sign,
    sign_headers,
)

__all__ = [
    "COLUMNS",
    "DATA",
    "MANIFEST",
    "NULL_MARK",
    "RETRY_DELAYS",
    "SUMS",
    "Column",
    "Content",
    "DataFile",
    "Totals",
    "canonical",
    "column_names",
    "encode_body",
    "encode_secret",
    "find_files",
    "list_columns",
    "make_manifest",
    "make_message_id",
    "make_sums",
    "parse_sums",
    "pause_asked_for",
    "shown_address",
    "sign",
    "sign_headers",
]
