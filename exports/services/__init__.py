"""Writing what leaves Plum."""

from exports.services.checking import Fault, check_package
from exports.services.deliveries import deliver_webhook, hear_announcement, send_test_message
from exports.services.downloads import (
    UnableToTakeExport,
    copy_package,
    file_name,
    list_files,
    open_file,
    stream_zip,
    take_export,
)
from exports.services.endpoints import (
    UnableToChangeEndpoint,
    add_endpoint,
    disable_endpoint,
    edit_endpoint,
    enable_endpoint,
    remove_endpoint,
)
from exports.services.packages import UnableToWriteExport
from exports.services.requests import request_export, retry_export
from exports.services.running import fail_export, run_export
from exports.services.tidying import expire_export, tidy_exports

__all__ = [
    "Fault",
    "UnableToChangeEndpoint",
    "UnableToTakeExport",
    "UnableToWriteExport",
    "add_endpoint",
    "check_package",
    "copy_package",
    "deliver_webhook",
    "disable_endpoint",
    "edit_endpoint",
    "enable_endpoint",
    "expire_export",
    "fail_export",
    "file_name",
    "hear_announcement",
    "list_files",
    "open_file",
    "remove_endpoint",
    "request_export",
    "retry_export",
    "run_export",
    "send_test_message",
    "stream_zip",
    "take_export",
    "tidy_exports",
]
