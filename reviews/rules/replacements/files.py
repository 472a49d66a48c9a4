"""Which files may be kept with a replacement."""

from pathlib import PurePath

from plum_site.lib.errors import InvalidInput

LARGEST_FILE = 5 * 1024 * 1024  # bytes
MOST_FILES = 20
KINDS = (".docx", ".eml", ".jpg", ".odt", ".pdf", ".png", ".txt", ".xlsx")


def check_file(name: str, size: int, known: int) -> str:
    """
    The name under which a file is kept; refuse what is too large, too much, or of a kind that is no document.

    known: how many the replacement has already.

    Raises: InvalidInput - invalid_file.
    Source: docs/rules/replacement.md
    """
    clean = PurePath(name.replace("\\", "/")).name.strip()[:200]
    fault = ""
    if not clean or "\0" in clean or PurePath(clean).suffix.lower() not in KINDS:
        fault = f"A file of one of these kinds: {', '.join(KINDS)}."
    elif not 0 < size <= LARGEST_FILE:
        fault = f"A file that is not empty, of at most {LARGEST_FILE // 1024 // 1024} MB."
    elif known >= MOST_FILES:
        fault = f"At most {MOST_FILES} files are kept with one replacement."
    if fault:
        raise InvalidInput("invalid_file", f"The file was not kept. {fault}", {"file": fault})
    return clean
