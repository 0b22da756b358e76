"""JSON documents: of the native API, of TensorFlow Serving's, and of the Open Inference Protocol.

What is accepted is read once more by Python's own parser, and must be the same pixels.
"""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING, Any

from app.web.api.open_inference.files import FILES, read_files
from app.web.api.open_inference.inference_request import read_request
from app.web.api.open_inference.tensors import read_pixels
from app.web.api.tensorflow_serving.decoding import decode_images
from app.web.http.errors import ServiceError
from app.web.inputs.images import Images
from app.web.inputs.json_instances import decode_instances
from tests.benchmarks.fuzz.mutation import change_bytes, change_json, within
from tests.benchmarks.fuzz.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHAPES = ((3, 2, 1), (2, 2, 3))
"""Rows, columns, channels: small, so that inputs are short and many."""
MOST_IMAGES = 8
_WORDS = (
    *(b'"instances":', b'"inputs":', b'{"b64":"', b'"images":', b'"signature_name":', b"null"),
    *(b"true", b"[", b"]", b"[[", b"]]", b"{", b"}", b",", b"\\ud800", b"\\u0000", b"\xef\xbb\xbf"),
    *(b'"shape":', b'"datatype":', b'"parameters":', b'"binary_data_size":', b"UINT8", b"BYTES"),
)


class AnyPictures:
    """Takes whatever was meant to be a picture for a blank one."""

    always = False

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._size = math.prod(shape)

    def __call__(self, pictures: Sequence[Any], name: Callable[[int], str] | None = None) -> Images:
        """Read pictures."""
        for place in range(len(pictures)):
            if name is not None:
                name(place).encode()
        blank = bytes(self._size * len(pictures))
        return Images(len(pictures), blank, [("blank",)] * len(pictures))


def of_any_shape(
    decode: Callable[[bytes, tuple[int, int, int]], object],
) -> Callable[[bytes], None]:
    """Make a decoder that accepts what is accepted for any of the shapes."""

    def decode_for_any(data: bytes) -> None:
        refusal: ServiceError | None = None
        for shape in SHAPES:
            try:
                decode(data, shape)
            except ServiceError as exc:
                exc.body()
                refusal = exc
            else:
                return
        if refusal is not None:
            raise refusal

    return decode_for_any


def check_pixels(rows: int, pixels: bytes | memoryview, shape: tuple[int, int, int]) -> None:
    """See that there are as many pixels as images."""
    assert 1 <= rows <= MOST_IMAGES
    assert len(pixels) == rows * math.prod(shape)


def _numbers(value: Any) -> list[float]:
    """Return the numbers of a nested list, or of named ones."""
    if isinstance(value, dict):
        value = value["images"]
    if isinstance(value, list):
        return [number for inner in value for number in _numbers(inner)]
    return [value]


def _same(values: Any, pixels: bytes | memoryview) -> None:
    assert _numbers(values) == [*bytes(pixels)]


def _instances(data: bytes, shape: tuple[int, int, int]) -> None:
    images = decode_instances(data, shape, MOST_IMAGES, AnyPictures(shape))
    check_pixels(images.rows, images.pixels, shape)
    if b"b64" not in data and b"\\" not in data:
        _same(json.loads(data)["instances"], images.pixels)


def _tf_serving(data: bytes, shape: tuple[int, int, int]) -> None:
    key, rows, pixels = decode_images(data, shape, MOST_IMAGES)
    check_pixels(rows, pixels, shape)
    text = data.decode(errors="surrogateescape")
    document, _ = json.JSONDecoder().raw_decode(text.lstrip(" \t\r\n\ufeff"))
    _same(document[key], pixels)


def _open_inference(data: bytes, shape: tuple[int, int, int]) -> None:
    """Decode a body behind a line that stands for the header with the length of its JSON."""
    header, _, body = data.partition(b"\n")
    length = header.decode("latin-1") if header != b"-" else None
    asked = read_request(body, length)
    if asked.input.datatype == FILES:
        files = read_files(asked.input, MOST_IMAGES)
        assert 1 <= len(files) <= MOST_IMAGES
        return
    rows, pixels = read_pixels(asked.input, shape, MOST_IMAGES)
    check_pixels(rows, pixels, shape)
    if isinstance(asked.input.data, list):
        _same(asked.input.data, pixels)


def _nested(shape: tuple[int, int, int], images: int) -> list[Any]:
    rows, columns, channels = shape
    one: Any = [[[7] * channels] * columns] * rows
    if channels == 1:
        one = [[[9, 255][i % 2] for i in range(columns)]] * rows
    return [one] * images


def _dump(*documents: Any) -> list[bytes]:
    return [json.dumps(document).encode() for document in documents]


def _native_seeds() -> list[bytes]:
    raw = base64.b64encode(bytes(math.prod(SHAPES[0]))).decode()
    usual = _dump(
        *({"instances": _nested(shape, count)} for shape in SHAPES for count in (1, 3)),
        {"instances": [[0, 1, 2, 3, 4, 255.0]], "more": {"x": None}},
        {"instances": [[[[1]] * 2] * 3]},
    )
    return [
        *usual,
        *(seed.replace(b" ", b"") for seed in usual),
        _dump({"instances": [{"b64": raw}]})[0],
    ]


def _b64_seeds() -> list[bytes]:
    texts = [base64.b64encode(bytes(range(size))).decode() for size in (6, 12, 100, 200)]
    return _dump(
        *({"instances": [{"b64": text}]} for text in texts),
        {"instances": [{"b64": text} for text in texts]},
        {"instances": [{"b64": texts[2]}, [0, 1, 2, 3, 4, 5], {"b64": texts[0]}]},
    )


def _tf_serving_seeds() -> list[bytes]:
    flat = [0, 1, 2, 3, 4, 5]
    usual = _dump(
        *({key: _nested(shape, 2)} for shape in SHAPES for key in ("instances", "inputs")),
        {"signature_name": "serving_default", "instances": [flat, flat]},
        {"instances": [{"images": flat}, {"images": flat}]},
        {"inputs": {"images": [flat]}},
    )
    return [*usual, usual[0] + b" and more", usual[0].replace(b" ", b"")]


def _request(datatype: str, data: Any, shape: Sequence[int], **more: Any) -> dict[str, Any]:
    tensor = {"name": "images", "datatype": datatype, "shape": [*shape], "data": data}
    return {"inputs": [tensor], **more}


def _open_inference_seeds() -> list[bytes]:
    flat = [0, 1, 2, 3, 4, 5]
    output = {"name": "probabilities", "parameters": {"classification": 2, "binary_data": False}}
    text = base64.b64encode(b"a picture").decode()
    documents = _dump(
        _request("UINT8", flat, (1, 6)),
        _request("FP32", [flat, flat], (2, 6), id="a", outputs=[output]),
        _request("INT64", _nested(SHAPES[0], 2), (2, 3, 2), parameters={"timeout": 1000}),
        _request("INT8", _nested(SHAPES[1], 1), (1, 2, 2, 3)),
        _request("BYTES", [text, text], (2,), parameters={"prepare": "never"}),
        _request("BYTES", [[text]], (1, 1)),
    )
    return [b"-\n" + document for document in documents]


def _binary_seeds() -> list[bytes]:
    seeds = [b"0\n" + bytes(range(6)), b"0\n" + bytes(range(12))]
    for datatype, size, shape in (
        ("UINT8", 6, (1, 6)),
        ("FP32", 24, (1, 3, 2)),
        ("INT16", 24, (2, 6)),
    ):
        seeds.append(_with_bytes(datatype, bytes(size), shape))
    seeds.append(_with_bytes("BYTES", b"\x03\0\0\0abc\0\0\0\0", (2,)))
    return seeds


def _with_bytes(datatype: str, content: bytes, shape: Sequence[int]) -> bytes:
    document = _request(datatype, None, shape)
    tensor = document["inputs"][0]
    del tensor["data"]
    tensor["parameters"] = {"binary_data_size": len(content)}
    text = json.dumps(document).encode()
    return b"%d\n%b%b" % (len(text), text, content)


def _json_of_request(data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    header, _, body = data.partition(b"\n")
    if header == b"-":
        return body, lambda text: b"-\n" + text
    length = int(header)
    binary = body[length:]
    return body[:length], lambda text: b"%d\n%b%b" % (len(text), text, binary)


def _bytes_of_request(data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return the bytes after the JSON; their size is written into the JSON when they change."""
    header, _, body = data.partition(b"\n")
    length = int(header)
    before, binary = body[:length], body[length:]

    def wrap(content: bytes) -> bytes:
        said, says = b'_size": %d' % len(binary), b'_size": %d' % len(content)
        text = before.replace(said, says)
        return b"%d\n%b%b" % (len(text), text, content)

    return binary, wrap


def _base64_in(data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return the content of the first element that is base64."""
    start = data.index(b'"b64": "') + len(b'"b64": "')
    end = data.index(b'"', start)
    content = base64.b64decode(data[start:end], validate=True)
    return content, lambda changed: data[:start] + base64.b64encode(changed) + data[end:]


_OF_REQUEST = within(_json_of_request, change_json)

TARGETS = {
    "json": Target(of_any_shape(_instances), _native_seeds, (change_json,), _WORDS),
    "json-b64": Target(
        of_any_shape(_instances),
        _b64_seeds,
        (change_json, within(_base64_in, change_bytes)),
        _WORDS,
    ),
    "tf-serving": Target(of_any_shape(_tf_serving), _tf_serving_seeds, (change_json,), _WORDS),
    "v2-json": Target(of_any_shape(_open_inference), _open_inference_seeds, (_OF_REQUEST,), _WORDS),
    "v2-binary": Target(
        of_any_shape(_open_inference),
        _binary_seeds,
        (_OF_REQUEST, within(_bytes_of_request, change_bytes)),
        _WORDS,
    ),
}
