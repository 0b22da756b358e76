"""What is answered on the event loop is answered as Flask would, to the byte."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import json
import math
import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ipc.status import CanaryStatus, HostStatus, ModelStatus, VersionStatus
from app.web.http.errors import (
    BadInputError,
    DeadlineError,
    HostLostError,
    ModelFailedError,
    NotReadyError,
    OverloadedError,
    TooLargeError,
)
from tests.benchmarks.fuzz import bodies as fuzzed_bodies
from tests.benchmarks.fuzz import documents as fuzzed_documents
from tests.benchmarks.fuzz.mutation import change_bytes, change_json, mutate
from tests.in_process import BothWays, InstantChannel, Request, Told, ask, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = 5000
"""Made by hypothesis, of all protocols together."""
OF_A_PROTOCOL = EXAMPLES // 3 + 1
MUTATIONS = 300
"""Of a fuzz target's seeds."""
JSON, RAW = ("content-type", "application/json"), ("content-type", "application/octet-stream")
LENGTH = "inference-header-content-length"
SHAPES = {
    "shapes": (2, 2, 1),
    "digits": (28, 28, 1),
    "wide": (2, 3, 1),
    "coloured": (1, 2, 3),
    "tall": (3, 2, 1),
    "square": (2, 2, 3),
}
IMAGE = [[7, 0], [0, 255]]
PIXELS = bytes([7, 0, 0, 255])
TENSOR = {"name": "images", "datatype": "UINT8", "shape": [1, 4], "data": [7, 0, 0, 255]}
LARGE = 256
"""Images whose answer is packed for those who accept it."""


def models(**changes: Any) -> HostStatus:
    """Describe a host with a model of each shape; the first one has versions of each state."""
    shapes = ModelStatus(
        name="shapes",
        ready=True,
        reason=None,
        default=3,
        versions=(
            VersionStatus(version=6, state="loading"),
            VersionStatus(version=5, state="refused", reason="golden image 2: NaN"),
            serving(4),
            serving(3),
            VersionStatus(version=2, state="retiring", loaded=serving(2).loaded),
        ),
        labels={"stable": 3, "canary": 4},
    )
    others = [
        ModelStatus(name=name, ready=True, reason=None, default=1, versions=(serving(1, shape),))
        for name, shape in SHAPES.items()
        if name != "shapes"
    ]
    empty = ModelStatus(name="empty", ready=False, unloaded=True, reason="it is unloaded")
    return HostStatus.of(shapes.model_copy(update=changes), *others, empty)


def instances(*images: object, key: str = "instances", **layout: Any) -> bytes:
    return json.dumps({key: images}, **layout).encode()


def tensors(*tensors: object, **more: Any) -> bytes:
    return json.dumps({"inputs": tensors, **more}).encode()


def with_bytes(content: bytes, **changes: Any) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """Return a body of the open protocol with its pixels behind the JSON, and the header for it."""
    tensor = {**TENSOR, "parameters": {"binary_data_size": len(content)}, **changes}
    del tensor["data"]
    text = tensors(tensor)
    return text + content, ((LENGTH, str(len(text))),)


def now() -> float:
    return 100.0


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


@pytest.fixture(scope="module")
def make_ways(loop) -> Callable[..., BothWays]:
    """Return a function that puts both ways together, with some settings changed."""

    def run(**changes: Any) -> BothWays:
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("GLYPH_")]:
                patch.delenv(name)
            return BothWays(InstantChannel(models()), loop.get_loop(), now, **changes)

    return run


@pytest.fixture(scope="module")
def as_it_comes(make_ways) -> BothWays:
    return make_ways(max_images=4)


@pytest.fixture
def ways(as_it_comes) -> BothWays:
    """Return both ways, in front of a host that knows all models and accepts every request."""
    as_it_comes.channel.status = models()
    as_it_comes.channel.error = None
    as_it_comes.channel.gone = set()
    return as_it_comes


@pytest.fixture(scope="module")
def compare(loop) -> Callable[[BothWays, Request], Told]:
    """Return a function that sends a request both ways, and returns the one answer."""

    def run(ways: BothWays, request: Request) -> Told:
        channel = ways.channel
        told = []
        for front in (ways.short, ways.long):
            channel.asked.clear()
            channel.waits.clear()
            answer = loop.run(ask(front, request))
            told.append((answer, set(channel.asked), set(channel.waits)))
        assert told[1] == told[0]
        return told[0][0]

    return run


@pytest.fixture(scope="module")
def is_short(compare) -> Callable[[BothWays, Request], bool]:
    """Return a function that compares both ways, and returns True if the fast path was taken."""

    def run(ways: BothWays, request: Request) -> bool:
        before = ways.fast_path.answered
        compare(ways, request)
        return ways.fast_path.answered > before

    return run


# What goes the short way.

BINARY, BINARY_HEADERS = with_bytes(PIXELS)
USUAL = {
    "rows": Request("/predict", instances(IMAGE), (JSON,)),
    "spaced": Request("/predict", instances(IMAGE, IMAGE, indent=1), (JSON,)),
    "flat": Request("/predict", instances([7, 0, 0, 255], separators=(",", ":")), (JSON,)),
    "channels": Request("/predict", instances([[[7], [0]], [[0], [255]]]), (JSON,)),
    "raw": Request("/predict", PIXELS * 3, (RAW,)),
    "any accepted": Request("/predict", PIXELS, (RAW, ("accept", "*/*"))),
    "JSON accepted": Request("/predict", PIXELS, (RAW, ("accept", "application/json"))),
    "a deadline": Request("/predict", PIXELS, (RAW, ("x-request-timeout-ms", "250"))),
    "in pieces": Request("/predict", b"", (RAW,), pieces=(PIXELS[:1], b"", PIXELS[1:])),
    "digit": Request("/models/digits/predict", instances([[3] * 28] * 28), (JSON,)),
    "colours": Request("/models/coloured/predict", instances([[[1, 2, 3], [4, 5, 6]]]), (JSON,)),
    "version": Request("/models/shapes/versions/4/predict", PIXELS, (RAW,)),
    "rows, TF": Request("/v1/models/shapes:predict", instances(IMAGE, IMAGE)),
    "columns, TF": Request("/v1/models/shapes:predict", instances(IMAGE, key="inputs")),
    "named, TF": Request("/v1/models/shapes:predict", instances({"images": IMAGE})),
    "named columns, TF": Request(
        "/v1/models/shapes:predict", json.dumps({"inputs": {"images": [IMAGE]}}).encode()
    ),
    "signature, TF": Request(
        "/v1/models/shapes/versions/3:predict",
        json.dumps({"signature_name": "serving_default", "instances": [IMAGE]}).encode(),
        (("content-type", "text/plain"),),
    ),
    "v2": Request("/v2/models/shapes/infer", tensors(TENSOR)),
    "v2 version": Request("/v2/models/shapes/versions/4/infer", tensors(TENSOR, id="a")),
    "v2 numbers": Request(
        "/v2/models/shapes/infer",
        tensors(TENSOR | {"datatype": "FP32", "shape": [1, 2, 2], "data": [[[7.0, 0], [0, 255]]]}),
    ),
    "v2 timeout": Request("/v2/models/shapes/infer", tensors(TENSOR, parameters={"timeout": 9})),
    "v2 bytes": Request("/v2/models/shapes/infer", BINARY, BINARY_HEADERS),
    "v2 bytes wanted": Request(
        "/v2/models/shapes/infer", tensors(TENSOR, parameters={"binary_data_output": True})
    ),
    "v2 bytes alone": Request("/v2/models/shapes/infer", PIXELS, ((LENGTH, "0"),)),
}


@pytest.mark.parametrize("request_", USUAL.values(), ids=USUAL)
def test_the_usual_goes_the_short_way(ways, is_short, request_):
    """With the same answer."""
    assert is_short(ways, request_)


@pytest.mark.parametrize("name", ["rows", "raw", "version", "rows, TF", "v2", "v2 version"])
def test_requests_are_counted_by_the_same_route(ways, loop, name):
    """So alerts and the dashboard see no difference."""

    def counts() -> dict[tuple[str, ...], float]:
        return {
            tuple(sample.labels.values()): sample.value
            for metric in ways.registry.collect()
            for sample in metric.samples
            if sample.name == "glyph_http_requests_total"
        }

    before = counts()
    loop.run(ask(ways.short, USUAL[name]))
    short = counts()
    loop.run(ask(ways.long, USUAL[name]))

    [(labels, count)] = counts().items() - short.items()
    assert short[labels] == before.get(labels, 0) + 1 == count - 1


def test_the_short_way_can_be_switched_off(ways, loop):
    """Flask answers everything then."""
    before = ways.fast_path.answered
    loop.run(ask(ways.long, USUAL["rows"]))

    assert before == ways.fast_path.answered


# What is left to Flask, or told by both alike.

ODD_HEADERS = [
    ("accept", "application/x-npy"),
    ("accept", "application/octet-stream"),
    ("accept", "text/html"),
    ("accept", "text/*, */*;q=0.1"),
    ("accept", ""),
    ("accept-encoding", "gzip"),
    ("accept-encoding", "gzip;q=0"),
    ("content-encoding", "identity"),
    ("content-encoding", "gzip"),
    ("content-encoding", "br"),
    ("content-type", "application/json; charset=utf-8"),
    ("content-type", "APPLICATION/JSON"),
    ("content-type", "text/plain"),
    ("content-type", ""),
    ("content-type", "application/octet-stream, application/json"),
    ("content-type", "application/x-npy"),
    ("content-type", "image/png"),
    ("content-type", "multipart/form-data; boundary=b"),
    (LENGTH, "0"),
    (LENGTH, "2"),
    (LENGTH, "-1"),
    (LENGTH, "999999999999999999999"),
    (LENGTH, "1\u00b2"),
    ("x-request-timeout-ms", "1"),
    ("x-request-timeout-ms", "60000"),
    ("x-request-timeout-ms", "0"),
    ("x-request-timeout-ms", "soon"),
    ("x-request-timeout-ms", "9" * 5000),
    ("x-user", "me"),
    ("origin", "https://a.example"),
    ("expect", "100-continue"),
]
QUERIES = ["", "?", "?top_k=2", "?fields=label,top", "?prepare=never", "?top_k=9", "?x=1", "?%ff"]
PATHS = {
    "glyph": [
        *("/predict", "/models/shapes/predict", "/models/shapes/versions/4/predict"),
        *("/models/shapes/labels/canary/predict", "/models/shapes/labels/none/predict"),
        *("/models/shapes/versions/2/predict", "/models/shapes/versions/5/predict"),
        *("/models/shapes/versions/6/predict", "/models/shapes/versions/9/predict"),
        *("/models/shapes/versions/0/predict", "/models/shapes/versions/03/predict"),
        *("/models/empty/predict", "/models/none/predict", "/models/tall/predict"),
        *("/models/sh%61pes/predict", "/models/../predict", "/models/shapes/predict/", "//predict"),
        *("/PREDICT", "http://a/predict", "/models/shapes/versions/3%20/predict"),
    ],
    "tf": [
        *("/v1/models/shapes:predict", "/v1/models/shapes/versions/4:predict"),
        *("/v1/models/shapes/labels/canary:predict", "/v1/models/shapes/labels/none:predict"),
        *("/v1/models/shapes/versions/2:predict", "/v1/models/shapes/versions/5:predict"),
        *("/v1/models/shapes/versions/6:predict", "/v1/models/shapes/versions/9:predict"),
        *("/v1/models/shapes/versions/0:predict", "/v1/models/shapes/versions/03:predict"),
        *("/v1/models/empty:predict", "/v1/models/none:predict", "/v1/models/tall:predict"),
        *("/V1/models/shapes:predict", "/v1/models/shapes%3Apredict", "/v1/models/shapes:Predict"),
        *("/v1/models/shapes:classify", "http://a/v1/models/shapes:predict", "/v1/models/:predict"),
        "/v1/models/sh%61pes:predict",
    ],
    "v2": [
        *("/v2/models/shapes/infer", "/v2/models/shapes/versions/4/infer"),
        *("/v2/models/shapes/versions/2/infer", "/v2/models/shapes/versions/5/infer"),
        *("/v2/models/shapes/versions/6/infer", "/v2/models/shapes/versions/9/infer"),
        *("/v2/models/shapes/versions/0/infer", "/v2/models/shapes/versions/03/infer"),
        *("/v2/models/empty/infer", "/v2/models/none/infer", "/v2/models/tall/infer"),
        *("/v2/models/sh%61pes/infer", "http://a/v2/models/shapes/infer", "/v2/models/shapes/infe"),
    ],
}
RIGHT = {
    "glyph": Request("/predict", instances(IMAGE), (JSON,)),
    "tf": Request("/v1/models/shapes:predict", instances(IMAGE)),
    "v2": Request("/v2/models/shapes/infer", tensors(TENSOR)),
}
PROTOCOLS = [*RIGHT]


def changed(request: Request, **changes: Any) -> Request:
    return Request(**{**vars(request), **changes})


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("header", ODD_HEADERS, ids=str)
def test_a_header_means_the_same_on_both_ways(ways, compare, protocol, header):
    """In place of one of its name, or beside the others."""
    right = RIGHT[protocol]
    others = tuple(pair for pair in right.headers if pair[0] != header[0])

    compare(ways, changed(right, headers=(*others, header)))
    compare(ways, changed(right, headers=(RAW, header), body=PIXELS))


@pytest.mark.parametrize(
    ("protocol", "path"), [(name, path) for name, paths in PATHS.items() for path in paths]
)
def test_a_path_means_the_same_on_both_ways(ways, compare, protocol, path):
    """Whatever it names: versions, labels, models that are not there."""
    compare(ways, changed(RIGHT[protocol], target=path))
    compare(ways, changed(RIGHT[protocol], target=path, body=b"{"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_means_the_same_on_both_ways(ways, compare, protocol, query):
    """It has a meaning on `/predict` alone."""
    right = RIGHT[protocol]

    compare(ways, changed(right, target=right.target + query))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "DELETE", "BREW"])
def test_a_method_means_the_same_on_both_ways(ways, compare, protocol, method):
    """Predictions are posted."""
    compare(ways, changed(RIGHT[protocol], method=method))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "error",
    [
        OverloadedError("4096 images wait", retry_after_s=2.5),
        NotReadyError("version 3 is being loaded", retry_after_s=1),
        HostLostError("the model host went away", retry_after_s=1),
        DeadlineError("no answer in time"),
        ModelFailedError("it failed on these images"),
        BadInputError("it takes images of 9 x 9"),
        TooLargeError("the request takes too much"),
        ValueError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_host_refuses_is_told_alike(ways, compare, protocol, error):
    """With when to try again; and so is a failure of the service itself."""
    ways.channel.error = error
    status = getattr(error, "status", 500)

    assert status == compare(ways, RIGHT[protocol]).status


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("starting", [True, False])
def test_a_host_that_is_away_is_told_alike(ways, compare, protocol, starting):
    """Where it is worth waiting for, as long as the caller has time."""
    right = RIGHT[protocol]
    ways.channel.status = HostStatus.away("shapes", "it is being started", starting=starting)

    assert 503 == compare(ways, right).status
    assert 503 == compare(ways, right.with_headers(x_request_timeout_ms="20")).status
    assert 400 == compare(ways, right.with_headers(x_request_timeout_ms="x")).status
    compare(ways, changed(right, body=b"{"))
    compare(ways, changed(right, target=PATHS[protocol][1]))


def test_while_no_version_serves_a_requests_own_timeout_counts(ways, compare):
    """The open protocol has a parameter for it, in microseconds."""
    ways.channel.status = HostStatus.away("shapes", "it is being started", starting=True)
    body = tensors(TENSOR, parameters={"timeout": 2000})

    assert 503 == compare(ways, changed(RIGHT["v2"], body=body)).status
    assert {now() + 0.002} == set(ways.channel.waits)


@pytest.mark.parametrize(
    ("protocol", "path"),
    [(name, path) for name, paths in PATHS.items() for path in paths if "/versions/4" in path],
)
def test_a_version_that_goes_meanwhile_is_told_alike(ways, compare, protocol, path):
    """By the time that the host is asked."""
    ways.channel.gone = {4}

    assert 404 == compare(ways, changed(RIGHT[protocol], target=path)).status


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_canary_is_chosen_alike(ways, compare, protocol):
    """By a header of the caller's, and the default version does where it is gone."""
    canary = CanaryStatus(version=4, label="canary", percent=50, sticky_header="X-User")
    ways.channel.status = models(canary=canary)
    versions = set()
    for gone in (set(), {4}):
        ways.channel.gone = gone
        for number in range(20):
            compare(ways, RIGHT[protocol].with_headers(x_user=f"user {number} \u00e9"))
            [asked] = set(ways.channel.asked)
            versions.add((asked.version, asked.or_default))

    assert {(0, False), (4, True)} == versions


def test_a_canary_of_the_settings_is_chosen_alike(make_ways, compare):
    """Each way has a split of its own, of the same setting."""
    ways = make_ways(canary="canary=100")

    for right in RIGHT.values():
        assert b"4" in compare(ways, right).body
        [asked] = set(ways.channel.asked)
        assert 4 == asked.version


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "br", ""])
def test_large_answers_are_packed_alike(make_ways, compare, accepted):
    """For those who accept it."""
    ways = make_ways()
    headers = (RAW, ("accept-encoding", accepted))
    told = compare(ways, Request("/predict", PIXELS * LARGE, headers))

    assert 1 == ways.fast_path.answered
    assert ("gzip" in accepted) is ((b"content-encoding", b"gzip") in told.headers)


@pytest.mark.parametrize("target", ["/predict", "/v1/models/shapes:predict"])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_packed_requests_are_read_alike(ways, compare, target, coding):
    """Or refused, where they are not what they say."""
    body = instances(IMAGE)
    packed = gzip.compress(body, mtime=0)
    for content in (packed, packed[:-4], body):
        compare(ways, Request(target, content, (JSON, ("content-encoding", coding))))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("pieces", [False, True])
def test_a_body_over_the_bound_is_refused_on_both_ways(make_ways, compare, protocol, pieces):
    """However it comes, and though it would be short enough for the short way."""
    ways = make_ways(max_body_bytes=1024)
    body = RIGHT[protocol].body
    for size, status in ((1024, 200), (1025, 413)):
        content = body.ljust(size)
        halves = (content[:600], content[600:]) if pieces else None
        request = changed(RIGHT[protocol], body=content, pieces=halves)
        assert status == compare(ways, request).status


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_too_many_images_are_refused_on_both_ways(make_ways, compare, protocol):
    """Before they cost the model anything."""
    ways = make_ways(max_images=2)
    right = RIGHT[protocol]
    tensor = TENSOR | {"shape": [3, 4], "data": TENSOR["data"] * 3}
    body = tensors(tensor) if protocol == "v2" else instances(IMAGE, IMAGE, IMAGE)

    assert 413 == compare(ways, changed(right, body=body)).status
    assert [] == ways.channel.asked


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_body_that_breaks_off_is_refused_on_both_ways(ways, compare, protocol):
    """In the middle, or before it began."""
    right = RIGHT[protocol]
    broken = changed(right, pieces=(), headers=(*right.headers, ("transfer-encoding", "chunked")))

    assert 400 == compare(ways, broken).status


@pytest.mark.parametrize(("protocol", "most"), [("glyph", 2**17), ("tf", 2**17), ("v2", 2**15)])
def test_long_json_is_left_to_flask(ways, is_short, protocol, most):
    """Right as it may be; to read it would hold up everybody else."""
    right = RIGHT[protocol]

    assert is_short(ways, changed(right, body=right.body.ljust(most)))
    assert not is_short(ways, changed(right, body=right.body.ljust(most + 1)))


@pytest.mark.parametrize("classes", [40, 41])
def test_answers_of_many_numbers_are_left_to_flask(make_ways, is_short, classes):
    """To write them would hold up everybody else."""
    ways = make_ways()
    version = serving(1, classes=[f"class {number}" for number in range(classes)])
    ways.channel.status = HostStatus.of(
        ModelStatus(name="many", ready=True, reason=None, default=1, versions=(version,))
    )

    assert is_short(ways, Request("/predict", PIXELS * 100, (RAW,))) == (classes == 40)


def test_long_json_before_bytes_is_left_to_flask(ways, is_short):
    """Its length stands in a header."""
    text, content = BINARY[: -len(PIXELS)], PIXELS
    for size, short in ((2**15, True), (2**15 + 1, False)):
        body = text.ljust(size) + content
        request = Request("/v2/models/shapes/infer", body, ((LENGTH, str(size)),))
        assert short == is_short(ways, request)


def test_classes_as_text_are_left_to_flask(ways, is_short):
    """Each takes as long as all the rest."""
    wanted = {"name": "probabilities", "parameters": {"classification": 2}}

    assert not is_short(ways, changed(RIGHT["v2"], body=tensors(TENSOR, outputs=[wanted])))


def test_pictures_are_left_to_flask(ways, is_short):
    """To decode one takes long."""
    picture = TENSOR | {"datatype": "BYTES", "shape": [1], "data": ["AAAA"]}

    assert not is_short(ways, changed(RIGHT["v2"], body=tensors(picture)))


# Bodies of all kinds.

_ODD_PIXELS = st.sampled_from(
    [-1, 256, 0.5, 7.0, 255.0, 1e300, True, None, "7", [], [7], {}, 2**64, 10**30]
)
_MODELS = st.sampled_from(["shapes", "wide", "coloured", "tall"])


def _nested(pixels: list[Any], dimensions: tuple[int, ...]) -> list[Any]:
    for size in reversed(dimensions[1:]):
        pixels = [pixels[start : start + size] for start in range(0, len(pixels), size)]
    return pixels


@st.composite
def images(draw) -> tuple[str, list[Any], tuple[int, ...]]:
    """Draw a model, images for it that are mostly right, and the shape of one."""
    model = draw(_MODELS)
    rows, columns, channels = shape = SHAPES[model]
    count = draw(st.sampled_from([1, 1, 1, 2, 3, 5]))
    layouts = [shape, (rows * columns * channels,)]
    if channels == 1:
        layouts.append((rows, columns))
    layout = draw(st.sampled_from(layouts))
    size = count * rows * columns * channels
    flat: list[Any] = [*draw(st.binary(min_size=size, max_size=size))]
    if draw(st.integers(0, 3)) == 0:
        flat[draw(st.integers(0, size - 1))] = draw(_ODD_PIXELS)
    return model, _nested(flat, (count, *layout)), layout


_JSON_LAYOUTS = st.sampled_from(
    [{}, {"separators": (",", ":")}, {"indent": 1}, {"separators": (" ,\n", "\t: ")}]
)


@st.composite
def mutated(draw, body: bytes) -> bytes:
    """Draw a body, or what some change makes of it."""
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        rng = Random(draw(st.integers(0, 2**32)))  # noqa: S311 - to be repeated
        change = draw(st.sampled_from([change_json, change_json, change_bytes]))
        try:
            body = change(rng, body)
        except ValueError:  # it is no JSON any more
            body = change_bytes(rng, body)
    return body


@st.composite
def glyph_requests(draw) -> Request:
    """Draw a request of `/predict` or its like."""
    model, instances, _ = draw(images())
    path = f"/models/{model}/predict"
    if draw(st.integers(0, 9)) == 0:
        return Request(path, draw(st.binary(max_size=30)), (RAW,))
    body = json.dumps({"instances": instances}, **draw(_JSON_LAYOUTS)).encode()
    return Request(path, draw(mutated(body)), (JSON,))


@st.composite
def tf_requests(draw) -> Request:
    """Draw a request of TensorFlow Serving's protocol."""
    model, values, _ = draw(images())
    key = draw(st.sampled_from(["instances", "inputs"]))
    named: Any = values
    if draw(st.booleans()):
        named = {"images": values} if key == "inputs" else [{"images": value} for value in values]
    signature = draw(st.sampled_from([None, None, None, None, "serving_default", "", "other"]))
    document = {} if signature is None else {"signature_name": signature}
    body = json.dumps(document | {key: named}, **draw(_JSON_LAYOUTS)).encode()
    return Request(f"/v1/models/{model}:predict", draw(mutated(body)))


@st.composite
def v2_requests(draw) -> Request:
    """Draw a request of the open protocol, with its numbers in JSON or behind it."""
    model, values, layout = draw(images())
    path = f"/v2/models/{model}/infer"
    shape = [len(values), *layout]
    datatype = draw(st.sampled_from(["UINT8", "UINT8", "INT64", "FP32", "INT8", "BYTES", "BOOL"]))
    tensor: dict[str, Any] = {"name": "images", "datatype": datatype, "shape": shape}
    more = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "id": st.text(max_size=3),
                "parameters": st.sampled_from(
                    [None, {"timeout": 1000}, {"binary_data_output": True}, {"x": 1}]
                ),
                "outputs": st.sampled_from(
                    [None, [], [{"name": "probabilities", "parameters": {"classification": 1}}]]
                ),
            },
        )
    )
    if draw(st.booleans()):
        document = {"inputs": [tensor | {"data": values}], **more}
        return Request(path, draw(mutated(json.dumps(document, **draw(_JSON_LAYOUTS)).encode())))
    width = {"INT64": 8, "FP32": 4}.get(datatype, 1)
    size = width * len(values) * math.prod(layout)
    size += draw(st.sampled_from([0] * 9 + [1]))
    content = draw(st.binary(min_size=size, max_size=size))
    tensor["parameters"] = {"binary_data_size": len(content)}
    text = draw(mutated(json.dumps({"inputs": [tensor], **more}).encode()))
    return Request(path, text + content, ((LENGTH, str(len(text))),))


@pytest.mark.parametrize(
    "requests", [glyph_requests(), tf_requests(), v2_requests()], ids=PROTOCOLS
)
def test_whatever_is_sent_is_answered_alike(ways, compare, requests):
    """Right or wrong; many of both are tried."""

    @settings(max_examples=OF_A_PROTOCOL)
    @given(request=requests)
    def check(request: Request) -> None:
        compare(ways, request)

    before = ways.fast_path.answered
    check()

    assert OF_A_PROTOCOL / 8 < ways.fast_path.answered - before < OF_A_PROTOCOL * 7 / 8


# Bodies of the other tests.

_MODULES = {
    "inputs.test_json_instances": ("glyph", ["digits"]),
    "inputs.test_json_fast_path": ("glyph", ["wide", "coloured"]),
    "inputs.test_json_base64": ("glyph", ["shapes"]),
    "api.native.test_predict": ("glyph", ["shapes"]),
    "api.native.test_predict_forms": ("glyph", ["shapes"]),
    "prediction.test_query_options": ("glyph", ["shapes"]),
    "inputs.test_npy": ("glyph", ["wide"]),
    "api.tensorflow_serving.test_documents": ("tf", ["shapes"]),
    "api.tensorflow_serving.test_inference": ("tf", ["shapes"]),
    "api.tensorflow_serving.test_plain_bodies": ("tf", ["wide", "coloured"]),
    "api.tensorflow_serving.test_tensors": ("tf", ["digits", "coloured"]),
    "api.open_inference.test_infer": ("v2", ["shapes"]),
    "api.open_inference.test_request": ("v2", ["shapes"]),
    "api.open_inference.test_tensors": ("v2", ["wide", "shapes"]),
    "api.open_inference.test_files": ("v2", ["shapes"]),
}
_PATHS = {
    "glyph": "/models/{}/predict",
    "tf": "/v1/models/{}:predict",
    "v2": "/v2/models/{}/infer",
}


def _parameters(module: Any) -> Iterator[Any]:
    """Return every value that the tests of a module are parametrised with."""
    for test in vars(module).values():
        for mark in getattr(test, "pytestmark", ()):
            if mark.name != "parametrize":
                continue
            for case in mark.args[1]:
                values = case.values if isinstance(case, type(pytest.param())) else case
                yield from values if isinstance(values, tuple) else (values,)


def _bodies(value: Any, protocol: str) -> Iterator[bytes]:
    """Return the bodies that a value is, or that it may stand in."""
    if isinstance(value, bytes):
        yield value
        return
    lists = [{"instances": value}, {"instances": [value]}, {"instances": [[[value, 0], [0, 0]]]}]
    tensors = [TENSOR | {"data": value}, TENSOR | {"shape": value}]
    tensors.append(TENSOR | (value if isinstance(value, dict) else {"datatype": value}))
    documents = {
        "glyph": lists,
        "tf": [*lists, {"inputs": value}, {"inputs": {"images": value}}],
        "v2": [{"inputs": [tensor]} for tensor in tensors],
    }
    for document in (value, *documents[protocol]):
        try:
            yield json.dumps(document).encode()
        except (TypeError, ValueError):
            return


@pytest.mark.parametrize("name", _MODULES)
def test_bodies_of_the_other_tests_are_answered_alike(ways, compare, name):
    """Those of the decoders and of the routes."""
    protocol, names = _MODULES[name]
    module = importlib.import_module(f"tests.unit.app.web.{name}")
    found = {body for value in _parameters(module) for body in _bodies(value, protocol)}
    assert found
    for model in names:
        path = _PATHS[protocol].format(model)
        for body in sorted(found, key=len):
            compare(ways, changed(RIGHT[protocol], target=path, body=body))


# Bodies of the fuzz corpus.

_CORPUS = {
    "json": ("glyph", "tall square"),
    "json-b64": ("glyph", "tall square"),
    "tf-serving": ("tf", "tall square"),
    "v2-json": ("v2", "tall square"),
    "v2-binary": ("v2", "tall square"),
    "raw-pixels": ("glyph", "tall square"),
    "npy": ("glyph", "tall"),
    "form": ("glyph", "tall"),
    "compressed": ("glyph", "digits"),
}
_TARGETS = {**fuzzed_documents.TARGETS, **fuzzed_bodies.TARGETS}


def _request_of(target: str, protocol: str, data: bytes) -> Request:
    """Turn the input of a fuzz target into a request: some have a header before the body."""
    right = RIGHT[protocol]
    first, _, rest = data.partition(b"\n")
    header = first[:8000].decode("latin-1")
    if protocol == "v2":
        headers = () if header == "-" else ((LENGTH, header),)
        return changed(right, body=rest, headers=headers)
    if target == "form":
        return changed(right, body=rest, headers=(("content-type", header),))
    if target == "compressed":
        return changed(right, body=rest, headers=(JSON, ("content-encoding", header)))
    kind = {"raw-pixels": RAW, "npy": ("content-type", "application/x-npy")}.get(target, JSON)
    return changed(right, body=data, headers=(kind,))


@pytest.mark.parametrize("name", _CORPUS)
def test_the_fuzz_corpus_is_answered_alike(ways, compare, name):
    """Seeds, and some of what is made of them."""
    protocol, names = _CORPUS[name]
    target = _TARGETS[name]
    seeds, rng = target.seeds(), Random(1)  # noqa: S311 - to be repeated
    inputs = [*seeds, *(mutate(rng, rng.choice(seeds), seeds, target) for _ in range(MUTATIONS))]
    for data in inputs:
        for model in names.split():
            request = _request_of(name, protocol, data)
            compare(ways, changed(request, target=_PATHS[protocol].format(model)))
