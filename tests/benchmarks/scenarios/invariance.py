"""Is every answer the answer to its own images, whatever else is asked beside it?"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import orjson
from tqdm import tqdm

from model_store import Golden
from model_store.operations.starter import STARTER
from tests.benchmarks.scenarios.images import as_json, as_raw, real_images
from tests.benchmarks.scenarios.report import Report
from tests.benchmarks.scenarios.stage import json_option, served
from tests.benchmarks.scenarios.wire import connect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from numpy.typing import NDArray

    from tests.benchmarks.scenarios.wire import Connection, Reply
    from tests.service import Service

_MOST_IMAGES = 300
_MOST_REQUESTS = 12
_OK = 200


@dataclass(slots=True)
class Found:
    """What the mixes showed."""

    requests: int = 0
    images: int = 0
    refused: int = 0
    """Requests without a prediction."""
    strangers: int = 0
    """Answers with another request's id, or another number of images."""
    mismatches: int = 0
    """Images off by more than the tolerance."""
    largest: float = 0.0
    """Difference in any probability."""


@click.command()
@click.option("--mixes", default=2000, show_default=True, help="Sets of concurrent requests.")
@click.option("--seed", default=1, show_default=True, help="Of the random mixes.")
@click.option("--json-only", is_flag=True, help="Send no raw bytes.")
@click.option(
    "--store",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the model is that is served; else it is the starter.",
)
@json_option
def invariance(
    mixes: int, seed: int, *, json_only: bool, store: Path | None, json_path: Path | None
) -> None:
    """Compare answers in random company with the answers alone.

    A mix is 1 to 12 concurrent requests of 1 to 300 images, small ones as likely as large ones, as
    JSON or raw bytes. The images are real, and those chosen have answers far enough apart that one
    in another's place is seen. In reduced precision answers may differ by as much as the version's
    golden images may.

    \b
    python -m tests.benchmarks.scenarios invariance --mixes 100
    GLYPH_PRECISION=bf16 python -m tests.benchmarks.scenarios invariance --store models
    """  # noqa: D301 - to click, the backspace character keeps the lines below apart
    with served(store) as service:
        status = service.get("/readyz").json()
        version = next(v for v in status["versions"] if v["version"] == service.version())
        place = (store or STARTER) / status["model"] / str(version["version"])
        tolerance = 1e-5 if version["precision"] == "f32" else Golden.read(place).tolerance
        rng = np.random.default_rng(seed)
        kinds = (as_json,) if json_only else (as_json, as_raw)
        distinct, found = asyncio.run(_compare(service, rng, mixes, tolerance, kinds))
    report = Report(f"{mixes:,} mixes, {version['runtime']} {version['precision']}")
    report.add("requests", f"{found.requests:,}")
    report.add(
        "images", f"{found.images:,}, of {distinct} that differ by {4 * tolerance:g} or more"
    )
    report.add(
        "largest difference",
        f"{found.largest:.2g}",
        f"at most {tolerance:g}",
        holds=found.largest <= tolerance,
    )
    report.add("images off by more", f"{found.mismatches:,}", "0", holds=not found.mismatches)
    report.add("answers to another request", f"{found.strangers:,}", "0", holds=not found.strangers)
    report.add("requests without answer", f"{found.refused:,}", "0", holds=not found.refused)
    report.finish(json_path)


async def _compare(
    service: Service,
    rng: np.random.Generator,
    mixes: int,
    tolerance: float,
    kinds: tuple[Callable[..., bytes], ...],
) -> tuple[int, Found]:
    connections = [await connect(service.port) for _ in range(_MOST_REQUESTS)]
    images, alone = await _distinct(connections[0], real_images(), 4 * tolerance)
    found = Found()
    ids = itertools.count()
    for _ in tqdm(range(mixes), unit="mix", desc="mixes", leave=False, disable=None):
        for place, connection in enumerate(connections):
            if not connection.open:
                connections[place] = await connect(service.port)
        asked = []
        for connection in connections[: rng.integers(1, _MOST_REQUESTS + 1)]:
            size = int(np.exp(rng.uniform(0, np.log(_MOST_IMAGES + 1))))
            chosen = rng.integers(0, len(images), size)
            name = f"mix-{next(ids)}"
            data = kinds[rng.integers(len(kinds))](images[chosen], X_Request_Id=name)
            asked.append(_check(connection.ask(data), name, alone[chosen], tolerance, found))
        await asyncio.gather(*asked)
    for connection in connections:
        connection.close()
    return len(images), found


async def _distinct(
    connection: Connection, images: NDArray[np.uint8], apart: float, most: int = 2000
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Ask about each image alone, and keep those whose answers are far from all others kept."""
    answers = []
    for image in tqdm(images, unit="image", desc="alone", leave=False, disable=None):
        reply = await connection.ask(as_json(image[np.newaxis]))
        if reply.status != _OK:
            raise click.ClickException(f"an image alone got {reply.status}: {reply.body[:200]!r}")
        answers.append(_probabilities(reply)[0])
    alone = np.array(answers)
    kept: list[int] = []
    for index in np.argsort(alone.max(axis=1)):  # the least certain first: they differ most
        if len(kept) < most and (
            not kept or np.abs(alone[kept] - alone[index]).max(axis=1).min() >= apart
        ):
            kept.append(int(index))
    return images[kept], alone[kept]


async def _check(
    asking: Awaitable[Reply],
    name: str,
    expected: NDArray[np.float32],
    tolerance: float,
    found: Found,
) -> None:
    reply = await asking
    found.requests += 1
    if reply.status != _OK:
        found.refused += 1
        return
    probabilities = _probabilities(reply)
    if reply.header("X-Request-Id") != name or probabilities.shape != expected.shape:
        found.strangers += 1
        return
    off = np.abs(probabilities - expected).max(axis=1)
    found.images += len(off)
    found.mismatches += int((off > tolerance).sum())
    found.largest = max(found.largest, float(off.max()))


def _probabilities(reply: Reply) -> NDArray[np.float32]:
    predictions = orjson.loads(reply.body)["predictions"]
    return np.array([one["probabilities"] for one in predictions], np.float32)
