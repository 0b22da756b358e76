"""Of a file, its decoder gets what it needs, and nothing that it would go through in vain."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from imaging.containers import contents_of_jpeg, contents_of_png, orientation
from imaging.decoder import decode_picture
from imaging.errors import MalformedPictureError

pytestmark = pytest.mark.unit

PICTURE = Image.fromarray(np.arange(64 * 40, dtype=np.uint8).reshape(64, 40))


def encoded(kind, image=PICTURE, **options):
    to = io.BytesIO()
    image.save(to, kind, **options)
    return to.getvalue()


def segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def chunk(kind, content):
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def tiff(value, order="<", entries=((0x0100, 9), (0x0112, None))):
    """Write EXIF data that say how the camera was held."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    fields = b"".join(
        struct.pack(order + "HHIHH", tag, 3, 1, value if given is None else given, 0)
        for tag, given in entries
    )
    return head + struct.pack(order + "IH", 8, len(entries)) + fields + bytes(4)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}])
def test_a_jpeg_loses_what_applications_added(options):
    plain = encoded("JPEG", **options)
    thumbnail = encoded("JPEG")
    added = segment(0xE1, b"Exif\0\0" + thumbnail) + segment(0xE2, b"ICC") + segment(0xFE, b"hello")
    contents = contents_of_jpeg(plain[:2] + added + plain[2:] + thumbnail)
    assert (plain, b"Exif\0\0" + thumbnail) == (contents.body, contents.exif)


def test_a_note_on_colours_stays():
    body = encoded("JPEG", Image.new("CMYK", (8, 8)))
    assert b"Adobe" in contents_of_jpeg(body).body


def test_scans_are_counted_without_the_thumbnail():
    """A thumbnail is a JPEG of its own, inside a segment."""
    exif = b"Exif\0\0" + encoded("JPEG")
    assert 1 == contents_of_jpeg(encoded("JPEG", exif=exif)).scans
    assert 6 == contents_of_jpeg(encoded("JPEG", progressive=True, exif=exif)).scans


@pytest.mark.parametrize("junk", [b"\xff" * 99, b"\xff\x00" * 99, b"\xff\xd3" * 99, bytes(99)])
def test_junk_between_segments_is_left_out(junk):
    """Pillow takes a step in Python for every byte of it."""
    plain = encoded("JPEG")
    assert plain == contents_of_jpeg(plain[:2] + junk + plain[2:]).body


def test_more_segments_than_sense_are_refused():
    plain = encoded("JPEG")
    with pytest.raises(MalformedPictureError, match="more than 1024 segments"):
        contents_of_jpeg(plain[:2] + segment(0xFE, b"") * 1025 + plain[2:])


@pytest.mark.parametrize("marker", [b"\xff\xd8", b"\xff\x01"])
def test_a_marker_out_of_place_is_damage(marker):
    plain = encoded("JPEG")
    with pytest.raises(MalformedPictureError, match="damaged"):
        contents_of_jpeg(plain[:2] + marker + plain[2:])


def test_a_jpeg_of_nothing_is_no_picture():
    assert b"\xff\xd8" == contents_of_jpeg(b"\xff\xd8\xff\xff\x00\xff").body


def test_a_png_loses_texts_and_profiles():
    plain = encoded("PNG")
    added = chunk(b"tEXt", b"a\0b") + chunk(b"iCCP", b"x\0\0") + chunk(b"eXIf", b"MM")
    contents = contents_of_png(plain[:33] + added + plain[33:] + b"behind it")
    assert (plain, b"MM") == (contents.body, contents.exif[:2])


def test_transparency_of_a_png_stays():
    assert b"tRNS" in contents_of_png(encoded("PNG", transparency=3)).body


def test_frames_of_a_png_are_counted():
    body = encoded("PNG", save_all=True, append_images=[PICTURE.rotate(90), PICTURE.rotate(180)])
    assert 3 == contents_of_png(body).frames


def test_text_is_not_inflated(monkeypatch):
    """A few bytes may become many."""
    monkeypatch.setattr(
        PngImagePlugin.PngStream, "chunk_zTXt", lambda *_args: pytest.fail("it was inflated")
    )
    plain = encoded("PNG")
    text = chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(9_000)))
    assert (64, 40) == decode_picture(plain[:33] + text + plain[33:]).shape[:2]


def test_more_chunks_than_sense_are_refused():
    plain = encoded("PNG")
    with pytest.raises(MalformedPictureError, match=r"more than 10\d\d chunks"):
        contents_of_png(plain[:33] + chunk(b"teSt", b"") * 1100 + plain[33:])


@pytest.mark.parametrize("cut", [8, 20, 40, -20])
def test_what_is_cut_off_stays_so(cut):
    body = encoded("PNG")[:cut]
    assert body.startswith(contents_of_png(body).body)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_the_way_that_the_camera_was_held_is_read(order, prefix):
    assert 6 == orientation(prefix + tiff(6, order))


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"MM\0*\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        tiff(9),
        tiff(0),
        tiff(3)[:18],
        tiff(3, entries=[(1, 1)] * 600 + [(0x0112, None)]),
    ],
)
def test_damaged_camera_data_say_nothing(exif):
    assert 1 == orientation(exif)
