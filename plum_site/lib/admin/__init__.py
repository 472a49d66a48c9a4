"""The bases of the console's lists and pages, for the admin and page modules of every app."""

from plum_site.lib.admin.editing import ServiceModelAdmin, SuggestInput, refuse
from plum_site.lib.admin.frame import (
    PAGES,
    Button,
    Page,
    View,
    allowed,
    go,
    guarded,
    page,
    person_of,
    program_of,
    show,
    try_to,
    url_of,
)
from plum_site.lib.admin.keyset import KeysetModelAdmin
from plum_site.lib.admin.progress import show_progress
from plum_site.lib.admin.rows import ADMINS, ProgramModelAdmin, ReadOnlyModelAdmin, console_admin, within
from plum_site.lib.admin.tables import TablesMixin
from plum_site.lib.admin.transitions import CommentForm, TransitionsMixin, make_log

__all__ = [
    "ADMINS",
    "PAGES",
    "Button",
    "CommentForm",
    "KeysetModelAdmin",
    "Page",
    "ProgramModelAdmin",
    "ReadOnlyModelAdmin",
    "ServiceModelAdmin",
    "SuggestInput",
    "TablesMixin",
    "TransitionsMixin",
    "View",
    "allowed",
    "console_admin",
    "go",
    "guarded",
    "make_log",
    "page",
    "person_of",
    "program_of",
    "refuse",
    "show",
    "show_progress",
    "try_to",
    "url_of",
    "within",
]
