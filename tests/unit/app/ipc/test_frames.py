"""Frames: what goes in at one end of the socket comes out at the other."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ipc.frames import (
    Answer,
    Frame,
    FrameError,
    FrameReader,
    Kind,
    Predict,
    Refusal,
    Refused,
    encode,
    encode_answer,
    encode_outcome,
    encode_predict,
    encode_refusal,
    with_model,
)

LARGEST = 1000
STREAM = [
    Frame(Kind.STATUS, 0, b'{"ready": true}'),
    Frame(Kind.METRICS, 2**64 - 1, b""),
    Frame(Kind.REFUSAL, 7, b"x" * 40),
]


def read(data: bytes, largest: int = LARGEST) -> list[Frame]:
    """Read a stream that comes in one piece."""
    return list(FrameReader(largest).feed(data))


def read_one(data: bytes) -> Frame:
    (frame,) = read(data)
    return frame


def join(frames: list[Frame]) -> bytes:
    return b"".join(encode(*frame) for frame in frames)


def header(length: int) -> bytes:
    """Make a header that announces any length."""
    return struct.pack("<IBxxxQ", length, Kind.STATUS, 0)


def test_a_prediction_request_round_trips():
    """Deadline, count and every pixel arrive as they were sent."""
    frame = read_one(encode_predict(9, 1234.5678, 2, bytes(range(8))))

    assert (Kind.PREDICT, 9) == (frame.kind, frame.request_id)
    assert Predict(1234.5678, 2, bytes(range(8))) == Predict.decode(frame.body)


@pytest.mark.parametrize("version", [1, 2**32, 999_999_999_999_999_999])
def test_an_answer_round_trips(version):
    """Every float32 arrives bit for bit, with any number that a version may have."""
    probabilities = np.array([[0.1, 0.9], [1e-38, 1.0], [np.nan, 0.0]], np.float32)
    frame = read_one(encode_answer(3, Answer(version, 0.25, 0.5, probabilities)))
    answer = Answer.decode(frame.body)

    assert (Kind.ANSWER, 3) == (frame.kind, frame.request_id)
    assert (version, 0.25, 0.5) == (answer.version, answer.queue_s, answer.inference_s)
    assert probabilities.tobytes() == answer.probabilities.tobytes()
    assert (3, 2) == answer.probabilities.shape


def test_an_answer_that_is_not_contiguous_round_trips():
    """A slice of columns is sent in its own order, not its owner's."""
    probabilities = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2]
    frame = read_one(encode_answer(1, Answer(1, 0, 0, probabilities)))

    assert probabilities.tolist() == Answer.decode(frame.body).probabilities.tolist()


@pytest.mark.parametrize("reason", Refusal)
def test_a_refusal_round_trips(reason):
    """Reason, wait and sentence arrive, in any script."""
    refused = Refused(reason, 1.5, "40 Bilder warten; größer als 32 ☹")
    frame = read_one(encode_refusal(5, refused))

    assert (Kind.REFUSAL, 5) == (frame.kind, frame.request_id)
    assert refused == Refused.decode(frame.body)


def test_an_outcome_is_an_answer_or_a_refusal():
    """Whatever ends a request gets the frame of its kind."""
    answer = Answer(1, 0, 0, np.zeros((1, 2), np.float32))
    refused = Refused(Refusal.EXPIRED, 0, "late")

    kinds = [read_one(encode_outcome(1, outcome)).kind for outcome in (answer, refused)]
    assert [Kind.ANSWER, Kind.REFUSAL] == kinds


def test_many_frames_come_out_of_one_read():
    """Nothing is lost between frames that arrive together, empty bodies included."""
    assert STREAM == read(join(STREAM))


def test_a_stream_may_be_cut_anywhere():
    """A frame is given once it is whole, wherever the reads end."""
    data = join(STREAM)
    for next_batch_size in range(len(data) + 1):
        reader = FrameReader(LARGEST)

        assert STREAM == [
            *reader.feed(data[:next_batch_size]),
            *reader.feed(data[next_batch_size:]),
        ]


def test_a_stream_may_come_byte_by_byte():
    """Every frame is given with its last byte, not later."""
    reader = FrameReader(LARGEST)
    ends = [len(join(STREAM[: n + 1])) for n in range(len(STREAM))]
    given = [
        (position, frame)
        for position, byte in enumerate(join(STREAM), start=1)
        for frame in reader.feed(bytes([byte]))
    ]

    assert list(zip(ends, STREAM, strict=True)) == given


@settings(max_examples=25)
@given(
    st.lists(st.builds(Frame, st.sampled_from(Kind), st.integers(0, 2**64 - 1), st.binary())),
    st.integers(1, 200),
)
def test_any_stream_read_in_any_steps_gives_its_frames(frames, step):
    """Frames of all sizes come out in order, however large the reads are."""
    reader = FrameReader(LARGEST)
    data = join(frames)
    given = [f for at in range(0, len(data), step) for f in reader.feed(data[at : at + step])]

    assert frames == given


def test_a_frame_of_the_largest_length_is_read():
    """The bound counts all that follows the length: twelve bytes of header, and the body."""
    assert b"x" * 88 == read(encode(Kind.STATUS, 0, b"x" * 88), largest=100)[0].body


@pytest.mark.parametrize("length", [0, 11, LARGEST + 1, 2**32 - 1])
def test_an_impossible_length_is_refused(length):
    """A header too short for itself, or over the bound, ends the stream before it is stored."""
    with pytest.raises(FrameError, match=f"^a frame of {length} bytes; at most {LARGEST}$"):
        read(header(length))


def test_frames_before_a_broken_one_are_given():
    """What was whole is answered even if nonsense follows in the same read."""
    frames = FrameReader(LARGEST).feed(join(STREAM) + header(0))

    assert STREAM == [next(frames) for _ in STREAM]
    with pytest.raises(FrameError):
        next(frames)


@pytest.mark.parametrize(("kind", "size"), [(Predict, 24), (Answer, 20), (Refused, 8)], ids=str)
def test_a_body_shorter_than_its_fixed_part_is_refused(kind, size):
    """Every length below the fixed part is named in the error."""
    for length in range(size):
        with pytest.raises(FrameError, match=f"^a body of {length} bytes; at least {size}"):
            kind.decode(bytes(length))


@pytest.mark.parametrize(
    ("rows", "values"),
    [(2, bytes(12)), (1, bytes(3)), (0, b""), (0, bytes(8)), (3, b"")],
    ids=["half a row", "half a number", "no rows", "numbers of no row", "rows of nothing"],
)
def test_an_answer_whose_numbers_do_not_fill_its_rows_is_refused(rows, values):
    """The probabilities must make whole rows."""
    with pytest.raises(FrameError, match=f"^{len(values)} bytes are not probabilities of {rows} "):
        Answer.decode(struct.pack("<QIff", 1, rows, 0, 0) + values)


@pytest.mark.parametrize(
    "body",
    [struct.pack("<If", 99, 0), struct.pack("<If", 1, 0) + b"\xff"],
    ids=["unknown reason", "no UTF-8"],
)
def test_a_refusal_that_means_nothing_is_refused(body):
    """An unknown reason or a garbled sentence is no frame either."""
    with pytest.raises(FrameError, match=r"^not a refusal: "):
        Refused.decode(body)


def test_a_request_is_addressed_anew():
    """To a model at another place; all else stays."""
    frame = encode_predict(9, 1.5, 2, b"ab", 3, 7, or_default=True)
    again = read_one(with_model(frame, 65535))

    assert 9 == again.request_id
    expected = Predict(1.5, 2, b"ab", model=65535, version=7, or_default=True)
    assert expected == Predict.decode(again.body)
