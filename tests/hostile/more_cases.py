"""The rest of the hostile JSON: times, money, odd but good ids, and whole bodies that are batches, lines or neither."""

import gzip
import json
import zlib
from collections.abc import Iterator

import zstandard

from tests.hostile.cases import (
    BodyCase,
    EventCase,
    case,
    controls,
    depth,
    encodings,
    lengths,
    numbers,
    quoted,
    repeated_keys,
    types,
    write,
)

BATCH, LINES, SINGLE, ANY = (
    "application/cloudevents-batch+json",
    "application/x-ndjson",
    "application/cloudevents+json",
    "application/json",
)
GOOD_TIMES = (
    "2026-06-15T10:00:00Z",
    "2026-06-15T10:00:00.1Z",
    "2026-06-15T10:00:00.123456Z",
    "2026-06-15T12:00:00+02:00",
    "2026-06-15T04:30:00-05:30",
    "2026-06-15T10:00:00+00:00",
    "2026-06-15 10:00:00Z",
    "2024-02-29T23:59:59Z",
    "1990-01-01T00:00:00Z",
    "2026-06-15T23:59:59+14:00",
    # Odd, but of one meaning only.
    "2026-06-15T10:00:00 Z",
    "2026-06-15T10:00:00.Z",
    "20260615T100000Z",
    "2026-W25-1T10:00:00Z",
    "2026-06-15T10Z",
    "2026-06-15T10:00:00,5Z",
)
BAD_TIMES = (
    "2026-06-15T10:00:00",
    "2026-06-15",
    "10:00:00Z",
    "2026-02-29T10:00:00Z",
    "2026-13-01T10:00:00Z",
    "2026-00-01T10:00:00Z",
    "2026-06-31T10:00:00Z",
    "2026-06-15T24:00:01Z",
    "2026-06-15T10:60:00Z",
    "2026-06-15T10:00:60Z",
    "2026-06-15T10:00:00+25:00",
    " 2026-06-15T10:00:00Z",
    "2026-06-15T10:00:00ZZ",
    "2026-6-15T10:00:00Z",
    "26-06-15T10:00:00Z",
    "+2026-06-15T10:00:00Z",
    "-2026-06-15T10:00:00Z",
    "12026-06-15T10:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "1989-12-31T23:59:59Z",
    "1990-01-01T00:00:00+01:00",
    "15.06.2026 10:00",
    "06/15/2026 10:00:00Z",
    "Mon, 15 Jun 2026 10:00:00 GMT",
    "1781517600",
    "now",
    "yesterday",
    "NaT",
    "2026-06-15T10:00:00[Europe/Berlin]",
    "2026-06-15T10:00:00 Europe/Berlin",
    "٢٠٢٦-٠٦-١٥T١٠:٠٠:٠٠Z",
    "2026‐06‐15T10:00:00Z",
    "T",
    "Z",
    "2026-06-15T10:00:00\\u0000Z",
)
FUTURE_TIMES = ("2999-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999+00:00")
GOOD_AMOUNTS = (
    ("0", "EUR"),
    ("0.00", "EUR"),
    ("1", "EUR"),
    ("1.5", "EUR"),
    ("1.50", "EUR"),
    ("001.50", "EUR"),
    ("1000", "JPY"),
    ("1.234", "KWD"),
    ("9999999999.99", "EUR"),
)
BAD_AMOUNTS = (
    ("1.234", "EUR", "too_many_decimals"),
    ("1.5", "JPY", "too_many_decimals"),
    ("0.0001", "KWD", "too_many_decimals"),
    ("-1", "EUR", "invalid_amount"),
    ("-0.01", "EUR", "invalid_amount"),
    ("1,50", "EUR", "invalid_amount"),
    ("1e2", "EUR", "invalid_amount"),
    ("1e400", "EUR", "invalid_amount"),
    ("NaN", "EUR", "invalid_amount"),
    ("Infinity", "EUR", "invalid_amount"),
    ("-Infinity", "EUR", "invalid_amount"),
    ("sNaN", "EUR", "invalid_amount"),
    ("0x10", "EUR", "invalid_amount"),
    (" ", "EUR", "invalid_amount"),
    ("1 000", "EUR", "invalid_amount"),
    ("1_000", "EUR", "invalid_amount"),
    ("١٢", "EUR", "invalid_amount"),
    ("€5", "EUR", "invalid_amount"),
    ("twelve", "EUR", "invalid_amount"),
    ("9" * 30, "EUR", "invalid_amount"),
    ("9" * 200, "EUR", "invalid_amount"),
    ("1.", "EUR", "invalid_amount"),
    (".5", "EUR", "invalid_amount"),
    ("1.00", "eur", "invalid_currency"),
    ("1.00", "EURO", "invalid_currency"),
    ("1.00", "EU", "invalid_currency"),
    ("1.00", "XXQ", "invalid_currency"),
    ("1.00", "€", "invalid_currency"),
    ("1.00", "E\\u0000R", "invalid"),
    ("1.00", " EUR", "invalid_currency"),
    ("1.00", "ЕUR", "invalid_currency"),  # the first letter is Cyrillic
)
# Good ids, however odd: two that look alike are two.
ODD_IDS = (
    "é",
    "e\u0301",
    "\u202eabc",
    "a\u200bb",
    "a\u200db",
    "👩‍👩‍👧‍👦",
    "🏳️‍🌈",
    "שלום",
    "مرحبا",
    "ﬁ",
    "Ａ",
    "ẞ",
    "i̇",
    "\uffff",
    "\ufeff",
    "\ue000",
    "\U0010ffff",
    "\u2028",
    "\u0085",
    "%00",
    "..",
    "../../etc/passwd",
    "'; DROP TABLE activity_event; --",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "=1+1",
    "null",
    "0",
    "None",
    " lead",
    "trail ",
    " ",
    "a/b?c#d",
    "00000000-0000-0000-0000-000000000000",
    "018F3A5C-7C1E-7D7C-9A4B-3F6F0D1E2B10",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
)


def times() -> Iterator[EventCase]:
    """Instants in right and in wrong forms."""
    for text in GOOD_TIMES:
        yield case("times", text, "", {"time": quoted(text)})
    for text in BAD_TIMES:
        yield case("times", text, "invalid", {"time": quoted(text)})
    for text in FUTURE_TIMES:
        yield case("times", text, "time_in_future", {"time": quoted(text)})
    yield case("times", "empty", "required", {"time": '""'})
    yield case("times", "long", "invalid", {"time": quoted("2026-06-15T10:00:00." + "1" * 300 + "Z")})


def money() -> Iterator[EventCase]:
    """Amounts and currencies; kinds and statuses, which are as few."""
    for name in ("spend", "reward_cost"):
        for amount, currency in GOOD_AMOUNTS:
            yield case("money", f"{name} {amount} {currency}", "", {name: f'{{"amount":"{amount}","currency":"{currency}"}}'})
    for amount, currency, code in BAD_AMOUNTS:
        said = f'{{"amount":"{amount}","currency":"{currency}"}}'
        yield case("money", f"{amount[:40]} {currency}", code, {"spend": said})
    for raw, code in (
        ("null", ""),
        ("0", "invalid"),
        ("12.50", "invalid"),
        ('"12.50 EUR"', "invalid"),
        ("[]", "invalid"),
        ("{}", "required"),
        ('{"amount":"1.00"}', "required"),
        ('{"currency":"EUR"}', "required"),
        ('{"amount":"","currency":"EUR"}', "required"),
        ('{"amount":null,"currency":"EUR"}', "required"),
        ('{"amount":"1.00","currency":""}', "required"),
        ('{"amount":1.00,"currency":"EUR"}', "invalid"),
        ('{"amount":100,"currency":"EUR"}', "invalid"),
        ('{"amount":true,"currency":"EUR"}', "invalid"),
        ('{"amount":"1.00","currency":978}', "invalid"),
    ):
        yield case("money", f"spend: {raw}", code, {"spend": raw})
    for text in (
        "offer.redeemed.v2",
        "offer.redeemed",
        "offer.clicked.v1",
        "OFFER.REDEEMED.V1",
        "redeemed",
        " offer.viewed.v1",
        "x" * 999,
    ):
        yield case("money", f"type {text[:30]}", "unknown_type", {"type": quoted(text)})
    for text in ("done", "CONFIRMED", "confirmed ", "0"):
        yield case("money", f"status {text}", "unknown_status", {"status": quoted(text)})
    for kind, status, code in (
        ("impression", "failed", "invalid"),
        ("viewed", "failed", "invalid"),
        ("viewed", "reversed", "invalid"),
        ("activated", "reversed", "invalid"),
        ("unlocked", "failed", ""),
        ("redeemed", "reversed", ""),
    ):
        yield case("money", f"{kind} {status}", code, {"type": quoted(f"offer.{kind}.v1"), "status": quoted(status)})
    for text in ("nowhere", "o1", "O1 ", "Ｏ1", "%", "*"):
        yield case("money", f"offer {text}", "unknown_offer", {"offer": quoted(text)})


def odd_ids() -> Iterator[EventCase]:
    """Ids that are read back as they were sent, letter by letter."""
    for text in ODD_IDS:
        yield case("odd ids", ascii(text), "", {"id": json.dumps(text, ensure_ascii=False)})
        both = {"external_id": json.dumps(text), "transaction_ref": json.dumps(text, ensure_ascii=False)}
        yield case("odd ids", f"{text!a} of a member", "", both)


EVENT_CASES = [
    one
    for family in (depth, numbers, repeated_keys, encodings, controls, lengths, types, times, money, odd_ids)
    for one in family()
]


def batches() -> Iterator[BodyCase]:
    """What is sent as a list and is none, or is more than one."""
    good = write({})
    for name, body in (
        ("nothing", b""),
        ("space", b" \n\t "),
        ("an empty list", b"[]"),
        ("an empty list with space", b" [ ] "),
        ("an event", good),
        ("null", b"null"),
        ("true", b"true"),
        ("a number", b"1"),
        ("a text", b'"x"'),
        ("an object with a list", b'{"events":[' + good + b"]}"),
        ("an open list", b"[" + good),
        ("a closed list", good + b"]"),
        ("a comma at the end", b"[" + good + b",]"),
        ("a comma at the beginning", b"[," + good + b"]"),
        ("two commas", b"[" + good + b",," + good + b"]"),
        ("no comma", b"[" + good + good + b"]"),
        ("two lists", b"[" + good + b"][" + good + b"]"),
        ("rubbish behind", b"[" + good + b"]x"),
        ("NUL behind", b"[" + good + b"]\x00"),
        ("a comment", b"[/* */" + good + b"]"),
        ("a comment behind", b"[" + good + b"]//x"),
        ("single quotes", good.replace(b'"', b"'").join([b"[", b"]"])),
        ("names without quotes", b'[{specversion:"1.0"}]'),
        ("a mark of byte order", b"\xef\xbb\xbf[" + good + b"]"),
        ("UTF-16", ("[" + good.decode() + "]").encode("utf-16")),
        ("UTF-32", ("[" + good.decode() + "]").encode("utf-32")),
        ("binary", bytes(range(256))),
        ("form data", b"id=1&source=x"),
        ("XML", b"<?xml version='1.0'?><events/>"),
        ("lines", good + b"\n" + good),
        ("parentheses", b"(" + good + b")"),
        ("a callback", b"cb([" + good + b"])"),
        ("a guard", b")]}',\n[" + good + b"]"),
    ):
        yield BodyCase("batches", name, body, BATCH, 400, "malformed")
    for name, body in (("a list in a list", b"[[" + good + b"]]"), ("nulls", b"[null,null]"), ("texts", b'["a","b"]')):
        yield BodyCase("batches", name, body, BATCH, 207, "malformed")
    yield BodyCase("batches", "5,001", b"[" + b"{}," * 5000 + b"{}]", BATCH, 413, "too_many_events")
    yield BodyCase("batches", "space around", b"\r\n [ \t" + good + b"\n ] \n", BATCH, 200)
    yield BodyCase("batches", "a list as a single event", b"[" + good + b"]", SINGLE, 207, "malformed")
    yield BodyCase("batches", "a list as any JSON", b"\n[" + good + b"]", ANY, 200)
    yield BodyCase("batches", "an event as any JSON", b"\n" + good, ANY, 200)
    for name, body in (("nothing", b""), ("a list of nothing", b"[]"), ("an open list", b"[")):
        yield BodyCase("batches", f"{name} as any JSON", body, ANY, 400, "malformed")
    for name, body in (("two events", good + good), ("rubbish behind", good + b"x"), ("two lines", good + b"\n" + good)):
        yield BodyCase("batches", f"{name} as one", body, SINGLE, 207, "malformed")


def lines() -> Iterator[BodyCase]:
    """Lines that end in odd ways, or are none."""
    one, two = write({}), write({"id": '"h2"'})
    for name, body in (
        ("one", one),
        ("line feeds", one + b"\n" + two + b"\n"),
        ("carriage returns too", one + b"\r\n" + two + b"\r\n"),
        ("blank lines", b"\n\n" + one + b"\n \n\t\n" + two + b"\n\n\n"),
        ("space around", b"  " + one + b" \t\n\t" + two + b" "),
    ):
        yield BodyCase("lines", name, body, LINES, 200)
    for name, body in (
        ("rubbish behind", one + b"\nx"),
        ("a list", b"[" + one + b"]"),
        ("two on a line", one + two),
        ("a comma between", one + b",\n" + two),
        ("carriage returns alone", one + b"\r" + two),
        ("one over two lines", one.replace(b',"source"', b',\n"source"')),
        ("record separators", b"\x1e" + one + b"\n\x1e" + two),
        ("NUL between", one + b"\x00\n" + two),
        ("a mark of byte order", b"\xef\xbb\xbf" + one),
        ("server-sent events", b"data: " + one + b"\n\n"),
        ("line separators of Unicode", one + "\u2028".encode() + two),
        ("parts of one on two lines", one[:-1] + b"\n}"),
        ("a list over lines", b"[\n" + one + b",\n" + two + b"\n]"),
    ):
        yield BodyCase("lines", name, body, LINES, 207, "malformed")
    for name, body in (("nothing", b""), ("blank lines alone", b"\n\r\n \n"), ("one blank", b" ")):
        yield BodyCase("lines", name, body, LINES, 400, "malformed")
    yield BodyCase("lines", "5,001", b"{}\n" * 5001, LINES, 413, "too_many_events")


def squeezed() -> Iterator[BodyCase]:
    """Bodies that are compressed, or say so."""
    good = b"[" + write({}) + b"]"
    pack, zpack = gzip.compress(good), zstandard.ZstdCompressor().compress(good)
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(good)
    wide = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    ).compressobj()
    wide_body = wide.compress(good) + wide.flush()
    for name, encoding, body in (
        ("plain", "gzip", pack),
        ("large", "GZIP", pack),
        ("with space", " gzip ", pack),
        ("plain", "zstd", zpack),
        ("of no stated size", "zstd", unsized),
        ("plain", "identity", good),
    ):
        yield BodyCase("squeezed", f"good {encoding} {name}", body, BATCH, 200, headers={"Content-Encoding": encoding})
    for name, encoding, body in (
        ("cut off", "gzip", pack[:-1]),
        ("wrong check", "gzip", pack[:-8] + bytes(8)),
        ("two members", "gzip", pack + pack),
        ("rubbish behind", "gzip", pack + b"x"),
        ("zeros behind", "gzip", pack + bytes(8)),
        ("plain", "gzip", good),
        ("zlib", "gzip", zlib.compress(good)),
        ("nothing", "gzip", b""),
        ("nothing inside", "gzip", gzip.compress(b"")),
        ("packed twice", "gzip", gzip.compress(pack)),
        ("cut off", "zstd", zpack[:-1]),
        ("two frames", "zstd", zpack + zpack),
        ("rubbish behind", "zstd", zpack + b"x"),
        ("a window beyond what is kept", "zstd", wide_body),
        ("plain", "zstd", good),
        ("gzip", "zstd", pack),
        ("nothing", "zstd", b""),
        ("packed unnamed", "", pack),
    ):
        headers = {"Content-Encoding": encoding} if encoding else {}
        yield BodyCase("squeezed", f"{encoding}: {name}", body, BATCH, 400, "malformed", headers)
    for encoding in ("gzip", "zstd"):
        bomb = bytes(64 * 1024 * 1024)
        body = gzip.compress(bomb) if encoding == "gzip" else zstandard.ZstdCompressor().compress(bomb)
        yield BodyCase("squeezed", f"a bomb in {encoding}", body, BATCH, 413, "too_large", {"Content-Encoding": encoding})
    for encoding in ("br", "deflate", "gzip, gzip", "x-gzip", "*"):
        yield BodyCase(
            "squeezed", f"unknown {encoding}", good, BATCH, 415, "unsupported_encoding", {"Content-Encoding": encoding}
        )


BODY_CASES = [one for family in (batches, lines, squeezed) for one in family()]
