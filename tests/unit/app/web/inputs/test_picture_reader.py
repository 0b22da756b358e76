"""Pictures are read in few threads, and nobody waits for ever."""

from __future__ import annotations

import contextvars
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from app.web.http.errors import (
    BadInputError,
    DeadlineError,
    HostLostError,
    OverloadedError,
    TooLargeError,
)
from app.web.http.pending_call import PENDING_CALL, PendingCall
from app.web.inputs import picture_reader
from app.web.inputs.picture_reader import PictureReader
from imaging.preparation import EXACT, Preparation, usual

pytestmark = pytest.mark.unit

SHAPE = (4, 4, 1)
USUAL, ALWAYS = usual(1), Preparation("digit")
SAFETY_S = 10
READ = picture_reader.read_picture


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


class Stuck:
    """Has every picture take until it is let go."""

    def __init__(self) -> None:
        self._go = threading.Event()
        self._begun = threading.Semaphore(0)
        self.begun = 0
        """Pictures that a thread has taken."""

    def __call__(self, *args):
        self.begun += 1
        self._begun.release()
        self._go.wait(SAFETY_S)
        return READ(*args)

    def wait(self, pictures: int = 1) -> None:
        """Wait until so many more pictures have been taken."""
        for _ in range(pictures):
            assert self._begun.acquire(timeout=SAFETY_S)

    def let_go(self) -> None:
        self._go.set()


@pytest.fixture
def stuck(monkeypatch):
    """Let pictures take until they are let go."""
    stuck = Stuck()
    monkeypatch.setattr(picture_reader, "read_picture", stuck)
    yield stuck
    stuck.let_go()


@pytest.fixture
def ask(reader, clock, stuck):
    """Return a function that reads one picture in a thread."""
    with ThreadPoolExecutor(10) as threads:

        def run(picture=SMALL, patience_s=60.0, reader=reader, pending=None):
            context = contextvars.copy_context()
            context.run(PENDING_CALL.set, pending)
            deadline = clock() + patience_s
            return threads.submit(context.run, reader.read, [picture], SHAPE, USUAL, deadline, None)

        yield run
        stuck.let_go()


def until(reader, requests):
    """Wait until so many requests have come to a reader."""
    for _ in range(10_000):
        if reader._requests == requests:
            return
        threading.Event().wait(0.001)
    raise AssertionError(reader._requests)


def test_each_picture_has_its_pixels_and_notes(reader, clock):
    rows, pixels, notes = reader.read([SMALL, LARGE], SHAPE, USUAL, clock() + 60)
    assert (2, 32, [(), ()]) == (rows, len(pixels), notes)
    assert bytes(range(16)) == pixels[:16]


def test_pictures_that_make_too_many_pixels_are_refused(clock):
    """Before any is decoded: a few KiB of pictures may be gigabytes."""
    reader = PictureReader(clock, most_bytes=40)
    with pytest.raises(TooLargeError) as caught:
        reader.read([b"no picture"] * 3, SHAPE, USUAL, clock() + 60)

    assert (
        "3 pictures make 48 bytes of 4 x 4 x 1 images; at most 40 are taken: "
        "send at most 2 in one request"
    ) == str(caught.value)
    assert {"found": 3, "limit": 2} == caught.value.details
    assert 2 == reader.read([SMALL] * 2, SHAPE, USUAL, clock() + 60)[0]
    reader.close()


def test_always_prepares_what_fits_too(reader, clock):
    white = png(np.full((4, 4), 255, np.uint8))
    assert bytes(16) == reader.read([white], SHAPE, ALWAYS, clock() + 60)[1]
    assert bytes([255] * 16) == reader.read([white], SHAPE, USUAL, clock() + 60)[1]


def test_never_refuses_what_does_not_fit(reader, clock):
    assert bytes(range(16)) == reader.read([SMALL], SHAPE, EXACT, clock() + 60)[1]
    with pytest.raises(BadInputError, match="24 x 48 pixels large; 4 x 4 are expected"):
        reader.read([LARGE], SHAPE, EXACT, clock() + 60)
    with pytest.raises(BadInputError, match="larger than 1024 pixels; 4 x 4"):
        reader.read([png(np.zeros((3000, 10), np.uint8))], SHAPE, EXACT, clock() + 60)


def test_pixels_are_read_like_a_file(reader, clock):
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert pixels.tobytes() == reader.read([pixels], SHAPE, USUAL, clock() + 60)[1]


def test_the_picture_at_fault_is_named(reader, clock):
    with pytest.raises(BadInputError, match=r"^files\[1\]: the picture is empty"):
        reader.read([SMALL, b"", b""], SHAPE, USUAL, clock() + 60, name="files[{}]".format)
    with pytest.raises(BadInputError, match=r"^the picture is empty"):
        reader.read([SMALL, b""], SHAPE, USUAL, clock() + 60)


def test_two_pictures_are_read_at_a_time(ask, stuck):
    """In threads of the reader, not in those that ask."""
    asked = [ask() for _ in range(5)]
    stuck.wait(2)
    begun = stuck.begun
    stuck.let_go()

    assert 2 == begun
    assert [1] * 5 == [one.result(SAFETY_S)[0] for one in asked]


def test_nobody_waits_past_the_deadline(ask, reader, clock, stuck):
    """Neither for a thread nor in one; and the threads serve others when they are free again."""
    late = [ask(patience_s=0.2) for _ in range(3)]
    failures = [one.exception(SAFETY_S) for one in late]
    assert [DeadlineError] * 3 == [type(failure) for failure in failures]
    stuck.let_go()
    assert 1 == reader.read([SMALL], SHAPE, USUAL, clock() + 60)[0]


def test_what_nobody_waits_for_any_more_is_not_decoded(ask, stuck):
    """It had not begun when its time was over."""
    first = [ask() for _ in range(2)]
    stuck.wait(2)
    late = ask(patience_s=0.05)
    assert "no thread was free to decode the picture in time" == str(late.exception(SAFETY_S))
    stuck.let_go()

    assert [1] * 2 == [one.result(SAFETY_S)[0] for one in first]
    assert 2 == stuck.begun


def test_an_expired_picture_is_not_decoded(reader, clock, monkeypatch):
    fail = lambda *_args: pytest.fail("it was decoded")  # noqa: E731
    monkeypatch.setattr(picture_reader, "read_picture", fail)
    with pytest.raises(DeadlineError):
        reader.read([SMALL], SHAPE, USUAL, clock())


def test_one_large_picture_is_read_at_a_time(ask, stuck, monkeypatch):
    """So that a small one waits for none but that."""
    monkeypatch.setattr(picture_reader, "_LARGE_BYTES", len(SMALL))
    large = [ask(LARGE) for _ in range(3)]
    stuck.wait()
    begun = stuck.begun
    monkeypatch.setattr(picture_reader, "read_picture", READ)

    assert (1, 1) == (begun, ask().result(SAFETY_S)[0])
    stuck.let_go()
    assert [1] * 3 == [one.result(SAFETY_S)[0] for one in large]
    assert 3 == stuck.begun


@pytest.mark.parametrize("bound", ["_MOST_WAITING", "_HELD_LIMIT"])
def test_too_many_waiting_are_refused(ask, clock, stuck, monkeypatch, bound):
    """One request may always wait; with the next there are too many requests, or bytes of them."""
    monkeypatch.setattr(picture_reader, bound, 1)
    shed = []
    reader = PictureReader(clock, on_shed=shed.append)
    first = ask(reader=reader)
    stuck.wait()
    with pytest.raises(OverloadedError) as refused:
        reader.read([SMALL], SHAPE, USUAL, clock() + 60)
    stuck.let_go()
    assert (1, ["pictures"]) == (refused.value.retry_after_s, shed)
    assert 1 == first.result(SAFETY_S)[0]
    assert 1 == reader.read([SMALL], SHAPE, USUAL, clock() + 60)[0]
    reader.close()


@pytest.mark.parametrize("picture", [SMALL, LARGE], ids=["small", "large"])
def test_whoever_gives_up_frees_its_place(ask, reader, stuck, monkeypatch, picture):
    """A client that has gone waits for no thread, and its picture is not read in vain."""
    monkeypatch.setattr(picture_reader, "_LARGE_BYTES", len(SMALL))
    first = [ask(SMALL) for _ in range(2)]
    stuck.wait(2)
    gone = [PendingCall() for _ in range(3)]
    waiting = [ask(picture, pending=pending) for pending in gone]
    until(reader, 5)
    for pending in gone[1:]:  # the first large one would be at the threads' door already
        pending.cancel()
    failures = [one.exception(SAFETY_S) for one in waiting[1:]]
    stuck.let_go()

    assert [HostLostError] * 2 == [type(failure) for failure in failures]
    assert [1] * 3 == [one.result(SAFETY_S)[0] for one in (*first, waiting[0])]
    assert 1 == ask().result(SAFETY_S)[0]
    assert (0, 0, 4) == (reader._requests, reader._held, stuck.begun)


def test_a_client_that_has_gone_already_waits_for_nothing(ask, stuck):
    """Its thread learns of it at the next picture."""
    busy = [ask() for _ in range(2)]
    stuck.wait(2)
    gone = PendingCall()
    gone.cancel()

    assert HostLostError is type(ask(pending=gone).exception(SAFETY_S))
    stuck.let_go()
    assert [1] * 2 == [one.result(SAFETY_S)[0] for one in busy]


def test_what_waits_when_the_reader_is_closed_is_refused(ask, reader, stuck):
    """The service is shutting down; what is being read is read to its end."""
    busy = [ask() for _ in range(2)]
    stuck.wait(2)
    waiting = ask()
    until(reader, 3)
    with ThreadPoolExecutor(1) as thread:
        closing = thread.submit(reader.close)
        refused = waiting.exception(SAFETY_S)
        stuck.let_go()
        closing.result(SAFETY_S)

    assert HostLostError is type(refused)
    assert [1] * 2 == [one.result(SAFETY_S)[0] for one in busy]
