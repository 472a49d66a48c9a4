"""
A picture from outside becomes one of ours: decoded within bounds, and encoded anew from its pixels alone.

Whatever else the file carried (positions, names, scripts, a second file behind the picture) is not in what is kept.
"""

import hashlib
import io
import struct
import threading
import zlib
from dataclasses import dataclass

from PIL import Image, ImageOps

from partners.rules import field_error

MOST_BYTES = 5 * 1024 * 1024
MOST_PIXELS = 25_000_000
LONGEST_SIDE = 10_000
SHORTEST_SIDE = 64
SIZES = (1600, 480)  # the longest side of the picture and of its small form, in pixels
FORMATS = ("JPEG", "PNG", "WEBP")
JPEG_QUALITY = 85
HOW = "Bring a JPEG, PNG or WebP picture of at most 5 MB."

# What Pillow raises where bytes are not what their header says.
BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    ArithmeticError,
    LookupError,
    TypeError,
    MemoryError,
    struct.error,
    zlib.error,
)

_one_at_a_time = threading.Lock()  # a decoded picture takes up to 100 MB


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept. small: the same, for lists. sha256: of `content`, in hexadecimal."""

    content: bytes
    small: bytes
    extension: str
    width: int
    height: int

    @property
    def sha256(self) -> str:
        """What its file is named after."""
        return hashlib.sha256(self.content).hexdigest()


def make_picture(content: bytes) -> Picture:
    """
    The picture in a file that somebody brought, encoded anew.

    Raises: InvalidInput, with the field picture: "picture_empty", "picture_too_large" (bytes, sides or pixels),
    "picture_too_small", "picture_moves", "not_a_picture".
    Writes: nothing.
    """
    if not content:
        raise field_error("picture_empty", "picture", f"The file is empty. {HOW}")
    if len(content) > MOST_BYTES:
        raise field_error("picture_too_large", "picture", f"The file is larger than 5 MB. {HOW}")
    with _one_at_a_time:
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
                _check_header(opened)
                opened.load()
                return _encode(ImageOps.exif_transpose(opened))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise field_error("picture_too_large", "picture", f"The picture has too many pixels. {HOW}") from None
        except BROKEN:
            raise field_error("not_a_picture", "picture", f"The file is no whole picture. {HOW}") from None


def _check_header(opened: Image.Image) -> None:
    """Before a single pixel is decoded."""
    width, height = opened.size
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        sentence = f"{width} × {height} pixels are too many: at most {LONGEST_SIDE:,} a side and 25 million together."
        raise field_error("picture_too_large", "picture", sentence)
    if min(width, height) < SHORTEST_SIDE:
        sentence = f"{width} × {height} pixels are too few: at least {SHORTEST_SIDE} a side."
        raise field_error("picture_too_small", "picture", sentence)
    if getattr(opened, "n_frames", 1) > 1:
        raise field_error("picture_moves", "picture", "The picture moves. Bring one that stands still.")


def _encode(picture: Image.Image) -> Picture:
    """PNG where something shows through, else JPEG; nothing of the original but its pixels."""
    has_alpha = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    plain = picture.convert("RGBA" if has_alpha else "RGB")
    large, small = (_save(_fit(plain, side), has_alpha) for side in SIZES)
    width, height = _fit(plain, SIZES[0]).size
    return Picture(large, small, "png" if has_alpha else "jpg", width, height)


def _fit(picture: Image.Image, side: int) -> Image.Image:
    """A copy that is at most so many pixels long; a smaller picture stays as it is."""
    copy = Image.new(picture.mode, picture.size)
    copy.paste(picture)  # pixels only: a copy would carry the original's notes along
    copy.thumbnail((side, side), Image.Resampling.LANCZOS)
    return copy


def _save(picture: Image.Image, has_alpha: bool) -> bytes:
    target = io.BytesIO()
    if has_alpha:
        picture.save(target, "PNG", optimize=True)
    else:
        picture.save(target, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
    return target.getvalue()
