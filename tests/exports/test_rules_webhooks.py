"""Webhook messages have the form of the specification, as the public package of its authors sees it."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from exports.rules import (
    RETRY_DELAYS,
    encode_body,
    encode_secret,
    make_message_id,
    pause_asked_for,
    sign,
    sign_headers,
)

AT = datetime(2026, 7, 15, 9, 30, 0, 123456, tzinfo=UTC)
SECRET = bytes(range(32))


def test_the_vector_that_all_implementations_share() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=5))
def test_whatever_is_sent_is_verified_by_the_public_package(kind: str, data: dict) -> None:
    now = datetime.now(UTC)
    body = encode_body(kind, data, now).encode()

    headers = sign_headers(SECRET, "msg_1", body, now)

    assert Webhook(encode_secret(SECRET)).verify(body, headers) == json.loads(body)


@pytest.mark.parametrize("change", ["body", "id", "timestamp", "secret", "old"])
def test_what_was_tampered_with_is_refused_by_the_public_package(change: str) -> None:
    now = datetime.now(UTC)
    at = now - timedelta(minutes=6) if change == "old" else now
    body = encode_body("review.finalized", {"program": "acme"}, at).encode()
    headers = sign_headers(SECRET, "msg_1", body, at)
    secret = SECRET
    match change:
        case "body":
            body = body.replace(b"acme", b"acne")
        case "id":
            headers["webhook-id"] = "msg_2"
        case "timestamp":
            headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + 1)
        case "secret":
            secret = bytes(32)

    with pytest.raises(WebhookVerificationError):
        Webhook(encode_secret(secret)).verify(body, headers)


def test_the_body_is_thin_and_says_type_time_and_data() -> None:
    body = encode_body("partner.flagged", {"partner": "Café №1"}, AT)

    assert body == '{"type":"partner.flagged","timestamp":"2026-07-15T09:30:00.123Z","data":{"partner":"Café №1"}}'
    with pytest.raises(ValueError, match="say less"):
        encode_body("partner.flagged", {"partner": "ü" * 10_000}, AT)


def test_secrets_are_32_bytes_in_base64() -> None:
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", encode_secret(SECRET))


def test_message_ids_are_ulids_that_sort_by_time() -> None:
    early, late = make_message_id(AT, 0), make_message_id(AT + timedelta(milliseconds=1), 0)

    assert re.fullmatch(r"msg_[0-7][0-9A-HJKMNP-TV-Z]{25}", late)
    assert early < late
    assert make_message_id(AT, 1) != early
    assert make_message_id(datetime(1970, 1, 1, tzinfo=UTC), 2**80 - 1) == "msg_0000000000ZZZZZZZZZZZZZZZZ"


def test_attempts_spread_over_three_days() -> None:
    assert len(RETRY_DELAYS) == 9
    assert sum(RETRY_DELAYS, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)
    assert list(RETRY_DELAYS) == sorted(RETRY_DELAYS)


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (503, "120", timedelta(minutes=2)),
        (429, " 0 ", timedelta()),
        (502, "Wed, 15 Jul 2026 09:31:00 GMT", timedelta(seconds=59.876544)),
        (504, "Wed, 15 Jul 2026 09:29:00 GMT", timedelta()),
        (503, "", None),
        (503, "soon", None),
        (503, "-5", None),
        (503, "1e9", None),
        (503, "9" * 400, None),
        (500, "120", None),
        (404, "120", None),
        (200, "120", None),
    ],
)
def test_a_busy_receiver_may_ask_for_patience(status: int, text: str, expected: timedelta | None) -> None:
    assert pause_asked_for(status, text, AT) == expected
