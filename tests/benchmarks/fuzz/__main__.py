"""python -m tests.benchmarks.fuzz: what do decoders do with bytes that nobody should send?"""

from __future__ import annotations

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import click
from tqdm import tqdm

from tests.benchmarks.fuzz import targets as registry
from tests.benchmarks.fuzz.targets import TARGETS
from tests.benchmarks.fuzz.watching import Run, watch

_HEAD = (
    "| target | inputs | a second | accepted | longest, CPU | most memory | kept | findings |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("targets", nargs=-1, type=click.Choice([*TARGETS]))
@click.option("--minutes", default=1.0, show_default=True, help="For each target.")
@click.option("--seed", default=1, show_default=True, help="Of the random numbers.")
@click.option("--jobs", default=1, show_default=True, help="Targets at a time.")
@click.option(
    "--limit", default=2.0, show_default=True, help="Seconds of CPU that one input may take."
)
@click.option(
    "--findings",
    default=Path("fuzz-findings"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for inputs that did what they should not.",
)
@click.option("--blind", is_flag=True, help="Without atheris, even where it is installed.")
def main(
    *,
    targets: tuple[str, ...],
    minutes: float,
    seed: int,
    jobs: int,
    limit: float,
    findings: Path,
    blind: bool,
) -> None:
    """Feed every decoder inputs that were valid until something was changed in them.

    Whatever is raised but a refusal, a crash, an input that takes too long or too much memory, and
    pixels that are not those of the input are findings. Each target has a process of its own. With
    atheris (pip install atheris), inputs that reach new code are changed further.

    The table has what one input took at most, in CPU time and memory, and what was still held at
    the end; with atheris, that includes the inputs that it keeps.

    All targets, if none is named.

    python -m tests.benchmarks.fuzz json png --minutes 10
    """
    guided = not blind and importlib.util.find_spec("atheris") is not None
    names = targets or [*TARGETS]
    lock = Lock()
    with tqdm(total=round(len(names) * minutes * 60), unit="s", disable=None) as progress:

        def tick(seconds: float) -> None:
            with lock:
                progress.update(seconds)

        def fuzz(name: str) -> Run:
            return watch(
                registry.__name__,
                name,
                findings,
                seconds=minutes * 60,
                seed=seed,
                limit_s=limit,
                guided=guided,
                tick=tick,
            )

        with ThreadPoolExecutor(jobs) as pool:
            runs = []
            tqdm.write(
                f"{minutes:g} min each, {'guided by atheris' if guided else 'blind'}\n\n{_HEAD}"
            )
            for run in pool.map(fuzz, names):
                runs.append(run)
                tqdm.write(_line(run))
                sys.stdout.flush()
    sys.exit(any(run.findings for run in runs))


def _line(run: Run) -> str:
    inputs = max(1, run.inputs)
    cells = (
        run.name,
        f"{run.inputs:,}",
        f"{run.inputs / max(run.seconds, 0.1):,.0f}",
        f"{100 * run.accepted / inputs:.0f} %",
        f"{run.longest_s * 1000:,.0f} ms",
        f"{run.largest_kib / 1024:.0f} MiB",
        f"{run.growth_kib / 1024:.0f} MiB",
        ", ".join(run.findings) or "none",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
