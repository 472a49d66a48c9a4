"""
The body of a request that sends events: inflated with a limit, split into single JSON texts. No item is looked into here.

Whatever is wrong with the body as a whole is a problem of the request; what is wrong with one item is left to it.
"""

import re
import zlib
from itertools import islice

import msgspec
import zstandard
from django.http import HttpRequest

from plum_site.lib.api import read_length
from plum_site.lib.problems import Problem

LARGEST_BODY = 8 * 1024 * 1024  # inflated
LARGEST_EVENT = 32 * 1024
MOST_EVENTS = 5000
# A few bytes of zstd can stand for 128 KiB: small steps keep what is inflated beyond the limit small.
ZSTD_STEP = 512
ZSTD_WINDOW = 8 * 1024 * 1024

BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"
LINES = "application/x-ndjson"
ANY_JSON = "application/json"
MEDIA_TYPES = (BATCH, SINGLE, LINES, ANY_JSON)

# Beyond so many commas (40 for each event, of which none has half) elements are counted before they are made.
MOST_COMMAS = 40 * MOST_EVENTS
# What lies between two marks: a string that is never closed is one as well, or every quote in it would be tried as a beginning.
STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
IN_LIST = re.compile(rb'(?:[^][{},"]++|' + STRING + rb")*+", re.DOTALL)
IN_ELEMENT = re.compile(rb'(?:[^][{}"]++|' + STRING + rb")*+", re.DOTALL)
DEEPEST = 1000  # beyond it no decoder follows
LINE = re.compile(rb"\S[^\n]*")

split_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


def read_body(request: HttpRequest) -> tuple[str, bytes]:
    """BATCH, SINGLE or LINES, and the inflated body; Problem 400, 411, 413 or 415 where it is none of these."""
    media_type = read_media_type(request)
    body = inflate(read_bytes(request), read_encoding(request))
    if media_type == ANY_JSON:
        media_type = BATCH if body.lstrip()[:1] == b"[" else SINGLE
    return media_type, body


def split_events(media_type: str, body: bytes) -> list[bytes]:
    """The JSON texts of a body, one for each event; Problem 400 where they cannot be told apart."""
    if media_type == LINES:
        return [line[0].rstrip() for line in islice(LINE.finditer(body), MOST_EVENTS + 1)]
    if media_type == SINGLE:
        return [body.strip()] if body.strip() else []
    return split(body)


def check_count(count: int) -> None:
    """Problem 400 or 413 where a body holds no event, or more than one request may."""
    if not count:
        raise Problem(400, "malformed", "The body holds no event. Send 1 to 5,000.")
    if count > MOST_EVENTS:
        raise too_many()


def read_media_type(request: HttpRequest) -> str:
    """One of MEDIA_TYPES; 415 for another type or character set."""
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    if request.content_type not in MEDIA_TYPES or charset not in ("utf-8", "utf8"):
        detail = f"Send events as one of {', '.join(MEDIA_TYPES)}, in UTF-8. Nothing was stored."
        raise Problem(415, "unsupported_media_type", detail, accepted=list(MEDIA_TYPES))
    return str(request.content_type)


def read_bytes(request: HttpRequest) -> bytes:
    """The raw bytes; a body that is announced as too large is not read at all."""
    length = read_length(request)
    if length is None:
        raise Problem(411, "length_required", "Send a Content-Length; chunked requests are not read. Nothing was stored.")
    if length > LARGEST_BODY:
        raise too_large()
    return request.body


def read_encoding(request: HttpRequest) -> str:
    """The Content-Encoding in small letters; empty where the body is as it is."""
    encoding = str(request.META.get("HTTP_CONTENT_ENCODING", "")).strip().lower()
    return "" if encoding == "identity" else encoding


def inflate(body: bytes, encoding: str) -> bytes:
    """The body without its encoding (`read_encoding`), at most LARGEST_BODY bytes; a bomb is given up at the limit."""
    match encoding:
        case "":
            inflated = body
        case "gzip":
            inflated = inflate_gzip(body)
        case "zstd":
            inflated = inflate_zstd(body)
        case _:
            detail = "Content-Encoding is gzip, zstd or absent. Nothing was stored."
            raise Problem(415, "unsupported_encoding", detail, accepted=["gzip", "zstd", "identity"])
    if len(inflated) > LARGEST_BODY:
        raise too_large()
    return inflated


def inflate_gzip(body: bytes) -> bytes:
    """One gzip member, whole and with nothing behind it; LARGEST_BODY + 1 bytes at most."""
    stream = zlib.decompressobj(wbits=31)
    try:
        inflated = stream.decompress(body, LARGEST_BODY + 1)
    except zlib.error:
        raise broken("gzip") from None
    if len(inflated) <= LARGEST_BODY and (not stream.eof or stream.unused_data):
        raise broken("gzip")
    return inflated


def inflate_zstd(body: bytes) -> bytes:
    """One zstd frame, whole and with nothing behind it; given up soon after LARGEST_BODY bytes."""
    stream = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()
    parts, size = [], 0
    try:
        for start in range(0, len(body), ZSTD_STEP):
            if stream.eof:
                raise broken("zstd")
            parts.append(stream.decompress(body[start : start + ZSTD_STEP]))
            size += len(parts[-1])
            if size > LARGEST_BODY:
                raise too_large()
    except zstandard.ZstdError:
        raise broken("zstd") from None
    if not stream.eof or stream.unused_data:
        raise broken("zstd")
    return b"".join(parts)


def split(body: bytes) -> list[bytes]:
    """The elements of a JSON array, as they were written."""
    if body.lstrip()[:1] == b"[" and body.count(b",") > MOST_COMMAS and has_too_many(body):
        raise too_many()
    try:
        return [bytes(text) for text in split_array(body)]
    except UNREADABLE as error:
        detail = f"The body is not a JSON array of events: {str(error)[:200]}. Nothing was stored."
        raise Problem(400, "malformed", detail) from None


def has_too_many(body: bytes) -> bool:
    """Whether a JSON array has more than MOST_EVENTS elements, told without making them: millions of them fit in a body."""
    depth = commas = place = 0
    while commas < MOST_EVENTS and depth < DEEPEST:
        between = (IN_LIST if depth == 1 else IN_ELEMENT).match(body, place)
        place = between.end() if between else place
        mark = body[place : place + 1]
        if not mark:
            return False
        depth += (mark in b"[{") - (mark in b"]}")
        commas += mark == b","
        place += 1
    return commas >= MOST_EVENTS


def too_many() -> Problem:
    """413 for more events than one request may hold."""
    detail = f"These are more than {MOST_EVENTS} events. Nothing was stored; send at most {MOST_EVENTS} at once."
    return Problem(413, "too_many_events", detail, limit=MOST_EVENTS)


def too_large() -> Problem:
    """413 for the body as a whole."""
    detail = f"The body is larger than {LARGEST_BODY // 1024**2} MiB when inflated. Nothing was stored; send it in parts."
    return Problem(413, "too_large", detail, limit=LARGEST_BODY)


def broken(encoding: str) -> Problem:
    """400 for a body that is not what its Content-Encoding says."""
    return Problem(400, "malformed", f"The body is not one complete {encoding} stream. Nothing was stored.")
