"""A real SMTP server on loopback whose answers a test chooses; it keeps what it accepted, and can be stopped and started."""

import asyncio
import email
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP

from plum_site.local.services import free_port

Answer = Callable[["MailServer", str], str | None]


@dataclass
class MailServer:
    """
    One server in a thread of its own.

    answer_rcpt, answer_data: called with the recipient; a line to answer instead of accepting, "drop" to cut the line
    instead of answering, or None to accept. `received` holds what was accepted (or dropped after it was taken in), as bytes.
    """

    port: int = field(default_factory=free_port)
    answer_rcpt: Answer = lambda server, recipient: None
    answer_data: Answer = lambda server, recipient: None
    received: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """Whether it takes mail for this recipient."""
        answer = self.answer_rcpt(self, address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take the message in, refuse it, or cut the line."""
        [recipient] = envelope.rcpt_tos
        answer = self.answer_data(self, recipient)
        if answer is None or answer == "drop":
            self.received.append(envelope.original_content)
            self.recipients.append(recipient)
        if answer == "drop":
            server.transport.abort()
        return answer or "250 queued"

    def start(self) -> "MailServer":
        """Listen; returns when it does."""
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()

        async def listen() -> asyncio.AbstractServer:
            return await loop.create_server(lambda: SMTP(self, hostname="test", ident="test", loop=loop), "127.0.0.1", self.port)

        def run() -> None:
            server = loop.run_until_complete(listen())
            ready.set()
            loop.run_forever()
            server.close()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0.01))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

        loop = self._loop
        self._thread = threading.Thread(target=run, name="mail server", daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def stop(self) -> None:
        """Stop listening; `start` listens on the same port again."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop = self._thread = None

    def messages(self) -> list[EmailMessage]:
        """What was taken in, read as mail."""
        return [email.message_from_bytes(content, policy=default) for content in self.received]  # type: ignore[misc]
