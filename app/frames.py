"""What web workers and the model host say to each other over their Unix socket.

A frame is a 16-byte header (length of the rest, kind, request id) and a body whose layout its kind
gives. Everything is little-endian. Both ends are the same release on the same machine, so the
format carries no version and deadlines are readings of the machine's monotonic clock.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_HEADER = struct.Struct("<IBxxxQ")
_PREDICT = struct.Struct("<dI")
_ANSWER = struct.Struct("<QIff")  # a version may have eighteen digits: some count in dates
_REFUSAL = struct.Struct("<If")


class FrameError(Exception):
    """Raised when the bytes on a connection are no frames; the connection is beyond repair."""


class Kind(IntEnum):
    """What a frame is about."""

    PREDICT = 1
    ANSWER = 2
    REFUSAL = 3
    STATUS = 4
    METRICS = 5


class Refusal(IntEnum):
    """Why the host did not answer with probabilities."""

    OVERLOADED = 1
    EXPIRED = 2
    NOT_READY = 3
    FAILED = 4
    MISFIT = 5


class Frame(NamedTuple):
    """One undecoded frame."""

    kind: int
    request_id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Predict:
    """Images to classify."""

    deadline: float
    """Monotonic seconds after which nobody waits for the answer."""
    rows: int
    pixels: bytes
    """uint8, row-major, `rows` images one after another."""

    @classmethod
    def decode(cls, body: bytes) -> Predict:
        """Take a body apart.

        Raises:
            FrameError: If it is shorter than its fixed part.
        """
        deadline, rows = _unpack(_PREDICT, body)
        return cls(deadline, int(rows), body[_PREDICT.size :])


@dataclass(frozen=True, slots=True)
class Answer:
    """Probabilities, and how long they took."""

    version: int
    queue_s: float
    inference_s: float
    probabilities: NDArray[np.float32]
    """Shape (rows, classes)."""

    @classmethod
    def decode(cls, body: bytes) -> Answer:
        """Take a body apart; the probabilities are a view of it.

        Raises:
            FrameError: If they do not fill their rows.
        """
        version, rows, queue_s, inference_s = _unpack(_ANSWER, body)
        size = len(body) - _ANSWER.size
        if not size or not rows or size % (4 * rows):
            raise FrameError(f"{size} bytes are not probabilities of {int(rows)} images")
        flat = np.frombuffer(body, np.float32, offset=_ANSWER.size)
        return cls(int(version), queue_s, inference_s, flat.reshape(int(rows), -1))


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there are no probabilities."""

    reason: Refusal
    retry_after_s: float
    sentence: str

    @classmethod
    def decode(cls, body: bytes) -> Refused:
        """Take a body apart.

        Raises:
            FrameError: If the reason is unknown or the sentence is no text.
        """
        reason, retry_after_s = _unpack(_REFUSAL, body)
        try:
            return cls(Refusal(int(reason)), retry_after_s, body[_REFUSAL.size :].decode())
        except ValueError as exc:
            raise FrameError(f"not a refusal: {exc}") from exc


def encode(kind: Kind, request_id: int, body: bytes = b"") -> bytes:
    """Make a frame of a finished body."""
    return _HEADER.pack(_HEADER.size - 4 + len(body), kind, request_id) + body


def encode_predict(request_id: int, deadline: float, rows: int, pixels: bytes) -> bytes:
    """Make a PREDICT frame."""
    length = _HEADER.size - 4 + _PREDICT.size + len(pixels)
    header = _HEADER.pack(length, Kind.PREDICT, request_id)
    return b"".join((header, _PREDICT.pack(deadline, rows), pixels))


def encode_answer(request_id: int, answer: Answer) -> bytes:
    """Make an ANSWER frame."""
    values = np.ascontiguousarray(answer.probabilities, np.float32).tobytes()
    length = _HEADER.size - 4 + _ANSWER.size + len(values)
    header = _HEADER.pack(length, Kind.ANSWER, request_id)
    rows = len(answer.probabilities)
    fixed = _ANSWER.pack(answer.version, rows, answer.queue_s, answer.inference_s)
    return b"".join((header, fixed, values))


def encode_refusal(request_id: int, refused: Refused) -> bytes:
    """Make a REFUSAL frame."""
    fixed = _REFUSAL.pack(refused.reason, refused.retry_after_s)
    return encode(Kind.REFUSAL, request_id, fixed + refused.sentence.encode())


def encode_outcome(request_id: int, outcome: Answer | Refused) -> bytes:
    """Make the frame that ends a request."""
    if isinstance(outcome, Answer):
        return encode_answer(request_id, outcome)
    return encode_refusal(request_id, outcome)


class FrameReader:
    """Cuts a stream of bytes into frames, and holds at most one unfinished frame."""

    def __init__(self, largest_bytes: int) -> None:
        self._largest_bytes = largest_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Add received bytes and give every frame that is now whole.

        Raises:
            FrameError: If a header announces an impossible length.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _HEADER.size:
            length, kind, request_id = _HEADER.unpack_from(buffer, start)
            if not _HEADER.size - 4 <= length <= self._largest_bytes:
                raise FrameError(f"a frame of {length} bytes; at most {self._largest_bytes}")
            end = start + 4 + length
            if end > len(buffer):
                break
            yield Frame(kind, request_id, bytes(buffer[start + _HEADER.size : end]))
            start = end
        del buffer[:start]


def _unpack(layout: struct.Struct, body: bytes) -> tuple[float, ...]:
    if len(body) < layout.size:
        raise FrameError(f"a body of {len(body)} bytes; at least {layout.size} expected")
    return layout.unpack_from(body)
