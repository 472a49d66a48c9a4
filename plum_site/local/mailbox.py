"""
The mailbox of `./plum up`: takes every mail on a unix socket and keeps it as a file; nothing leaves this machine.

    python -m plum_site.local.mailbox SOCKET FOLDER

Each message becomes FOLDER/TIME-NUMBER.eml, whole or not at all: it is written beside and renamed. A message is accepted
only after that, so what was accepted is there.
"""

import asyncio
import itertools
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

MOST_BYTES = 5_000_000
NUMBERS = itertools.count(1)


def keep(folder: Path, content: bytes) -> Path:
    """Write one message whole, or not at all; where it lies."""
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}-{next(NUMBERS):04}.eml"
    draft = folder / f"{name}.part"
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return draft.rename(folder / name)
    finally:
        draft.unlink(missing_ok=True)


class Keeper:
    """What the mail server calls with each message."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        """Keep the message, then accept it."""
        try:
            path = keep(self.folder, envelope.content)
        except OSError as error:
            return f"452 {type(error).__name__}: the mailbox could not keep it"
        return f"250 kept as {path.name}"


async def serve(path: Path, folder: Path) -> None:
    """Serve until told to stop."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)

    def connect() -> SMTP:
        return SMTP(Keeper(folder), hostname="localhost", ident="the mailbox of ./plum up", data_size_limit=MOST_BYTES)

    server = await loop.create_unix_server(connect, path=str(path))
    path.chmod(0o600)
    async with server:
        await stopped.wait()


def main(arguments: list[str]) -> None:
    """Serve on the socket named first, into the folder named second."""
    path, folder = map(Path, arguments)
    path.unlink(missing_ok=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    asyncio.run(serve(path, folder))


if __name__ == "__main__":
    main(sys.argv[1:])
