"""
Hostile JSON, made by families: what is sent and the verdict that is written down for it here, once, for both engines.

An event case is one event as text. It is sent alone, in a batch and as a line, between good ones; `code` is what its result
says ("" for accepted). Where the text is not even JSON, a batch cannot be split and is refused as a whole (`breaks_batch`).
A body case is a whole body, with the status and the code of the answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from activity.rules.events import LONGEST

MONEY = '{"amount":"1.00","currency":"EUR"}'
ENVELOPE = {
    "specversion": '"1.0"',
    "id": '"h"',
    "source": '"urn:hostile"',
    "type": '"offer.redeemed.v1"',
    "time": '"2026-06-15T10:00:00Z"',
}
DATA = {"member": '{"external_id":"M1"}', "offer": '"O1"'}
TEXTS = {
    "id": "event_id",
    "source": "source",
    "reason_code": "reason_code",
    "transaction_ref": "transaction_ref",
    "reverses": "reverses",
    "medium": "medium",
    "external_id": "member",
}
NEEDED = {"id", "source", "external_id"}
OPEN = ("id", "reason_code", "external_id", "source")  # of each kind of place, one


@dataclass(frozen=True)
class EventCase:
    """One event and what becomes of it."""

    family: str
    name: str
    text: bytes
    code: str
    breaks_batch: bool = False
    breaks_line: bool = False  # a line break inside: as a line it is two broken ones


@dataclass(frozen=True)
class BodyCase:
    """One body and the answer to it."""

    family: str
    name: str
    body: bytes
    content_type: str
    status: int
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def write(changes: Mapping[str, str | None], extra: str = "") -> bytes:
    """One event as JSON text; `changes` are raw JSON by field, None leaves a field out; `extra` goes before the end of data."""
    envelope, data = dict(ENVELOPE), dict(DATA)
    for name, raw in changes.items():
        if name == "external_id":
            data["member"] = f'{{"external_id":{raw}}}' if raw is not None else "{}"
            continue
        place = envelope if name in ENVELOPE or name.startswith("@") else data
        if raw is None:
            place.pop(name, None)
        else:
            place[name.removeprefix("@")] = raw
    parts = [f'"{name}":{raw}' for name, raw in envelope.items()]
    if changes.get("data", "") == "":
        parts.append('"data":{' + ",".join(f'"{name}":{raw}' for name, raw in data.items()) + extra + "}")
    elif changes["data"] is not None:
        parts.append(f'"data":{changes["data"]}')
    return ("{" + ",".join(parts) + "}").encode("utf-8", "surrogatepass")


def case(family: str, name: str, code: str, changes: Mapping[str, str | None], extra: str = "", **more: bool) -> EventCase:
    """One case of the usual event with some fields changed."""
    return EventCase(family, name, write(changes, extra), code, **more)


def quoted(text: str) -> str:
    """A JSON string of characters that need no escape."""
    return f'"{text}"'


def depth() -> Iterator[EventCase]:
    """Brackets in brackets."""
    for levels, code, breaks in (
        (1, "invalid", False),
        (2, "invalid", False),
        (10, "invalid", False),
        (100, "invalid", False),
        (5_000, "malformed", True),
        (10_000, "malformed", True),
        (16_000, "malformed", True),
        (100_000, "event_too_large", True),
    ):
        yield case("depth", f"lists {levels}", code, {"@subject": "[" * levels + "]" * levels}, breaks_batch=breaks)
    for levels, code, breaks in ((1, "invalid", False), (50, "invalid", False), (4_000, "malformed", True)):
        nested = '{"a":' * levels + "1" + "}" * levels
        yield case("depth", f"objects {levels}", code, {"@subject": nested}, breaks_batch=breaks)
        code = "unknown_field" if code == "invalid" else code
        yield case("depth", f"in data {levels}", code, {"strange": nested}, breaks_batch=breaks)
    yield case("depth", "open lists", "malformed", {"@subject": "[" * 1000}, breaks_batch=True)


def numbers() -> Iterator[EventCase]:
    """Numbers that JSON cannot say, that no machine holds, or that are none."""
    for raw in ("NaN", "Infinity", "-Infinity", "01", "+1", ".5", "1.", "0x10", "1_000", "1e", "--1", "٣", "1,5", "nan", "0b1"):
        for place in ("position", "@sampled"):
            yield case("numbers", f"{place} {raw}", "malformed", {place: raw}, breaks_batch=True)
    for raw in ("1e999", "-1e999", "1E400"):
        for place in ("position", "@sampled", "id"):
            yield case("numbers", f"{place} {raw}", "malformed", {place: raw})
    for raw in ("0", "-0", "-1", "1.0", "1.5", "1e2", "1e-400", "1000001", "9" * 20, "9" * 400, "true", '"3"', "[]", "{}"):
        yield case("numbers", f"position {raw[:24]}", "invalid", {"position": raw})
    yield case("numbers", "position 5,000 digits", "malformed", {"position": "9" * 5000})
    for raw in ("1", "42", "1000000", "null"):
        yield case("numbers", f"position {raw}", "", {"position": raw})
    for raw in ("0", "-0", "7", str(2**63), "true", "false", "null"):
        yield case("numbers", f"attribute {raw}", "", {"@sampled": raw})
    for raw in ("0.5", "-0.0", "1e2"):
        yield case("numbers", f"attribute {raw}", "invalid", {"@sampled": raw})


def repeated_keys() -> Iterator[EventCase]:
    """A key that stands twice, plainly or in disguise: nobody shall have to ask which of the two counts."""
    for name in (*ENVELOPE, "data"):
        text = write({})
        raw = ENVELOPE.get(name, "{}")
        yield EventCase("repeated keys", f"{name} at the end", text[:-1] + f',"{name}":{raw}}}'.encode(), "malformed")
        yield EventCase("repeated keys", f"{name} at the beginning", f'{{"{name}":{raw},'.encode() + text[1:], "malformed")
    for name, raw in (("offer", '"O1"'), ("offer", '"O2"'), ("member", DATA["member"]), ("spend", MONEY), ("position", "1")):
        yield case("repeated keys", f"{name} {raw} in data", "malformed", {"spend": MONEY, "position": "1"}, f',"{name}":{raw}')
    member = '{"external_id":"M1","external_id":"M2"}'
    yield case("repeated keys", "in member", "malformed", {"member": member})
    for name in ("spend", "reward_cost"):
        for part in ('"amount":"1.00"', '"currency":"EUR"'):
            yield case("repeated keys", f"{part} in {name}", "malformed", {name: MONEY[:-1] + f",{part}}}"})
    yield case("repeated keys", "in an attribute", "malformed", {"@subject": '{"a":1,"a":1}'})
    for name, disguise in (("id", "\\u0069d"), ("id", "i\\u0064"), ("source", "sourc\\u0065"), ("time", "t\\u0069me")):
        extra = f',"{disguise}":"x"}}'.encode()
        yield EventCase("repeated keys", f"{name} as {disguise}", write({})[:-1] + extra, "malformed")
    yield case("repeated keys", "offer in disguise", "malformed", {}, ',"\\u006fffer":"O2"')
    yield case("repeated keys", "member in disguise", "malformed", {"member": '{"external_id":"M1","external\\u005fid":"M2"}'})
    spaced = write({})[:-1] + b' , "id"\t:\t"x" }'
    yield EventCase("repeated keys", "with space around", spaced, "malformed")
    yield EventCase("repeated keys", "texts that look like keys", write({"@subject": '"\\":\\":"', "medium": '":"'}), "")
    yield EventCase("repeated keys", "keys written in escapes", write({}).replace(b'"offer"', b'"\\u006fffer"'), "")


BAD_UTF8 = {
    "ff": b"\xff",
    "fe": b"\xfe",
    "a continuation alone": b"\x80",
    "a beginning alone": b"\xc3",
    "two of three": b"\xe2\x82",
    "three of four": b"\xf0\x9f\x98",
    "overlong slash": b"\xc0\xaf",
    "overlong NUL": b"\xc0\x80",
    "overlong in three": b"\xe0\x80\xaf",
    "overlong in four": b"\xf0\x80\x80\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond the last": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "latin-1": "ä".encode("latin-1"),
}


def encodings() -> Iterator[EventCase]:
    """Bytes that are no UTF-8, escapes that are no character."""
    for name, raw in BAD_UTF8.items():
        for place in OPEN:
            yield EventCase("encodings", f"{place}: {name}", write({place: '"a~b"'}).replace(b"~", raw), "malformed")
    for raw in ("\\ud800", "\\udc00", "\\udfff", "\\udc00\\ud800", "\\ud800x", "\\ud83d\\ud83d", "\\ud800\\u0041"):
        for place in OPEN:
            yield case("encodings", f"{place}: {raw}", "malformed", {place: quoted(raw)}, breaks_batch=True)
    for raw in ("\\x41", "\\u12", "\\u{41}", "\\U00000041", "\\'", "\\", "\\u00g0"):
        yield case("encodings", f"no escape: {raw}", "malformed", {"id": quoted(raw)}, breaks_batch=True)
    yield EventCase("encodings", "a mark of byte order", b"\xef\xbb\xbf" + write({}), "malformed", breaks_batch=True)
    yield case("encodings", "a pair in escapes", "", {"id": '"\\ud83d\\ude00"'})
    yield case("encodings", "letters in escapes", "", {"id": '"\\u0068\\u00e4\\/\\u4e2d"'})


def controls() -> Iterator[EventCase]:
    """Characters that no log line and no text column can hold."""
    for place in TEXTS:
        for number in (0x00, 0x01, 0x1B, 0x7F):
            yield case("controls", f"{place}: U+{number:04X} escaped", "invalid", {place: f'"a\\u{number:04x}b"'})
        yield case("controls", f"{place}: NUL raw", "malformed", {place: '"a\x00b"'}, breaks_batch=True)
        yield case("controls", f"{place}: short escapes", "invalid", {place: '"a\\n\\t\\r\\b\\f"'})
    yield case("controls", "line break raw", "malformed", {"id": '"a\nb"'}, breaks_batch=True, breaks_line=True)
    yield case("controls", "tab raw", "malformed", {"id": '"a\tb"'}, breaks_batch=True)
    yield case("controls", "NUL in a key", "unknown_field", {"a\\u0000b": "1"})
    yield case("controls", "an attribute with NUL", "", {"@subject": '"a\\u0000b"'})
    yield case("controls", "delete raw", "invalid", {"id": '"a\x7fb"'})


def lengths() -> Iterator[EventCase]:
    """At the limit, and one beyond."""
    for place, column in TEXTS.items():
        for letter in ("x", "é", "中", "😀", "\u0301"):
            longest = LONGEST[column]
            yield case("lengths", f"{place}: {longest} × {letter}", "", {place: quoted(letter * longest)})
            yield case("lengths", f"{place}: {longest + 1} × {letter}", "invalid", {place: quoted(letter * (longest + 1))})
        yield case("lengths", f"{place} empty", "required" if place in NEEDED else "", {place: '""'})
    yield case("lengths", "offer that nobody can have", "invalid", {"offer": quoted("O" * 201)})
    whole = write({"@subject": '"~"'})
    for size, code in ((32 * 1024, ""), (32 * 1024 + 1, "event_too_large")):
        yield EventCase("lengths", f"{size} bytes", whole.replace(b"~", b"x" * (size - len(whole) + 1)), code)
    yield EventCase("lengths", "32 KiB of space", write({})[:-1] + b" " * 32 * 1024 + b"}", "event_too_large")
    yield EventCase("lengths", "a thousand attributes", write({f"@a{n}": "1" for n in range(1000)}), "")


WRONG = ("0", "1.5", "true", "[]", "{}", '["a"]')


def types() -> Iterator[EventCase]:
    """A value of another type in each place, an unknown name in each place."""
    for place in ("id", "source", "type", "time"):
        for raw in WRONG:
            yield case("types", f"{place}: {raw}", "invalid", {place: raw})
        for raw in ("null", None):
            yield case("types", f"{place}: {raw}", "required", {place: raw})
    for raw in (*WRONG, "null", None, '"1"', '"1.0.0"', '"0.3"', '"1.0 "', '""'):
        yield case("types", f"specversion: {raw}", "invalid", {"specversion": raw})
    for raw in ("null", None, "0", "true", '"text"', "[]", '[{"offer":"O1"}]'):
        yield case("types", f"data: {raw}", "required", {"data": raw})
    for place in ("reason_code", "transaction_ref", "reverses", "medium", "status", "offer"):
        for raw in WRONG:
            yield case("types", f"{place}: {raw}", "invalid", {place: raw})
        yield case("types", f"{place}: null", "required" if place == "offer" else "", {place: "null"})
    for raw in ("null", None, "0", "true", '"M1"', "[]", "{}", '{"external_id":null}', '{"external_id":1}', '{"external_id":[]}'):
        yield case("types", f"member: {raw}", "required", {"member": raw})
    for place, raw in (
        ("email", '"a@example.org"'),
        ("Offer", '"O1"'),
        ("offer ", '"O1"'),
        ("__proto__", "{}"),
        ("", "1"),
        ("о" + "ffer", '"O1"'),  # the first letter is Cyrillic
        ("received_at", '"2026-06-15T10:00:00Z"'),
        ("occurred_at", '"2026-06-15T10:00:00Z"'),
        ("offer_code", '"O1"'),
    ):
        yield case("types", f"unknown in data: {place!r}", "unknown_field", {place: raw})
    yield case("types", "unknown in member", "unknown_field", {"member": '{"external_id":"M1","name":"A"}'})
    for name in ("spend", "reward_cost"):
        yield case("types", f"unknown in {name}", "unknown_field", {name: MONEY[:-1] + ',"tax":"0"}'})
    for name, raw in (("@data_base64", '"eA=="'), ("@data_base64", "null")):
        yield case("types", f"{name} {raw}", "required", {name: raw})
    for name, raw, code in (
        ("@datacontenttype", '"application/json"', ""),
        ("@datacontenttype", '"text/plain"', ""),
        ("@dataschema", '"urn:x"', ""),
        ("@subject", '""', ""),
        ("@traceparent", '"00-ab"', ""),
        ("@UPPER_case", "1", ""),
        ("@extension", "{}", "invalid"),
        ("@extension", "[1]", "invalid"),
    ):
        yield case("types", f"{name}: {raw}", code, {name: raw})
    for raw in ("null", "true", "1", '"text"', "[]", "[{}]", "NaN"):
        code = "malformed"
        yield EventCase("types", f"instead of an event: {raw}", raw.encode(), code, breaks_batch=raw == "NaN")
    yield EventCase("types", "an empty object", b"{}", "invalid")
