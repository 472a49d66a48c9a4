"""
The body of a request that sends events: inflated with a limit, split into single JSON texts. No item is looked into here.

Whatever is wrong with the body as a whole is a problem of the request; what is wrong with one item is left to it.
"""

import zlib

import msgspec
import zstandard
from django.http import HttpRequest

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

split_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


def read_body(request: HttpRequest) -> tuple[str, bytes]:
    """BATCH, SINGLE or LINES, and the inflated body; Problem 400, 411, 413 or 415 where it is none of these."""
    media_type = read_media_type(request)
    body = inflate(read_bytes(request), request.headers.get("Content-Encoding", ""))
    if media_type == ANY_JSON:
        media_type = BATCH if body.lstrip()[:1] == b"[" else SINGLE
    return media_type, body


def split_events(media_type: str, body: bytes) -> list[bytes]:
    """The JSON texts of a body, one for each event; Problem 400 where they cannot be told apart."""
    if media_type == LINES:
        return [line for line in (part.strip() for part in body.split(b"\n")) if line]
    if media_type == SINGLE:
        return [body.strip()] if body.strip() else []
    return split(body)


def check_count(count: int) -> None:
    """Problem 400 or 413 where a body holds no event, or more than one request may."""
    if not count:
        raise Problem(400, "malformed", "The body holds no event. Send 1 to 5,000.")
    if count > MOST_EVENTS:
        detail = f"{count} events are more than one request may hold. Nothing was stored; send at most {MOST_EVENTS} at once."
        raise Problem(413, "too_many_events", detail, limit=MOST_EVENTS)


def read_media_type(request: HttpRequest) -> str:
    """One of MEDIA_TYPES; 415 for another type or character set."""
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    if request.content_type not in MEDIA_TYPES or charset not in ("utf-8", "utf8"):
        detail = f"Send events as one of {', '.join(MEDIA_TYPES)}, in UTF-8. Nothing was stored."
        raise Problem(415, "unsupported_media_type", detail, accepted=list(MEDIA_TYPES))
    return str(request.content_type)


def read_bytes(request: HttpRequest) -> bytes:
    """The raw bytes; a body that is announced as too large is not read at all."""
    if "Content-Length" not in request.headers:
        raise Problem(411, "length_required", "Send a Content-Length; chunked requests are not read. Nothing was stored.")
    if int(request.headers["Content-Length"] or 0) > LARGEST_BODY:
        raise too_large()
    return request.body


def inflate(body: bytes, encoding: str) -> bytes:
    """The body without its Content-Encoding, at most LARGEST_BODY bytes; a bomb is given up at the limit."""
    match encoding.strip().lower():
        case "" | "identity":
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
    try:
        return [bytes(text) for text in split_array(body)]
    except UNREADABLE as error:
        detail = f"The body is not a JSON array of events: {str(error)[:200]}. Nothing was stored."
        raise Problem(400, "malformed", detail) from None


def too_large() -> Problem:
    """413 for the body as a whole."""
    detail = f"The body is larger than {LARGEST_BODY // 1024**2} MiB when inflated. Nothing was stored; send it in parts."
    return Problem(413, "too_large", detail, limit=LARGEST_BODY)


def broken(encoding: str) -> Problem:
    """400 for a body that is not what its Content-Encoding says."""
    return Problem(400, "malformed", f"The body is not one complete {encoding} stream. Nothing was stored.")
