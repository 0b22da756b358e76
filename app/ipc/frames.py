"""The protocol between web workers and the model host on their Unix socket.

A frame is a 16-byte header (length of the rest, kind, request id) and a body whose layout its kind
gives. Everything is little-endian. Both ends are the same release on the same machine, so the
format carries no version and deadlines are readings of the machine's monotonic clock.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_HEADER = struct.Struct("<IBxxxQ")
_PREDICT = struct.Struct("<dIH?xQ")
_PREDICT_HEAD = struct.Struct("<IBxxxQdIH?xQ")
_MODEL_INDEX = struct.Struct("<H")
_MODEL_INDEX_OFFSET = struct.calcsize("<dI")
_ANSWER = struct.Struct("<QIff")  # a version may have eighteen digits: some count in dates
_ANSWER_HEAD = struct.Struct("<IBxxxQQIff")
_REFUSAL = struct.Struct("<If")
_EXAMPLE = struct.Struct("<HQ")


class FrameError(Exception):
    """Raised when the bytes on a connection are no frames; the connection must be closed."""


class Kind(IntEnum):
    """The kind of a frame."""

    PREDICT = 1
    ANSWER = 2
    REFUSAL = 3
    STATUS = 4
    METRICS = 5
    CANCEL = 6
    """The answer to this request is not wanted any more."""
    HEARTBEAT = 7
    """The host's loop turns; sent even if there is nothing else to send."""
    ADMIN = 8
    """JSON: an operator's command, and its result."""
    STATISTICS = 9
    """JSON: counts and durations of each version."""
    EXAMPLE = 10
    """One golden image of a version: its pixels."""


class Refusal(IntEnum):
    """Why the host did not answer with probabilities."""

    OVERLOADED = 1
    EXPIRED = 2
    NOT_READY = 3
    FAILED = 4
    MISFIT = 5
    NOT_FOUND = 6
    TOO_LARGE = 7


class Frame(NamedTuple):
    """One undecoded frame."""

    kind: int
    request_id: int
    body: bytes


@dataclass(slots=True)  # not frozen, nor is Answer: that would treble the time to make one
class Predict:
    """Images to classify."""

    deadline: float
    """Monotonic seconds after which the answer is not wanted."""
    rows: int
    pixels: bytes | memoryview
    """uint8, row-major, `rows` images one after another."""
    model: int = 0
    """Index of the model in the host's status; it never changes."""
    version: int = 0
    """0 is the model's default version when the request arrives at the host."""
    or_default: bool = False
    """Fall back to the default version if that one does not serve."""

    @classmethod
    def decode(cls, body: bytes) -> Predict:
        """Decode a body; the pixels are a view of it.

        Raises:
            FrameError: If it is shorter than its fixed part.
        """
        deadline, rows, model, or_default, version = _unpack(_PREDICT, body)
        pixels = memoryview(body)[_PREDICT.size :]
        return cls(deadline, rows, pixels, model, version, or_default)


@dataclass(slots=True)
class Answer:
    """Probabilities, and how long they took."""

    version: int
    queue_s: float
    inference_s: float
    probabilities: NDArray[np.float32]
    """Shape (rows, classes)."""

    @classmethod
    def decode(cls, body: bytes) -> Answer:
        """Decode a body; the probabilities are a view of it.

        Raises:
            FrameError: If they do not fill their rows.
        """
        version, rows, queue_s, inference_s = _unpack(_ANSWER, body)
        size = len(body) - _ANSWER.size
        if not size or not rows or size % (4 * rows):
            raise FrameError(f"{size} bytes are not probabilities of {rows} images")
        shape = (rows, size // (4 * rows))
        probabilities = np.ndarray(shape, np.float32, body, _ANSWER.size)
        return cls(version, queue_s, inference_s, probabilities)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there are no probabilities."""

    reason: Refusal
    retry_after_s: float
    sentence: str

    @classmethod
    def decode(cls, body: bytes) -> Refused:
        """Decode a body.

        Raises:
            FrameError: If the reason is unknown or the sentence is no text.
        """
        reason, retry_after_s = _unpack(_REFUSAL, body)
        try:
            return cls(Refusal(reason), retry_after_s, body[_REFUSAL.size :].decode())
        except ValueError as exc:
            raise FrameError(f"not a refusal: {exc}") from exc


def encode(kind: Kind, request_id: int, body: bytes = b"") -> bytes:
    """Return a frame with an encoded body."""
    return _HEADER.pack(_HEADER.size - 4 + len(body), kind, request_id) + body


def encode_predict(  # noqa: PLR0917 - in the order of the frame; to name them takes longer
    request_id: int,
    deadline: float,
    rows: int,
    pixels: bytes | memoryview,
    model: int = 0,
    version: int = 0,
    or_default: bool = False,  # noqa: FBT001, FBT002
) -> bytes:
    """Return a PREDICT frame."""
    length = _PREDICT_HEAD.size - 4 + len(pixels)
    fixed = (deadline, rows, model, or_default, version)
    return _PREDICT_HEAD.pack(length, Kind.PREDICT, request_id, *fixed) + pixels


def with_model(frame: bytes, model: int) -> bytes:
    """Return a PREDICT frame with another index of the model."""
    start = _HEADER.size + _MODEL_INDEX_OFFSET
    return frame[:start] + _MODEL_INDEX.pack(model) + frame[start + _MODEL_INDEX.size :]


def encode_answer(request_id: int, answer: Answer) -> bytes:
    """Return an ANSWER frame."""
    values = np.asarray(answer.probabilities, np.float32).tobytes()  # in row-major order
    length = _ANSWER_HEAD.size - 4 + len(values)
    fixed = (answer.version, len(answer.probabilities), answer.queue_s, answer.inference_s)
    return _ANSWER_HEAD.pack(length, Kind.ANSWER, request_id, *fixed) + values


def encode_refusal(request_id: int, refused: Refused) -> bytes:
    """Return a REFUSAL frame."""
    fixed = _REFUSAL.pack(refused.reason, refused.retry_after_s)
    return encode(Kind.REFUSAL, request_id, fixed + refused.sentence.encode())


def example_body(model: int, version: int) -> bytes:
    """Return the body of a request for a golden image of a version."""
    return _EXAMPLE.pack(model, version)


def decode_example(body: bytes) -> tuple[int, int]:
    """Return the index of the model and the version in a request for a golden image."""
    model, version = _unpack(_EXAMPLE, body)
    return model, version


def encode_outcome(request_id: int, outcome: Answer | Refused) -> bytes:
    """Return the frame that ends a request."""
    if isinstance(outcome, Answer):
        return encode_answer(request_id, outcome)
    return encode_refusal(request_id, outcome)


class FrameReader:
    """Splits a stream of bytes into frames, and holds at most one incomplete frame."""

    def __init__(self, largest_bytes: int) -> None:
        self._largest_bytes = largest_bytes
        self._held = bytearray()
        self._wanted = 0
        """Bytes that must be held before a frame can be complete."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Add received bytes and yield every complete frame.

        Raises:
            FrameError: If a header announces an impossible length.
        """
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return
            data = bytes(self._held)
            self._held.clear()
        start, size = 0, len(data)
        self._wanted = _HEADER.size
        while size - start >= _HEADER.size:
            length, kind, request_id = _HEADER.unpack_from(data, start)
            if not _HEADER.size - 4 <= length <= self._largest_bytes:
                raise FrameError(f"a frame of {length} bytes; at most {self._largest_bytes}")
            end = start + 4 + length
            if end > size:
                self._wanted = end - start
                break
            # What Frame() does, in half the time.
            yield tuple.__new__(Frame, (kind, request_id, data[start + _HEADER.size : end]))
            start = end
        if start < size:
            self._held += memoryview(data)[start:]


def _unpack(layout: struct.Struct, body: bytes) -> tuple[Any, ...]:
    if len(body) < layout.size:
        raise FrameError(f"a body of {len(body)} bytes; at least {layout.size} expected")
    return layout.unpack_from(body)
