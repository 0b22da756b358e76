"""What do large photographs cost whoever asks about a single image?"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click
import numpy as np
from PIL import Image

from tests.benchmarks.scenarios.images import as_json, real_images
from tests.benchmarks.scenarios.load import Closed
from tests.benchmarks.scenarios.photographed import on_paper
from tests.benchmarks.scenarios.report import Report, failures, p50_p99, percentile_ms, took
from tests.benchmarks.scenarios.stage import Generators, json_option, passing, served
from tests.benchmarks.scenarios.wire import request

if TYPE_CHECKING:
    from pathlib import Path

_WIDTH, _HEIGHT = 4000, 3000
_CLIENTS = 4
_LEAD_S = 0.5
"""The photographs begin so much earlier, and end so much later."""


@click.command("large-pictures")
@click.option("--seconds", default=10.0, show_default=True, help="Of one measurement.")
@json_option
def large_pictures(seconds: float, json_path: Path | None) -> None:
    """Measure a client of single images alone, and beside four that send a phone's photographs.

    A photograph has 12 million pixels and comes as JPEG, without pause.

    python -m tests.benchmarks.scenarios large-pictures --seconds 5
    """
    single = [as_json(real_images()[:1])]
    photograph = request("/predict", _photograph(), "image/jpeg")
    # In one web worker, or chance decides whether they meet at all.
    with served(web_workers=1) as service, Generators(service.port, 2) as generators:
        one = Closed(requests=single, clients=1, seconds=seconds)
        many = Closed(requests=[photograph], clients=_CLIENTS, seconds=seconds + 2 * _LEAD_S)
        alone = generators.run("alone", [one]).records
        running = generators.start([many])
        with passing("photographs begin", _LEAD_S) as wait:
            wait(_LEAD_S)
        beside = generators.run("beside photographs", [one]).records
        others = running.result().records
    report = Report(f"A single image beside {_CLIENTS} clients with {len(photograph):,} bytes each")
    report.add("alone, p50 / p99", p50_p99(took(alone)))
    limit_ms = 3 * percentile_ms(took(alone), 99) + percentile_ms(took(others), 50) / _CLIENTS
    report.add(
        "beside photographs, p50 / p99",
        p50_p99(took(beside)),
        f"p99 at most 3 times that alone + the time of one photograph: {limit_ms:.1f} ms",
        holds=percentile_ms(took(beside), 99) <= limit_ms,
    )
    rate = len(took(others)) / many.seconds
    report.add("photographs, p50 / p99", f"{p50_p99(took(others))}; {rate:.1f} a second")
    lost = failures(np.concatenate([alone, beside, others]))
    report.add("failed", lost or "0", "0", holds=not lost)
    report.finish(json_path)


def _photograph() -> bytes:
    """Make one with a digit on grainy, unevenly lit paper."""
    digit = Image.fromarray(real_images()[0]).resize((1400, 1400), Image.Resampling.BICUBIC)
    ink = Image.new("L", (_WIDTH, _HEIGHT))
    ink.paste(digit, (1500, 700))
    pixels = on_paper(np.asarray(ink) / 255, np.random.default_rng(1))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=85)
    return file.getvalue()
