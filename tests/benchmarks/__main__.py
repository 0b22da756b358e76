"""python -m tests.benchmarks: Glyph beside the floor, the runtime alone and the naive service."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import click

from model_store import ModelStore
from tests.benchmarks.cases import BULK_CONNECTIONS, BULK_IMAGES, Load
from tests.benchmarks.measuring import measure
from tests.benchmarks.models import NAMES
from tests.benchmarks.report import details, overview, replace_section
from tests.benchmarks.summary import Summary

FILE = click.Path(dir_okay=False, path_type=Path)
RUNTIMES = ("openvino", "tensorflow")


@click.command(context_settings={"show_default": True})
@click.option(
    "--model", "-m", "models", multiple=True, type=click.Choice(list(NAMES)), default=NAMES
)
@click.option(
    "--runtime", "-r", "runtimes", multiple=True, type=click.Choice(RUNTIMES), default=RUNTIMES
)
@click.option(
    "--connections",
    "-c",
    multiple=True,
    type=int,
    default=(1, 32, 128),
    help="Clients that send single images.",
)
@click.option("--bulk/--no-bulk", default=True, help="Also send many images per request.")
@click.option("--repeats", default=5, help="Runs of each; medians are shown.")
@click.option("--seconds", default=2, help="Length of a run.")
@click.option("--starts", default=3, help="Cold starts of each.")
@click.option("--quick", is_flag=True, help="One run of one second and one start of each.")
@click.option(
    "--store", type=click.Path(file_okay=False, path_type=Path), help="Keep the models here."
)
@click.option("--json", "json_path", type=FILE, help="Write all runs to this file.")
@click.option("--markdown", type=FILE, help="Write the whole report to this file.")
@click.option("--readme", type=FILE, help="Put the overview between the marks of this file.")
def main(
    *,
    models: tuple[str, ...],
    runtimes: tuple[str, ...],
    connections: tuple[int, ...],
    bulk: bool,
    repeats: int,
    seconds: int,
    starts: int,
    quick: bool,
    store: Path | None,
    json_path: Path | None,
    markdown: Path | None,
    readme: Path | None,
) -> None:
    """Measure requests per second, latency and costs beside the floor and the naive service."""
    signal.signal(signal.SIGTERM, _end)
    if readme:
        replace_section(readme.read_text(), "")  # a wrong file is found out now, not at the end
    for runtime in runtimes:
        if find_spec(runtime) is None:
            raise click.ClickException(f"{runtime} is not installed; '.[train]' holds all there is")
    if quick:
        repeats = seconds = starts = 1
    with tempfile.TemporaryDirectory(prefix="glyph-benchmark-") as place:
        results = measure(
            Path(place),
            ModelStore(store or Path(place) / "models"),
            models=models,
            runtimes=runtimes,
            loads=_loads(connections, bulk=bulk),
            repeats=repeats,
            seconds=seconds,
            starts=starts,
        )
    summary = Summary(results)
    report = f"{overview(summary)}\n{details(summary)}"
    click.echo(report)
    if json_path:
        json_path.write_text(json.dumps(asdict(results), indent=1))
    if markdown:
        markdown.write_text(report)
    if readme:
        readme.write_text(replace_section(readme.read_text(), overview(summary)))


def _end(*_: object) -> NoReturn:
    """Leave as an error would, so that the servers are ended too; being told twice is no hurry."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def _loads(connections: tuple[int, ...], *, bulk: bool) -> list[Load]:
    loads = [Load(1, "json", number) for number in connections]
    if bulk:
        loads += [Load(BULK_IMAGES, kind, BULK_CONNECTIONS) for kind in ("json", "raw")]
    return loads


if __name__ == "__main__":
    main()
