"""Images that callers pass, and the bodies they become."""

from __future__ import annotations

import io
from email import message_from_bytes

import numpy as np
import pytest
from PIL import Image

from glyph_client import ImageError
from glyph_client.images import read_images

GREY = np.arange(6, dtype=np.uint8).reshape(2, 3)


def limit():
    return 4


def batches(images):
    return list(read_images(images, limit)[1])


def arrays(images):
    """Decode every batch of arrays."""
    bodies = [batch.body() for batch in batches(images)]
    assert {"application/x-npy"} == {body.media_type for body in bodies}
    return [np.load(io.BytesIO(body.content), allow_pickle=False) for body in bodies]


def picture(form="PNG", array=GREY):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, form)
    return stream.getvalue()


def files(body):
    """Return name, media type and content of each file of a form."""
    head = f"Content-Type: {body.media_type}\r\n\r\n".encode()
    parts = message_from_bytes(head + body.content).get_payload()
    return [(p.get_filename(), p.get_content_type(), p.get_payload(decode=True)) for p in parts]


@pytest.mark.parametrize(
    "image",
    [GREY, GREY.ravel(), GREY[..., np.newaxis], np.zeros((2, 3, 3), np.uint8), GREY.tolist()],
    ids=["rows", "flat", "one channel", "colours", "nested list"],
)
def test_one_array_is_one_image(image):
    """Its shape travels with it."""
    single, found = read_images(image, limit)

    assert single
    assert [1] == [len(batch) for batch in found]
    np.testing.assert_array_equal(np.asarray(image), arrays(image)[0])


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((3, 2, 3), np.uint8).transpose(0, 2, 1),
        np.zeros((3, 2, 2, 1), np.uint8),
        np.zeros((3, 2, 2), np.uint8).tolist(),
    ],
    ids=["not contiguous", "with channels", "nested list"],
)
def test_an_array_of_images_is_many(images):
    """Even if it were of one."""
    single, found = read_images(images, limit)
    alone, _ = read_images(images[:1], limit)

    assert (False, False) == (single, alone)
    assert [3] == [len(batch) for batch in found]
    np.testing.assert_array_equal(np.asarray(images), arrays(images)[0])


def test_an_array_is_cut_to_the_limit():
    """In order, and the rest comes last."""
    images = np.arange(10, dtype=np.uint8).repeat(4).reshape(10, 2, 2)

    assert [4, 4, 2] == [len(part) for part in arrays(images)]
    np.testing.assert_array_equal(images, np.concatenate(arrays(images)))


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, np.float32, np.float64])
def test_whole_numbers_travel_as_bytes(dtype):
    """A byte a pixel, however wide they were."""
    [sent] = arrays(GREY.astype(dtype))

    assert np.uint8 == sent.dtype
    np.testing.assert_array_equal(GREY, sent)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.array([[0.5, 1.0]]), "float64 from 0.5 to 1, not all .*; scale them by 255 and round"),
        (np.array([[0.5, 9.0]]), "float64 from 0.5 to 9, not all of them whole .* 0 to 255$"),
        (np.array([[0, 256]]), "int64 from 0 to 256, .* 0 to 255$"),
        (np.array([[-1, 5]]), "int64 from -1 to 5"),
        (np.array([[np.nan, 5]]), "float64 from nan to nan"),
        (np.array([[True]]), "an array of bool; whole numbers from 0 to 255 are expected"),
        (np.array([["a"]]), "an array of <U1"),
        (np.array(3), r"an array of shape \(\) holds no image"),
        (np.zeros((0, 2, 2)), r"an array of shape \(0, 2, 2\) holds no image"),
        ([[1, 2], [3]], "all rows of one length, is expected"),
        ([["a"]], "list is no image; an array"),
        ([None], "NoneType is no image; an array"),
        (3.5, "an array of shape"),
        (None, "NoneType is no image; an array"),
        (b"GIF89a..", "picture begins with b'GIF89a..'; a PNG, JPEG, WebP or BMP file is expected"),
    ],
)
def test_what_is_no_image_is_said_before_anything_is_sent(images, sentence):
    """The sentence names what was found and what is expected."""
    with pytest.raises(ImageError, match=sentence):
        batches(images)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP"])
def test_a_picture_travels_as_it_is(form, tmp_path):
    """The bytes of the file, by path or as bytes, under their own kind."""
    content = picture(form)
    path = tmp_path / "picture"
    path.write_bytes(content)

    for image in (content, path, str(path)):
        single, found = read_images(image, limit)
        [batch] = found
        assert single
        assert (content, f"image/{form.lower()}") == batch.body()


def test_several_pictures_travel_as_a_form(tmp_path):
    """Their names stand there, so that the service can speak of them."""
    png, jpeg = picture("PNG"), picture("JPEG")
    path = tmp_path / "seven.jpg"
    path.write_bytes(jpeg)

    [batch] = batches([png, path])

    assert 2 == len(batch)
    expected = [("picture", "image/png", png), ("seven.jpg", "image/jpeg", jpeg)]
    assert expected == files(batch.body())
    assert expected[1:] == files_of_one(batch.part(1, 2), "seven.jpg")


def files_of_one(batch, name):
    body = batch.body()
    return [(name, body.media_type, body.content)]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK", "F", "YCbCr"])
def test_an_image_of_pillow_is_a_picture(mode):
    """Of whatever mode; transparency is kept."""
    single, [batch] = read_images(Image.new(mode, (5, 4)), limit)

    body = batch.body()

    assert single
    assert "image/png" == body.media_type
    sent = Image.open(io.BytesIO(body.content))
    assert (5, 4) == sent.size
    assert ("A" in mode) == ("A" in sent.mode)


def test_an_image_of_pillow_is_sent_upright():
    """A camera says in EXIF how it was held; the file that is sent says nothing."""
    image = Image.new("L", (5, 4))
    image.getexif()[0x0112] = 6

    [batch] = batches(image)

    assert (4, 5) == Image.open(io.BytesIO(batch.body().content)).size


def test_neighbours_of_a_kind_go_together():
    """Arrays of one shape in one request, pictures in one; the order stays."""
    images = [GREY, GREY, GREY.T, picture(), Image.new("L", (2, 2)), GREY]

    found = batches(images)

    assert [2, 1, 2, 1] == [len(batch) for batch in found]
    kinds = [batch.body().media_type.partition(";")[0] for batch in found]
    npy = "application/x-npy"
    assert [npy, npy, "multipart/form-data", npy] == kinds


def test_pictures_are_read_when_their_turn_comes():
    """A folder of any size does not have to fit into memory."""
    read = []

    def pictures():
        for number in range(12):
            read.append(number)
            yield picture()

    single, found = read_images(pictures(), limit)
    first = next(found)

    assert not single
    assert (4, 5) == (len(first), len(read))
    assert [4, 4] == [len(batch) for batch in found]


def test_large_images_go_in_fewer_at_a_time():
    """A body has a bound in bytes as well."""
    large = np.zeros((1000, 1500), np.uint8)
    file = picture("BMP", large)
    huge = np.zeros((2, 1000, 5000), np.uint8)

    assert [2, 1] == [len(batch) for batch in batches([file] * 3)]
    assert [2, 1] == [len(batch) for batch in batches([large] * 3)]
    assert [2, 1] == [len(batch) for batch in batches(np.stack([large] * 3))]
    assert [1, 1] == [len(batch) for batch in batches(huge)]


def test_a_missing_file_is_an_os_error(tmp_path):
    """As everywhere in Python."""
    with pytest.raises(FileNotFoundError):
        batches(tmp_path / "none.png")
