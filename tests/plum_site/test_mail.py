"""Mail goes out over real SMTP: the same bytes at every attempt, no foreign header line, nothing lost (I22, F25)."""

import email
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.policy import default
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plum_site.lib import mail, outbox
from plum_site.lib.choices import OutboxState
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import Outbox, OutboxAttempt
from tests.support.mail_server import MailServer

DAY = timedelta(days=1)
STYLE = "p { color: #123456 } @media (max-width: 1px) { p { color: red } }"
HTML = f"<html><head><style>{STYLE}</style></head><body><p>Größe</p></body></html>"


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    """A mail server that Plum is told to use."""
    made = MailServer().start()
    settings.SMTP_HOST, settings.SMTP_PORT, settings.SMTP_TLS = "127.0.0.1", made.port, "none"
    settings.MAIL_FROM = "Plum <plum@example.org>"
    yield made
    made.stop()


def send(at: datetime, number: int = 1, **changes: Any) -> Outbox:
    """One mail that leaves at the next sending."""
    values: dict[str, Any] = {
        "to": ("Ada Lovelace", "ada@example.org"),
        "subject": "Monthly report – Größen für März 🍇",
        "text": "Everything is well.\n",
        "html": HTML,
        "dedup_key": f"test:{number}",
        "program_id": None,
        "at": at,
    }
    return mail.send(**(values | changes))


@pytest.mark.django_db
def test_a_mail_arrives_whole(at: datetime, server: MailServer) -> None:
    table = "partner,spend\nCafé,12.00\n".encode()
    message = send(
        at,
        attachments=[mail.Attachment("scorecards.csv", "text/csv", table)],
        list_id="Monthly report <report.demo.example.org>",
        unsubscribe_url="https://plum.example.org/mail/unsubscribe/abc/",
    )

    assert outbox.send_due(at) == 1

    [arrived] = server.messages()
    assert arrived["Subject"] == "Monthly report – Größen für März 🍇"
    assert (arrived["From"], arrived["To"]) == ("Plum <plum@example.org>", "Ada Lovelace <ada@example.org>")
    assert arrived["Message-ID"] == message.message_id == mail.message_id_for("test:1")
    assert parsedate_to_datetime(arrived["Date"]) == at
    assert arrived["Auto-Submitted"] == "auto-generated"
    assert arrived["List-Id"] == "Monthly report <report.demo.example.org>"
    assert arrived["List-Unsubscribe"] == "<https://plum.example.org/mail/unsubscribe/abc/>"
    assert arrived["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, html = arrived.get_body(("plain",)), arrived.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().strip() == "Everything is well."
    assert 'style="color: #123456' in html.get_content()
    assert "@media" in html.get_content(), "what cannot stand in an attribute is kept"
    [attachment] = arrived.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content_type()) == ("scorecards.csv", "text/csv")
    assert attachment.get_payload(decode=True) == table
    assert OutboxAttempt.objects.get().detail == "250 queued"


@pytest.mark.django_db
def test_a_server_that_is_down_costs_time_and_no_mail(at: datetime, server: MailServer) -> None:
    server.stop()
    message = send(at)
    outbox.send_due(at)
    message.refresh_from_db()
    assert message.state == OutboxState.WAITING
    assert "ConnectionRefusedError" in message.error

    server.start()
    assert outbox.send_due(message.due_at) == 1

    assert len(server.received) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("where", ["answer_rcpt", "answer_data"])
def test_not_now_is_tried_again_with_the_same_bytes(at: datetime, server: MailServer, where: str) -> None:
    answers = iter(["451 try again later", "421 closing", None])
    setattr(server, where, lambda _, recipient: next(answers))
    message = send(at)
    for _ in range(2):
        outbox.send_due(message.due_at)
        message.refresh_from_db()
        assert message.state == OutboxState.WAITING

    assert outbox.send_due(message.due_at) == 1

    assert [row.detail for row in OutboxAttempt.objects.order_by("pk")] == ["451 try again later", "421 closing", "250 queued"]
    assert len(server.received) == 1


REFUSALS = [("answer_rcpt", "550 no such mailbox"), ("answer_data", "554 looks like spam"), ("answer_data", "552 too big")]


@pytest.mark.django_db
@pytest.mark.parametrize(("where", "answer"), REFUSALS)
def test_never_is_given_up_and_shown(at: datetime, server: MailServer, where: str, answer: str) -> None:
    setattr(server, where, lambda _, recipient: answer)
    message = send(at)

    outbox.send_due(at)

    message.refresh_from_db()
    assert (message.state, message.error) == (OutboxState.DEAD, answer)
    assert outbox.send_due(at + DAY) == 0


@pytest.mark.django_db
def test_a_line_cut_after_the_message_repeats_it_once_as_the_same_message(at: datetime, server: MailServer) -> None:
    answers = iter(["drop", None])
    server.answer_data = lambda _, recipient: next(answers)
    message = send(at)
    assert outbox.send_due(at) == 0
    message.refresh_from_db()

    assert outbox.send_due(message.due_at) == 1

    first, again = server.received
    assert first == again, "byte for byte: whoever knows the Message-ID drops the second one"
    assert outbox.send_due(at + 90 * DAY) == 0


@pytest.mark.django_db
def test_one_refused_recipient_does_not_touch_the_others(at: datetime, server: MailServer) -> None:
    server.answer_rcpt = lambda _, recipient: "550 gone" if recipient == "b@example.org" else None
    for number, name in enumerate("abc"):
        send(at, number, to=("", f"{name}@example.org"))

    assert outbox.send_due(at) == 2

    assert sorted(server.recipients) == ["a@example.org", "c@example.org"]


@pytest.mark.django_db
def test_a_fault_of_the_settings_is_not_the_recipients(at: datetime, server: MailServer, settings: Any) -> None:
    settings.SMTP_TLS = "starttls"  # the server does not offer it
    message = send(at)
    outbox.send_due(at)
    message.refresh_from_db()

    assert message.state == OutboxState.WAITING
    assert "SMTPNotSupportedError" in message.error
    assert server.received == [], "nothing was said in the open"

    settings.SMTP_TLS, settings.SMTP_USER, settings.SMTP_PASSWORD = "none", "plum", "never-shown"
    outbox.send_due(message.due_at)
    message.refresh_from_db()
    assert message.state == OutboxState.WAITING
    assert "never-shown" not in message.error


@pytest.mark.django_db
@pytest.mark.parametrize("sign", ["\n", "\r", "\r\n", "\0", "\x85", "\u2028", "\u2029", "\x0b", "\x1c", "\ud800"])
@pytest.mark.parametrize("field", ["subject", "name", "list_id", "unsubscribe_url", "attachment"])
def test_nothing_can_begin_a_header_line_of_its_own(at: datetime, field: str, sign: str) -> None:
    evil = f"Report{sign}Bcc: everybody@example.org"
    changes: dict[str, Any] = {field: evil}
    if field == "name":
        changes = {"to": (evil, "ada@example.org")}
    if field == "attachment":
        changes = {"attachments": [mail.Attachment(evil, "text/csv", b"")]}

    with pytest.raises(InvalidInput) as refusal:
        send(at, **changes)

    assert refusal.value.code == "header_injection"
    assert Outbox.objects.count() == 0


@pytest.mark.parametrize(
    "address", ["", "ada", "ada@", "a@b@c.org", "ada@example.org\nBcc: x@example.org", "ädä@example.org", f"{'a' * 250}@x.org"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        mail.check_address(address)

    assert refusal.value.code == "invalid_address"
    assert "Nothing was changed" in refusal.value.detail


@given(st.text(), st.text(), st.text())
def test_any_text_goes_through_a_head_and_a_body_unharmed(subject: str, name: str, text: str) -> None:
    """Whatever people call their programs and partners: one line in the head, and the words as they were in the body."""
    subject, name = mail.one_line(subject)[:200], mail.one_line(name)[:100]
    body = text.encode("utf-8", "replace").decode()
    at = datetime.fromisoformat("2026-07-15T09:30:00+00:00")
    payload = mail.compose(to=(name, "ada@example.org"), subject=subject, text=body, html=HTML, at=at)

    content = mail.render(payload, "<1@example.org>")
    read = email.message_from_bytes(content, policy=default)
    head = content.split(b"\r\n\r\n", 1)[0]

    assert str(read["Subject"] or "") == subject
    assert [address.addr_spec for address in read["To"].addresses] == ["ada@example.org"]
    names = [line.split(b":")[0] for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]
    assert len(names) == len(set(names))
    assert set(names) <= {b"Message-ID", b"Date", b"From", b"To", b"Auto-Submitted", b"Subject", b"MIME-Version", b"Content-Type"}
    plain = read.get_body(("plain",))
    assert plain is not None
    assert "".join(plain.get_content().split()) == "".join(body.split())
    assert content == mail.render(payload, "<1@example.org>")


def test_attachments_have_a_limit(at: datetime) -> None:
    large = [mail.Attachment("a.csv", "text/csv", b"x" * 600_000)] * 2

    with pytest.raises(InvalidInput, match="1,000,000 bytes together, these have 1,200,000"):
        mail.compose(to=("", "ada@example.org"), subject="x", text="x", html=HTML, at=at, attachments=large)
