"""Does an image get the same answer however it is sent, and however the answer is written?"""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING

import click
import numpy as np
import requests
from tqdm import tqdm

from tests.benchmarks.scenarios.images import real_images
from tests.benchmarks.scenarios.report import Report
from tests.benchmarks.scenarios.stage import json_option, served
from tests.benchmarks.scenarios.wire import RAW
from tests.benchmarks.scenarios.written import NPY, ways

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.benchmarks.scenarios.written import Way
    from tests.service import Service

_PATIENCE_S = 60
_CODINGS: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


@click.command()
@click.option("--images", "count", default=200, show_default=True, help="How many of them.")
@json_option
def encodings(count: int, json_path: Path | None) -> None:
    """Send the same images in every encoding, one by one and together, plain and compressed.

    Each is sent plain, as gzip and as deflate. Lossless ones must get the very probabilities that
    JSON in rows gets, bit for bit; JPEG the same classes.

    GLYPH_DATA_DIR=mnist python -m tests.benchmarks.scenarios encodings
    """
    images = real_images()[:count]
    report = Report(f"{len(images)} images in every encoding")
    with served() as service, requests.Session() as session:
        caller = Caller(service, session)
        first, *others = ways()
        alone = caller.ask_each(first, images)
        together = caller.ask(first, images)
        for way in [first, *others]:
            _compare(caller, way, images, alone, together, report)
        for accept in (NPY, RAW):
            told = caller.ask_each(first, images, accept=accept)
            _add(report, f"answered as {accept}", {"alone": [told]}, {"alone": alone})
    report.finish(json_path)


class Caller:
    """Asks, and reads the probabilities of an answer in any form."""

    def __init__(self, service: Service, session: requests.Session) -> None:
        self._url = f"{service.url}/predict"
        self._session = session

    def ask(
        self,
        way: Way,
        images: NDArray[np.uint8],
        coding: str | None = None,
        accept: str = "*/*",
    ) -> NDArray[np.float32]:
        """Ask about images in one request; gives (images, classes)."""
        headers = {"Content-Type": way.content_type, "Accept": accept}
        if coding is not None:
            headers["Content-Encoding"] = coding
        body = _CODINGS[coding](way.write(images))
        answer = self._session.post(self._url, data=body, headers=headers, timeout=_PATIENCE_S)
        if not answer.ok:
            raise click.ClickException(f"{way.name}: {answer.status_code} {answer.text[:300]}")
        if accept == NPY:
            return np.load(io.BytesIO(answer.content), allow_pickle=False)
        if accept == RAW:
            return np.frombuffer(answer.content, "<f4").reshape(len(images), -1)
        predictions = answer.json()["predictions"]
        return np.array([one["probabilities"] for one in predictions], np.float32)

    def ask_each(
        self, way: Way, images: NDArray[np.uint8], coding: str | None = None, accept: str = "*/*"
    ) -> NDArray[np.float32]:
        """Ask about each image in a request of its own."""
        bar = tqdm(images, unit="image", desc=way.name, leave=False, disable=None)
        return np.concatenate([self.ask(way, image[np.newaxis], coding, accept) for image in bar])


def _compare(  # noqa: PLR0917
    caller: Caller,
    way: Way,
    images: NDArray[np.uint8],
    alone: NDArray[np.float32],
    together: NDArray[np.float32],
    report: Report,
) -> None:
    told = {"alone": [caller.ask_each(way, images, coding) for coding in _CODINGS]}
    if way.many:
        told["together"] = [caller.ask(way, images, coding) for coding in _CODINGS]
    name = f"{way.name}, {_size(way, images):,} bytes an image"
    if way.exact:
        _add(report, name, told, {"alone": alone, "together": together})
        return
    right = sum(int((one.argmax(1) == alone.argmax(1)).sum()) for one in told["alone"])
    largest = max(float(np.abs(one - alone).max()) for one in told["alone"])
    total = len(images) * len(_CODINGS)
    measured = f"{right} of {total} of the same class; probabilities off by {largest:.2g}"
    report.add(name, measured, "all of the same class", holds=right == total)


def _add(
    report: Report,
    name: str,
    told: dict[str, list[NDArray[np.float32]]],
    expected: dict[str, NDArray[np.float32]],
) -> None:
    parts, holds = [], True
    for how, answers in told.items():
        same = sum(int((one == expected[how]).all(axis=1).sum()) for one in answers)
        total = sum(map(len, answers))
        holds &= same == total
        parts.append(f"{how} {same} of {total}")
    report.add(name, ", ".join(parts), "all identical", holds=holds)


def _size(way: Way, images: NDArray[np.uint8]) -> int:
    return round(np.mean([len(way.write(image[np.newaxis])) for image in images]))
