"""Pictures from outside: only pictures, within bounds, and nothing of them but their pixels."""

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from offers.services.pictures import LONGEST_SIDE, MOST_BYTES, make_picture
from plum_site.lib.errors import InvalidInput
from tests.factories.offers import picture


def png(width: int, height: int, data: bytes = b"", extra: bytes = b"") -> bytes:
    """A PNG that says it is so large, whatever it holds."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def with_gps() -> bytes:
    image, target = Image.new("RGB", (300, 200), "purple"), io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (48.0, 8.0, 30.0)
    image.save(target, "JPEG", exif=exif, comment=b"by Ann")
    return target.getvalue()


def moving(form: str) -> bytes:
    frames, target = [Image.new("RGB", (100, 100), colour) for colour in ("red", "blue")], io.BytesIO()
    frames[0].save(target, form, save_all=True, append_images=frames[1:])
    return target.getvalue()


BOMB = zlib.compress(bytes(3 * 9000 * 9000 + 9000), 9)
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "picture_empty"),
    "a file that is too large": (lambda: picture() + bytes(MOST_BYTES), "picture_too_large"),
    "a bomb of 81 million pixels": (lambda: png(9000, 9000, BOMB), "picture_too_large"),
    "a header of four thousand million pixels": (lambda: png(65_000, 65_000), "picture_too_large"),
    "a side without an end": (lambda: png(LONGEST_SIDE + 1, 100), "picture_too_large"),
    "a size beyond all counting": (lambda: png(2**31, 2**31), "picture_too_large"),
    "a dot": (lambda: picture(1, 1), "picture_too_small"),
    "half a JPEG": (lambda: picture()[:-300], "not_a_picture"),
    "half a PNG": (lambda: picture(form="PNG")[:-60], "not_a_picture"),
    "half a WebP": (lambda: picture(form="WEBP")[:-20], "not_a_picture"),
    "a GIF": (lambda: picture(form="GIF", mode="P"), "not_a_picture"),
    "a TIFF": (lambda: picture(form="TIFF"), "not_a_picture"),
    "a BMP": (lambda: picture(form="BMP"), "not_a_picture"),
    "an SVG with a script": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "not_a_picture"),
    "a page": (lambda: b"<!doctype html><script>alert(1)</script>", "not_a_picture"),
    "a page behind the signature of a PNG": (lambda: b"\x89PNG\r\n\x1a\n<script>alert(1)</script>", "not_a_picture"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "not_a_picture"),
    "notes that unfold without end": (
        lambda: png(100, 100, zlib.compress(bytes(30_100)), _notes(bytes(80_000_000))),
        "not_a_picture",
    ),
    "a moving PNG": (lambda: moving("PNG"), "picture_moves"),
    "a moving WebP": (lambda: moving("WEBP"), "picture_moves"),
}


def _notes(text: bytes) -> bytes:
    body = b"Comment\x00\x00" + zlib.compress(text, 9)
    return struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_sound_picture_is_refused(name: str) -> None:
    make, code = HOSTILE[name]

    with pytest.raises(InvalidInput) as refused:
        make_picture(make())

    assert refused.value.code == code
    assert set(refused.value.fields) == {"picture"}


# The ways in which each form can hold its pixels.
FORMS = {
    "JPEG": ("RGB", "L", "CMYK", "1"),
    "PNG": ("RGB", "L", "RGBA", "LA", "P", "1", "I;16"),
    "WEBP": ("RGB", "L", "RGBA", "P"),
}


@pytest.mark.parametrize(("form", "mode"), [(form, mode) for form, modes in FORMS.items() for mode in modes])
def test_every_form_becomes_one_of_two(form: str, mode: str) -> None:
    content = io.BytesIO()
    Image.new(mode, (320, 200)).save(content, form)

    made = make_picture(content.getvalue())

    shown = Image.open(io.BytesIO(made.content))
    assert (shown.format, shown.size) == ({"jpg": "JPEG", "png": "PNG"}[made.extension], (320, 200))
    assert made.extension == ("png" if mode in ("RGBA", "LA") else "jpg")


def test_nothing_but_pixels_is_kept() -> None:
    made = make_picture(with_gps())

    for content in (made.content, made.small):
        shown = Image.open(io.BytesIO(content))
        assert not shown.getexif()
        assert not {"exif", "comment", "icc_profile", "xmp"} & set(shown.info)
        assert b"taken at home" not in content
        assert b"by Ann" not in content


def test_what_hides_behind_or_within_a_picture_is_gone() -> None:
    script = b"<script>alert(document.cookie)</script>"
    behind = picture(form="PNG") + script
    within = io.BytesIO()
    Image.new("RGB", (300, 200)).save(within, "JPEG", comment=script, icc_profile=script)

    for content in (behind, within.getvalue()):
        made = make_picture(content)
        assert script not in made.content + made.small


def test_a_picture_is_turned_the_way_the_camera_was_held() -> None:
    exif, target = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.new("RGB", (300, 200)).save(target, "JPEG", exif=exif)

    made = make_picture(target.getvalue())

    assert (made.width, made.height) == (200, 300)


def test_large_ones_are_made_smaller_and_small_ones_left() -> None:
    large, little = make_picture(picture(4000, 2000)), make_picture(picture(200, 100))

    assert (large.width, large.height) == (1600, 800)
    assert Image.open(io.BytesIO(large.small)).size == (480, 240)
    assert Image.open(io.BytesIO(little.small)).size == (200, 100)


def test_the_same_pixels_have_the_same_name() -> None:
    assert make_picture(picture()).sha256 == make_picture(picture()).sha256
    assert make_picture(picture()).sha256 != make_picture(picture(321)).sha256
