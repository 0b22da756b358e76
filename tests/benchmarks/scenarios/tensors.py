"""Does an image get the same answer from the Open Inference Protocol, in tensors of every kind?"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import requests
import tritonclient.http as triton
from tqdm import tqdm
from tritonclient.utils import triton_to_np_dtype

from tests.benchmarks.scenarios.encodings import Caller
from tests.benchmarks.scenarios.images import real_images
from tests.benchmarks.scenarios.report import Report
from tests.benchmarks.scenarios.stage import json_option, served
from tests.benchmarks.scenarios.written import as_picture, ways

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_DATATYPES = (
    *("UINT8", "UINT16", "UINT32", "UINT64"),
    *("INT16", "INT32", "INT64"),  # INT8 holds no ink above 127
    *("FP16", "FP32", "FP64"),
)
_LAYOUTS = ((28, 28, 1), (28, 28), (784,))
_FORMS = {True: "bytes", False: "JSON"}


@click.command()
@click.option("--images", "count", default=200, show_default=True, help="How many of them.")
@json_option
def tensors(count: int, json_path: Path | None) -> None:
    """Send the same images with Triton's client, in every datatype, as bytes and as JSON.

    They must get the very probabilities that `/predict` gives them, bit for bit.

    GLYPH_DATA_DIR=mnist python -m tests.benchmarks.scenarios tensors
    """
    images = real_images()[:count]
    report = Report(f"{len(images)} images in every tensor")
    with (
        served() as service,
        requests.Session() as session,
        triton.InferenceServerClient(f"127.0.0.1:{service.port}") as client,
    ):
        expected = Caller(service, session).ask(ways()[0], images)
        tensors_of = [*_numbers(images), *_pictures(images)]
        for name, tensor in tqdm(tensors_of, unit="tensor", leave=False, disable=None):
            right = {form: _ask(client, tensor, binary=b) for b, form in _FORMS.items()}
            same = {f: int((got == expected).all(axis=1).sum()) for f, got in right.items()}
            measured = ", ".join(f"as {form} {n} of {len(images)}" for form, n in same.items())
            holds = set(same.values()) == {len(images)}
            report.add(name, measured, "all identical", holds=holds)
    report.finish(json_path)


def _numbers(images: NDArray[np.uint8]) -> list[tuple[str, Any]]:
    """Write them as numbers, as bytes and as JSON, which the client cannot for FP16."""
    written = []
    for datatype, binary, layout in itertools.product(_DATATYPES, _FORMS, _LAYOUTS):
        if binary or datatype != "FP16":
            numbers = images.reshape(len(images), *layout).astype(triton_to_np_dtype(datatype))
            shape = " x ".join(map(str, ("n", *layout)))
            tensor = _input(numbers, datatype, binary=binary)
            written.append((f"{datatype}, {shape}, {_FORMS[binary]}", tensor))
    return written


def _pictures(images: NDArray[np.uint8]) -> list[tuple[str, Any]]:
    files = np.array([[as_picture("png", image)] for image in images], object)
    return [("BYTES of PNG, bytes", _input(files, "BYTES", binary=True))]


def _input(array: NDArray[Any], datatype: str, *, binary: bool) -> Any:
    tensor = triton.InferInput("images", list(array.shape), datatype)
    return tensor.set_data_from_numpy(array, binary_data=binary)


def _ask(client: Any, tensor: Any, *, binary: bool) -> NDArray[np.float32]:
    wanted = triton.InferRequestedOutput("probabilities", binary_data=binary)
    answer = client.infer("mnist", [tensor], outputs=[wanted], timeout=60_000_000)
    probabilities: NDArray[np.float32] = answer.as_numpy("probabilities")
    return probabilities
