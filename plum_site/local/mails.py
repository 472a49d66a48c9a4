"""What lies in the mailbox of `./plum up`."""

import email
from email.policy import default
from pathlib import Path

SHOWN = 12


def list_mails(folder: Path) -> list[dict[str, str]]:
    """Every mail that is kept, newest first: its file, recipient and subject."""
    found = []
    for path in sorted(folder.glob("*.eml"), reverse=True):
        with open(path, "rb") as file:
            message = email.message_from_binary_file(file, policy=default)
        found.append({"file": path.name, "to": str(message["To"] or ""), "subject": str(message["Subject"] or "")})
    return found


def describe_mails(mails: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """A table of the newest ones, with a line for the rest."""
    rows = [("file", "to", "subject"), *((mail["file"], mail["to"], mail["subject"]) for mail in mails[:SHOWN])]
    if len(mails) > SHOWN:
        rows.append((f"and {len(mails) - SHOWN} more", "", ""))
    return rows
