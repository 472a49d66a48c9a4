"""
Mail: composed once, kept whole in the outbox, sent by SMTP as the same bytes at every attempt.

`send` stores subject, both parts, attachments and headers with the message; `render` makes the bytes from them alone, with
fixed boundaries, so that a repeated message is the first one again, under the same Message-ID. Whatever would start a new
header line is refused when a message is composed.
"""

import base64
import contextlib
import hashlib
import smtplib
import socket
import ssl
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from pathlib import Path
from typing import Any

from css_inline import CSSInliner
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import Outbox
from plum_site.lib.outbox import Delivered, Refused, TryLater, channel, put

CHANNEL = "mail"
DELAYS = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600))
ATTACHMENTS_AT_MOST = 1_000_000  # bytes, together
ADDRESS_LENGTH = 254
SOCKET_PREFIX = "unix:"
TIMEOUT_SECONDS = 10  # for each answer of the mail server
CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})  # what may break a header line or cannot be written at all
TOO_LARGE = 552  # the server's limit: no later attempt helps
INLINER = CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)
STYLES = Path(__file__).with_name("mail.css").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Attachment:
    """A small file that travels with a message. content_type: such as "text/csv"."""

    name: str
    content_type: str
    content: bytes


def one_line(text: str) -> str:
    """A text as it may stand in a header: whatever would end the line is a space."""
    return " ".join("".join(" " if unicodedata.category(sign) in CONTROL else sign for sign in text).split())


def check_address(address: str) -> str:
    """The address as it is used; InvalidInput unless it is one that every mail server takes."""
    address = address.strip()
    try:
        validate_email(address)
        address.encode("ascii")
    except (ValidationError, UnicodeEncodeError):
        sentence = f"{address[:100]!r} is no e-mail address. Write one such as ada@example.org."
        raise InvalidInput("invalid_address", f"{sentence} Nothing was changed.", {"email": sentence}) from None
    if len(address) > ADDRESS_LENGTH:
        sentence = f"An e-mail address has at most {ADDRESS_LENGTH} characters."
        raise InvalidInput("invalid_address", f"{sentence} Nothing was changed.", {"email": sentence})
    return address


def put_styles(html: str) -> str:
    """A page with the styles of all mails in its tags; what cannot stand there stays in its head."""
    return INLINER.inline(html.replace("</head>", f"<style>{STYLES}</style></head>", 1))


def compose(
    *,
    to: tuple[str, str],
    subject: str,
    text: str,
    html: str,
    at: datetime,
    attachments: Sequence[Attachment] = (),
    list_id: str = "",
    unsubscribe_url: str = "",
) -> dict[str, Any]:
    """
    A message as it is kept: JSON from which `render` makes the same bytes whenever it is asked.

    to: name (may be empty) and address. text: complete on its own. html: a whole page; its styles are moved to where mail
    programs look for them. list_id: "name <list.example.org>". unsubscribe_url: takes a POST without sign-in (RFC 8058).
    Raises: InvalidInput - invalid_address, header_injection, attachments_too_large.
    """
    name, address = to
    headers = {"Subject": subject, "List-Id": list_id, "List-Unsubscribe": f"<{unsubscribe_url}>" if unsubscribe_url else ""}
    for value in (name, *headers.values(), *(attachment.name for attachment in attachments)):
        if any(unicodedata.category(sign) in CONTROL for sign in value):
            raise InvalidInput("header_injection", f"{value!r} cannot stand in one line of a mail's head. Nothing was sent.")
    size = sum(len(attachment.content) for attachment in attachments)
    if size > ATTACHMENTS_AT_MOST:
        limit = f"{ATTACHMENTS_AT_MOST:,} bytes"
        raise InvalidInput(
            "attachments_too_large", f"Attachments may have {limit} together, these have {size:,}. Nothing was sent."
        )
    if unsubscribe_url:
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return {
        "from": settings.MAIL_FROM,
        "to": [name, check_address(address)],
        "date": format_datetime(at),
        "headers": {key: value for key, value in headers.items() if value},
        "text": text,
        "html": put_styles(html),
        "attachments": [
            {"name": one.name, "type": one.content_type, "base64": base64.b64encode(one.content).decode()} for one in attachments
        ],
    }


def render(payload: dict[str, Any], message_id: str) -> bytes:
    """The message as it goes over the wire, CRLF lines; always the same for the same payload and id."""
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = message_id
    message["Date"] = payload["date"]
    message["From"] = payload["from"]
    name, address = payload["to"]
    user, _, domain = address.rpartition("@")
    message["To"] = Address(name, user, domain)
    message["Auto-Submitted"] = "auto-generated"
    for header, value in payload["headers"].items():
        message[header] = value
    message.set_content(payload["text"], cte="quoted-printable")
    message.add_alternative(payload["html"], subtype="html", cte="quoted-printable")
    for attachment in payload["attachments"]:
        maintype, _, subtype = attachment["type"].partition("/")
        content = base64.b64decode(attachment["base64"])
        message.add_attachment(content, maintype=maintype, subtype=subtype, filename=attachment["name"])
    mark = hashlib.sha256(message_id.encode()).hexdigest()[:24]
    for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"=_plum-{mark}-{number}")
    return message.as_bytes()


def message_id_for(dedup_key: str) -> str:
    """The Message-ID of the message that a key stands for: always the same one."""
    return f"<{hashlib.sha256(dedup_key.encode()).hexdigest()[:40]}@{_domain_of(settings.MAIL_FROM)}>"


@lru_cache(maxsize=8)  # parsing costs more than the rest of a row of a large push
def _domain_of(address: str) -> str:
    return parseaddr(address)[1].rpartition("@")[2] or "localhost"


def send(
    *,
    to: tuple[str, str],
    subject: str,
    text: str,
    html: str,
    dedup_key: str,
    program_id: int | None,
    at: datetime,
    attachments: Sequence[Attachment] = (),
    list_id: str = "",
    unsubscribe_url: str = "",
    about: Sequence[str] = (),
) -> Outbox:
    """
    Have one mail sent once, after the commit: `compose` into the outbox.

    about: names of what it tells, kept with it for those who must not tell it twice.
    Raises: InvalidInput, as compose.
    Writes: plum_outbox, in the caller's transaction.
    """
    payload = compose(
        to=to,
        subject=subject,
        text=text,
        html=html,
        at=at,
        attachments=attachments,
        list_id=list_id,
        unsubscribe_url=unsubscribe_url,
    )
    return put(
        channel=CHANNEL,
        recipient=payload["to"][1],
        dedup_key=dedup_key,
        payload=payload | ({"about": list(about)} if about else {}),
        program_id=program_id,
        at=at,
        message_id=message_id_for(dedup_key),
    )


class SocketSMTP(smtplib.SMTP):
    """SMTP over a unix socket: the mailbox that `./plum up` starts."""

    def __init__(self, path: str, local_hostname: str = "localhost", timeout: float = TIMEOUT_SECONDS) -> None:
        self._path = path
        super().__init__("localhost", 25, local_hostname=local_hostname, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(timeout)
        try:
            line.connect(self._path)
        except OSError:
            line.close()
            raise
        return line


def describe_server() -> str:
    """The mail server in words, for people; never the password."""
    host: str = settings.SMTP_HOST
    return "the mailbox of ./plum up" if host.startswith(SOCKET_PREFIX) else f"{host}:{settings.SMTP_PORT}"


@contextlib.contextmanager
def _open_line() -> Iterator[smtplib.SMTP]:
    """A line to the mail server, greeted, encrypted and signed in as the settings say; ended without complaint."""
    host: str = settings.SMTP_HOST
    options: dict[str, Any] = {"local_hostname": _domain_of(settings.MAIL_FROM), "timeout": TIMEOUT_SECONDS}
    if host.startswith(SOCKET_PREFIX):
        line: smtplib.SMTP = SocketSMTP(host.removeprefix(SOCKET_PREFIX), **options)
    elif settings.SMTP_TLS == "tls":
        line = smtplib.SMTP_SSL(host, settings.SMTP_PORT, context=ssl.create_default_context(), **options)
    else:
        line = smtplib.SMTP(host, settings.SMTP_PORT, **options)
    try:
        if settings.SMTP_TLS == "starttls" and not host.startswith(SOCKET_PREFIX):
            line.starttls(context=ssl.create_default_context())
        if settings.SMTP_USER:
            line.login(settings.SMTP_USER, settings.SMTP_PASSWORD)
        yield line
        with contextlib.suppress(smtplib.SMTPException, OSError):  # the message is delivered, whatever the farewell is
            line.quit()
    finally:
        line.close()


def _answer(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(words.split())}"


@channel(CHANNEL, delays=DELAYS)
def deliver(message: Outbox) -> Delivered:
    """One message, kept whole in the outbox, to its recipient."""
    return post(message.payload, message.message_id)


def post(payload: dict[str, Any], message_id: str) -> Delivered:
    """
    One composed message to one recipient over one line; outside any transaction.

    Raises: Refused, where the recipient or the message is; TryLater for all else.
    """
    content = render(payload, message_id)
    sender = parseaddr(payload["from"])[1]
    with _translating(), _open_line() as line:
        code, text = _transmit(line, sender, payload["to"][1], content)
    return Delivered(str(code), _answer(code, text).partition(" ")[2])


def _transmit(line: smtplib.SMTP, sender: str, recipient: str, content: bytes) -> tuple[int, bytes]:
    """MAIL, RCPT, DATA; the server's last word."""
    line.ehlo_or_helo_if_needed()
    steps: list[tuple[Callable[[], tuple[int, bytes]], tuple[int, ...]]] = [
        (lambda: line.mail(sender, [f"size={len(content)}"] if line.has_extn("size") else []), (250,)),
        (lambda: line.rcpt(recipient), (250, 251)),
        (lambda: line.data(content), (250,)),
    ]
    code, text = 0, b""
    for number, (step, accepted) in enumerate(steps):
        code, text = step()
        if code in accepted:
            continue
        answer = _answer(code, text)
        # 5xx to our own address is a fault of the settings, which a person mends; to the recipient or the message it is final.
        if code == TOO_LARGE or (number > 0 and code >= 500):
            raise Refused(answer)
        raise TryLater(answer)
    return code, text


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    """Faults of the line, the server and the settings as TryLater: none of them is the recipient's."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        answer = _answer(error.smtp_code, error.smtp_error)
        raise TryLater(f"The mail server refused PLUM_SMTP_USER: {answer}") from None
    except smtplib.SMTPResponseException as error:
        if error.smtp_code >= 500 and isinstance(error, smtplib.SMTPDataError):
            raise Refused(_answer(error.smtp_code, error.smtp_error)) from None
        raise TryLater(_answer(error.smtp_code, error.smtp_error)) from None
    except (smtplib.SMTPException, OSError) as error:
        raise TryLater(f"{describe_server()}: {type(error).__name__}: {error}") from None
