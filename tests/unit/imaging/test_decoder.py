"""Picture files become pixels, and what would cost too much is refused before it is decoded."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from imaging.decoder import decode_picture, fit_array
from imaging.errors import MalformedPictureError, PictureTooLargeError, UnsupportedFormatError
from imaging.limits import MOST_SCANS

pytestmark = pytest.mark.unit

KINDS = ("PNG", "JPEG", "WEBP", "BMP")


def encoded(image, kind="PNG", **options):
    to = io.BytesIO()
    image.save(to, kind, **options)
    return to.getvalue()


def chunk(name, content):
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def png_header(width, height, bits=8, colour=2):
    """Make a PNG of a few bytes that promises a size."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


@pytest.fixture
def grey():
    """A picture in which no two places look alike."""
    return np.arange(12 * 20, dtype=np.uint8).reshape(12, 20)


@pytest.fixture
def coloured():
    return np.random.default_rng(1).integers(0, 256, (12, 20, 3), np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_colours_come_out_as_they_went_in(kind, coloured):
    """These kinds lose nothing."""
    pixels = decode_picture(encoded(Image.fromarray(coloured), kind, lossless=True))
    np.testing.assert_array_equal(np.dstack([coloured, np.full((12, 20), 255)]), pixels)


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGB", "RGBA", "I;16"])
def test_every_mode_of_grey_is_the_same_grey(mode, grey):
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(grey).convert(mode)
    pixels = decode_picture(encoded(image))
    for channel in range(3):
        np.testing.assert_array_equal(grey, pixels[..., channel])
    assert (pixels[..., 3] == 255).all()


def test_black_and_white_is_a_picture():
    image = Image.new("1", (3, 2), 1)
    assert [255] * 24 == decode_picture(encoded(image)).ravel().tolist()


def test_ink_of_a_printer_is_converted():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red = decode_picture(encoded(image, "JPEG"))[8, 8]
    np.testing.assert_allclose([255, 0, 0, 255], red, atol=3)


def test_a_palette_may_be_transparent():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    pixels = decode_picture(encoded(image, transparency=1))
    assert [[[10, 20, 30, 255], [40, 50, 60, 0]]] == pixels.tolist()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_held_sideways_is_made_up_for(kind, orientation):
    """The first and the last pixel are where Pillow's own transposition has them."""
    upright = Image.fromarray(np.linspace(0, 255, 32 * 64).reshape(64, 32).astype(np.uint8))
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    held = upright.transpose(turns[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode_picture(encoded(held, kind, exif=exif))
    assert (64, 32) == pixels.shape[:2]
    np.testing.assert_allclose(np.asarray(upright), pixels[..., 0], atol=12)


def test_damaged_camera_data_do_no_harm(grey):
    body = encoded(Image.fromarray(grey), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert grey.shape == decode_picture(body).shape[:2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_picture_comes_out_smaller(kind):
    """Its sides are what is enough, or up to twice as much; its colours are the same."""
    image = Image.new("RGB", (330, 110), (200, 30, 60))
    pixels = decode_picture(encoded(image, kind), enough=100)
    height, width, _ = pixels.shape
    assert 100 <= width < 200
    assert 3 == pytest.approx(width / height, abs=0.1)
    np.testing.assert_allclose([200, 30, 60, 255], pixels[20, 50], atol=4)


def test_a_large_jpeg_is_never_held_in_full():
    """The decoder itself makes it smaller, by 8 at most."""
    image = Image.new("L", (800, 800), 77)
    assert (100, 100) == decode_picture(encoded(image, "JPEG"), enough=100).shape[:2]


@pytest.mark.parametrize("mode", ["P", "I;16", "LA"])
def test_a_large_picture_of_any_mode_comes_out_smaller(mode):
    image = Image.new(mode, (64, 700))
    assert (700 // 7, 10) == decode_picture(encoded(image), enough=100).shape[:2]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the picture is empty"),
        (b"GIF89a" + bytes(20), "is GIF"),
        (b"II*\0" + bytes(20), "is TIFF"),
        (bytes(4) + b"ftypheic" + bytes(20), "is HEIC or AVIF"),
        (b"RIFF\0\0\0\0WAVEfmt ", "starts with 52 49 46 46"),
        (b"hello", "starts with 68 65 6c 6c 6f; PNG, JPEG, WebP or BMP is expected"),
    ],
)
def test_other_kinds_are_refused_by_name(body, sentence):
    with pytest.raises((MalformedPictureError, UnsupportedFormatError), match=sentence):
        decode_picture(body)


def test_a_name_says_nothing():
    """The kind is what the bytes are."""
    with pytest.raises(UnsupportedFormatError):
        decode_picture(encoded(Image.new("L", (4, 4)), "GIF"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_picture_that_is_cut_off_is_refused(kind, share, coloured):
    body = encoded(Image.fromarray(coloured.repeat(8, 0).repeat(8, 1)), kind)
    with pytest.raises((MalformedPictureError, UnsupportedFormatError)):
        decode_picture(body[: int(len(body) * share)])


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    body = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(MalformedPictureError, match="animation of 3 frames; one is expected"):
        decode_picture(body)


def test_two_pictures_of_a_phone_are_one():
    """Phones put a preview behind the photograph."""
    photograph, preview = Image.new("L", (64, 64), 9), Image.new("L", (16, 16), 99)
    body = encoded(photograph, "MPO", save_all=True, append_images=[preview])
    assert 9 == decode_picture(body)[32, 32, 0]


@pytest.mark.parametrize(
    ("width", "height"), [(10_000, 10_000), (40_000, 1), (1, 2**31 - 1), (6_401, 6_401)]
)
def test_too_many_pixels_are_refused_by_the_header(width, height):
    with pytest.raises(PictureTooLargeError, match=f"{width} x {height} pixels large"):
        decode_picture(png_header(width, height))


def test_a_webp_is_refused_before_its_decoder_is_made(monkeypatch):
    """That alone would take memory for the canvas, twice."""
    body = bytearray(encoded(Image.new("RGBA", (9, 9)), "WEBP", lossless=True))
    body[21:25] = (16_383 | 16_383 << 14).to_bytes(4, "little")
    monkeypatch.setattr(WebPImageFile, "_open", lambda _self: pytest.fail("it was opened"))
    with pytest.raises(PictureTooLargeError, match="16384 x 16384"):
        decode_picture(bytes(body))


def test_what_would_take_too_much_memory_is_refused():
    """Few enough pixels may still be too many in a format that cannot be decoded small."""
    with pytest.raises(PictureTooLargeError, match="at most 134217728 are given"):
        decode_picture(png_header(6_000, 6_000))
    with pytest.raises(MalformedPictureError, match="damaged or cut off"):
        decode_picture(png_header(6_000, 6_000, colour=0))


def test_a_compressed_bmp_is_refused(grey):
    body = bytearray(encoded(Image.fromarray(grey), "BMP"))
    body[30:34] = struct.pack("<I", 1)
    with pytest.raises(UnsupportedFormatError, match="compressed"):
        decode_picture(bytes(body))


def test_too_many_scans_are_refused(grey):
    """Each takes as long as the picture is large, in however few bytes."""
    body = encoded(Image.fromarray(grey), "JPEG", progressive=True)
    last = body.rindex(b"\xff\xda")
    many = body[:last] + body[last:-2] * MOST_SCANS + body[-2:]
    with pytest.raises(PictureTooLargeError, match="scans; at most 32 are read"):
        decode_picture(many)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 3), (5, 4, 4)])
def test_pixels_are_a_picture(shape):
    pixels = np.full(shape, 7, np.uint8)
    picture = fit_array(pixels)
    assert (5, 4, 4) == picture.shape
    assert (picture[..., :3] == 7).all()


def test_large_pixels_come_out_smaller():
    assert (50, 100, 4) == fit_array(np.zeros((100, 200), np.uint8), enough=100).shape


@pytest.mark.parametrize("shape", [(5, 4, 2), (0, 4), (5, 0, 3)])
def test_pixels_of_another_form_are_refused(shape):
    with pytest.raises(MalformedPictureError):
        fit_array(np.zeros(shape, np.uint8))
