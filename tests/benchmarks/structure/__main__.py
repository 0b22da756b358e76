"""python -m tests.benchmarks.structure: rooms, trips and sizes of a tree, of any commit.

git worktree add /tmp/before c0bf05e
python -m tests.benchmarks.structure rooms /tmp/before .
python -m tests.benchmarks.structure trips /tmp/before .
python -m tests.benchmarks.structure sizes app imaging model_store training client/glyph_client
pip install --no-deps --target /tmp/peers svcs starlette flask import-linter mosec mlserver
python -m tests.benchmarks.structure sizes /tmp/peers/{svcs,starlette,flask,importlinter}
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click

from tests.benchmarks.structure.calls import Call, Trip
from tests.benchmarks.structure.graph import folder_plan, read_plan
from tests.benchmarks.structure.sizes import read_sizes

FOLDER = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)
ROOT = Path(__file__).parents[3]
CONTAINERS = ("", "app.web", "app.server", "app.host", "model_store")
PACKAGES = ("app", "client", "imaging", "model_store", "training")


@click.group()
def main() -> None:
    """Measure the structure of source trees."""


@main.command()
@click.argument("trees", nargs=-1, required=True, type=FOLDER)
def rooms(trees: tuple[Path, ...]) -> None:
    """Count rooms, arrows between them, and cycles of folders."""
    for tree in trees:
        click.echo(tree)
        packages = tuple(name for name in PACKAGES if (tree / name).is_dir())
        for container in CONTAINERS:
            plan = read_plan(tree, packages, container)
            if plan.rooms:
                named = f"{len(plan.rooms):4} rooms {plan.arrow_count:4} arrows"
                click.echo(f"  {container or 'whole':12} {named}{_cycles(plan.cycles())}")
        plan = folder_plan(tree, packages)
        click.echo(f"  {'all folders':12} {len(plan.rooms):4}       {_cycles(plan.cycles())}")


@main.command()
@click.argument("trees", nargs=-1, required=True, type=FOLDER)
@click.option("--show", help="Print the calls of this trip as well.")
def trips(trees: tuple[Path, ...], show: str | None) -> None:
    """Count calls, modules and moves between modules of the five trips."""
    for tree in trees:
        click.echo(f"{tree}\n  {'':28} {'calls':>6} {'modules':>8} {'moves':>6}")
        for name, trip in _measure(tree).items():
            click.echo(f"  {name:28} {len(trip.calls):6} {trip.modules:8} {trip.moves:6}")
            if name == show:
                for call in trip.calls:
                    click.echo(f"    {call.module:44} {call.function}")


@main.command()
@click.argument("packages", nargs=-1, required=True, type=FOLDER)
def sizes(packages: tuple[Path, ...]) -> None:
    """Measure modules, functions and docstrings of packages, each for itself."""
    for package in packages:
        found = read_sizes(package.parent, package.rglob("*.py"))
        click.echo(f"{package.name}: {found.modules} modules, {found.functions} functions")
        click.echo(f"  lines of a module, median/p90/most     {_of(found.module_lines)}")
        click.echo(f"  lines of a function                    {_of(found.function_lines)}")
        click.echo(f"  complexity, mean                       {found.complexity:.2f}")
        click.echo(f"  functions whose result has a type      {found.annotated:.0%}")
        click.echo(f"  docstrings that begin with Return      {found.returning:.0%}")
        click.echo(f"  with Give, Say or Tell                 {found.commanded:.0%}")
        click.echo(f"  'what' in a thousand words             {found.what:.1f}")
        for module in found.long_modules:
            click.echo(f"  long: {module}")


def _measure(tree: Path) -> dict[str, Trip]:
    """Make the trips in a process that has the tree on its path."""
    environ = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "tests.benchmarks.structure.trips"]
    printed = subprocess.run(
        command, cwd=tree, env=environ, stdout=subprocess.PIPE, check=True, timeout=600
    ).stdout
    return {
        name: Trip([Call(*call) for call in calls]) for name, calls in json.loads(printed).items()
    }


def _cycles(found: list[frozenset[str]]) -> str:
    return "".join(f"\n               cycle: {', '.join(sorted(cycle))}" for cycle in found)


def _of(spread: tuple[int, int, int]) -> str:
    return "/".join(map(str, spread))


if __name__ == "__main__":
    main()
