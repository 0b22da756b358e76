"""Reads pictures into a model's pixels in a bounded number of threads."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import (
    BadInputError,
    DeadlineError,
    HostLostError,
    OverloadedError,
    ServiceError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from app.web.http.pending_call import GONE, PENDING_CALL
from imaging.errors import (
    PictureError,
    PictureSizeError,
    PictureTooLargeError,
    UnsupportedFormatError,
)
from imaging.preparation import EXACT, Preparation, without_exception
from imaging.reading import read_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from app.ipc.status import LoadedModel, Shape
    from imaging.preparation import Prepare
    from imaging.prepared import Prepared

_THREADS = 2
_LARGE_BYTES = 256 * 2**10
"""One picture of more is read at a time: two would leave the event loop little of a core, and
small ones would wait for both."""
_MOST_WAITING = 128
"""Requests that may wait for a thread."""
_HELD_LIMIT = 64 * 2**20
"""Bytes of all their pictures. One request may always wait, however large."""
_NO_THREAD = "no thread was free to decode the picture in time"


class PictureReader:
    """Decodes and prepares pictures: 2 at a time, of which 1 large one, and 1 of any request."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        on_shed: Callable[[str], None] = lambda _reason: None,
        *,
        most_bytes: int = 2**25,
    ) -> None:
        """Make one; its threads are started when there is something to do.

        Args:
            clock: Monotonic seconds.
            on_shed: Called with `pictures` when a request is rejected because too many wait.
            most_bytes: Bound on the pixels that are made for one request.
        """
        self._most_bytes = most_bytes
        self._clock = clock
        self._on_shed = on_shed
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="pictures")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large-pictures")
        """Hands one large picture after the other to the threads."""
        self._lock = threading.Lock()
        self._requests = 0
        self._held = 0

    def close(self) -> None:
        """Wait for what is being decoded, and let the threads go."""
        self._large.shutdown(cancel_futures=True)
        self._threads.shutdown(cancel_futures=True)

    def read(
        self,
        pictures: Sequence[bytes | NDArray[np.uint8]],
        shape: Shape,
        preparation: Preparation,
        deadline: float,
        name: Callable[[int], str] | None = None,
    ) -> tuple[int, bytes, list[tuple[str, ...]]]:
        """Decode and prepare pictures for a model.

        Args:
            pictures: Files of the kinds that are decoded, or pixels as `fit_array` takes them.
            shape: Rows, columns and channels that the model takes.
            preparation: How each is prepared.
            deadline: Clock reading after which nobody waits.
            name: Returns the name of the picture at fault, by its index.

        Returns:
            The number of pictures; their uint8 pixels, row-major, one after the other; and the
            notes on each.

        Raises:
            BadInputError: If a picture is damaged, or does not fit and is not to be prepared.
            TooLargeError: If one is too large to be decoded, or too much would be made of all.
            UnsupportedMediaTypeError: If one is of another kind.
            OverloadedError: If too many requests wait with theirs.
            DeadlineError: If it takes too long.
            HostLostError: If the caller goes away meanwhile.
        """
        self._check_made(len(pictures), shape)
        pixels: list[bytes] = []
        notes: list[tuple[str, ...]] = []
        with self._counted(sum(map(_size, pictures))), _named(name, pixels):
            for picture in pictures:
                prepared = self._read(picture, shape, preparation, deadline)
                pixels.append(prepared.pixels)
                notes.append(prepared.notes)
        return len(pixels), b"".join(pixels), notes

    @contextlib.contextmanager
    def _counted(self, size: int) -> Iterator[None]:
        """Count a request and the bytes of its pictures, or reject it."""
        with self._lock:
            full = self._requests >= _MOST_WAITING or self._held + size > _HELD_LIMIT
            if self._requests and full:
                self._on_shed("pictures")
                message = f"pictures of {self._requests} requests wait to be decoded"
                raise OverloadedError(message, retry_after_s=1)
            self._requests += 1
            self._held += size
        try:
            yield
        finally:
            with self._lock:
                self._requests -= 1
                self._held -= size

    def _check_made(self, pictures: int, shape: Shape) -> None:
        one = math.prod(shape)
        if pictures * one <= self._most_bytes:
            return
        most = self._most_bytes // one
        raise TooLargeError(
            f"{pictures} pictures make {pictures * one} bytes of {' x '.join(map(str, shape))} "
            f"images; at most {self._most_bytes} are taken: send at most {most} in one request",
            found=pictures,
            limit=most,
            code=ErrorCode.IMAGES_TOO_MANY,
        )

    def _read(
        self,
        picture: bytes | NDArray[np.uint8],
        shape: Shape,
        preparation: Preparation,
        deadline: float,
    ) -> Prepared:
        """Read one picture in a thread; wait no longer than the deadline."""
        left_s = deadline - self._clock()
        if left_s <= 0:
            raise DeadlineError(_NO_THREAD)
        job = partial(read_picture, picture, shape, preparation)
        is_large = _size(picture) > _LARGE_BYTES
        reading = self._large.submit(self._in_turn, job) if is_large else self._threads.submit(job)
        pending = PENDING_CALL.get()
        if pending is not None:
            pending.begin(reading)
        try:
            return reading.result(left_s)
        except CancelledError:
            raise HostLostError(GONE, retry_after_s=1) from None
        except TimeoutError:
            if reading.cancel():
                raise DeadlineError(_NO_THREAD) from None
            raise DeadlineError("the picture was not decoded before the deadline") from None

    def _in_turn(self, job: Callable[[], Prepared]) -> Prepared:
        return self._threads.submit(job).result()


def _size(picture: bytes | NDArray[np.uint8]) -> int:
    return len(picture) if isinstance(picture, bytes) else picture.nbytes


@contextlib.contextmanager
def _named(name: Callable[[int], str] | None, read: Sequence[bytes]) -> Iterator[None]:
    """Add the name of the picture at fault to an error."""
    try:
        yield
    except ServiceError as exc:
        if name is not None:
            exc.args = (f"{name(len(read))}: {exc}",)
        raise
    except PictureError as exc:
        prefix = f"{name(len(read))}: " if name is not None else ""
        raise _service_error(exc, f"{prefix}{exc}") from exc


def _service_error(error: PictureError, message: str) -> ServiceError:
    if isinstance(error, PictureTooLargeError):
        return TooLargeError(
            message, found=error.found, limit=error.limit, code=ErrorCode.IMAGE_TOO_LARGE
        )
    if isinstance(error, UnsupportedFormatError):
        return UnsupportedMediaTypeError(message)
    if isinstance(error, PictureSizeError):
        return BadInputError(message, code=ErrorCode.IMAGE_SIZE)
    return BadInputError(message, code=ErrorCode.IMAGE_UNREADABLE)


def preparation_of(model: LoadedModel, prepare: Prepare) -> Preparation:
    """Return how a request's pictures are prepared for a model.

    Args:
        model: The version that answers.
        prepare: What the request asks for.

    Raises:
        BadInputError: If the model's input cannot be prepared in this way.
    """
    own, channels = model.preparation, model.input_shape[2]
    match prepare:
        case "auto":
            return own
        case "always":
            return without_exception(own, channels)
        case "never":
            return EXACT
    if prepare == own.kind:
        return replace(own, keep_exact=False)
    chosen = Preparation(prepare)
    try:
        chosen.check_channels(channels)
    except PictureError as exc:
        raise BadInputError(f"prepare={prepare}: {exc}", code=ErrorCode.REQUEST_PARAMETER) from exc
    return chosen
