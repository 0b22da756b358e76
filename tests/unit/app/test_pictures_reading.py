"""Pictures are read in few threads, none waits for ever, and the event loop goes on."""

from __future__ import annotations

import io
import threading

import gevent
import numpy as np
import pytest
from PIL import Image

from app.web.errors import BadInputError, DeadlineError, OverloadedError, TooLargeError
from app.web.pictures import reading
from app.web.pictures.reading import PictureReader

pytestmark = pytest.mark.unit

SHAPE = (4, 4, 1)
READ = reading.read_picture


def png(pixels):
    to = io.BytesIO()
    Image.fromarray(pixels).save(to, "PNG")
    return to.getvalue()


SMALL = png(np.arange(16, dtype=np.uint8).reshape(4, 4))
LARGE = png(np.pad(np.full((30, 6), 255, np.uint8), 9))


@pytest.fixture
def reader(clock):
    reader = PictureReader(clock)
    yield reader
    reader.close()


@pytest.fixture
def stuck(monkeypatch):
    """Let a picture take until it is let go; gives what lets it."""
    go = threading.Event()

    def wait(*args):
        go.wait(60)
        return READ(*args)

    monkeypatch.setattr(reading, "read_picture", wait)
    yield go
    go.set()


def test_each_picture_has_its_pixels_and_notes(reader, clock):
    rows, pixels, notes = reader.read([SMALL, LARGE], SHAPE, "auto", clock() + 60)
    assert (2, 32, [(), ()]) == (rows, len(pixels), notes)
    assert bytes(range(16)) == pixels[:16]


def test_pictures_that_make_too_many_pixels_are_refused(clock):
    """Before any is decoded: a few KiB of pictures may be gigabytes."""
    reader = PictureReader(clock, most_bytes=40)
    with pytest.raises(TooLargeError) as caught:
        reader.read([b"no picture"] * 3, SHAPE, "auto", clock() + 60)

    assert (
        "3 pictures make 48 bytes of 4 x 4 x 1 images; at most 40 are taken: "
        "send at most 2 in one request"
    ) == str(caught.value)
    assert {"found": 3, "limit": 2} == caught.value.details
    assert 2 == reader.read([SMALL] * 2, SHAPE, "auto", clock() + 60)[0]
    reader.close()


def test_always_prepares_what_fits_too(reader, clock):
    white = png(np.full((4, 4), 255, np.uint8))
    assert [("blank",)] == reader.read([white], SHAPE, "always", clock() + 60)[2]
    assert [()] == reader.read([white], SHAPE, "auto", clock() + 60)[2]


def test_never_refuses_what_does_not_fit(reader, clock):
    assert bytes(range(16)) == reader.read([SMALL], SHAPE, "never", clock() + 60)[1]
    with pytest.raises(BadInputError, match="24 x 48 pixels large; 4 x 4 are expected"):
        reader.read([LARGE], SHAPE, "never", clock() + 60)
    with pytest.raises(BadInputError, match="larger than 1024 pixels; 4 x 4"):
        reader.read([png(np.zeros((3000, 10), np.uint8))], SHAPE, "never", clock() + 60)


def test_pixels_are_read_like_a_file(reader, clock):
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert pixels.tobytes() == reader.read([pixels], SHAPE, "auto", clock() + 60)[1]


def test_the_picture_at_fault_is_named(reader, clock):
    with pytest.raises(BadInputError, match=r"^files\[1\]: the picture is empty"):
        reader.read([SMALL, b"", b""], SHAPE, "auto", clock() + 60, name="files[{}]".format)
    with pytest.raises(BadInputError, match=r"^the picture is empty"):
        reader.read([SMALL, b""], SHAPE, "auto", clock() + 60)


def test_others_go_on_while_a_picture_is_read(reader, clock, stuck):
    reading_it = gevent.spawn(reader.read, [SMALL], SHAPE, "auto", clock() + 60)
    gevent.spawn(stuck.set).join()
    assert 1 == reading_it.get()[0]


def test_nobody_waits_past_the_deadline(reader, clock, stuck):
    """Neither for a thread nor in one; and the threads serve others when they are free again."""
    late = [gevent.spawn(reader.read, [SMALL], SHAPE, "auto", clock() + 0.05) for _ in range(3)]
    gevent.joinall(late)
    assert ["DeadlineError"] * 3 == [type(one.exception).__name__ for one in late]
    stuck.set()
    assert 1 == reader.read([SMALL], SHAPE, "auto", clock() + 60)[0]


def test_an_expired_picture_is_not_decoded(reader, clock, monkeypatch):
    monkeypatch.setattr(reading, "read_picture", lambda *_args: pytest.fail("it was decoded"))
    with pytest.raises(DeadlineError):
        reader.read([SMALL], SHAPE, "auto", clock())


def test_a_small_picture_does_not_wait_for_large_ones(reader, clock, stuck, monkeypatch):
    monkeypatch.setattr(reading, "_LARGE_BYTES", len(SMALL))
    large = [gevent.spawn(reader.read, [LARGE], SHAPE, "auto", clock() + 60) for _ in range(3)]
    gevent.idle()
    monkeypatch.setattr(reading, "read_picture", READ)
    assert 1 == reader.read([SMALL], SHAPE, "auto", clock() + 60)[0]
    stuck.set()
    assert [1] * 3 == [one.get()[0] for one in large]


@pytest.mark.parametrize("bound", ["_MOST_WAITING", "_HELD_LIMIT"])
def test_too_many_waiting_are_refused(clock, stuck, monkeypatch, bound):
    """One request may always wait; with the next there are too many requests, or bytes of them."""
    monkeypatch.setattr(reading, bound, 1)
    shed = []
    reader = PictureReader(clock, on_shed=shed.append)
    first = gevent.spawn(reader.read, [SMALL], SHAPE, "auto", clock() + 60)
    gevent.idle()
    with pytest.raises(OverloadedError) as refused:
        reader.read([SMALL], SHAPE, "auto", clock() + 60)
    stuck.set()
    assert (1, ["pictures"]) == (refused.value.retry_after_s, shed)
    assert 1 == first.get()[0]
    assert 1 == reader.read([SMALL], SHAPE, "auto", clock() + 60)[0]
    reader.close()


def test_whoever_gives_up_frees_its_place(reader, clock, stuck):
    waiting = [gevent.spawn(reader.read, [SMALL], SHAPE, "auto", clock() + 60) for _ in range(4)]
    gevent.idle()
    gevent.killall(waiting)
    stuck.set()
    assert 1 == reader.read([SMALL], SHAPE, "auto", clock() + 60)[0]
    assert (0, 0) == (reader._requests, reader._held)
