"""glyph-models: look at the versions in a store, check them, and clear old ones away."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from model_store.errors import StoreError
from model_store.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Iterable

FAILED = 1

store_option = click.option(
    "--store",
    "root",
    envvar="GLYPH_STORE",
    default="models",
    show_default=True,
    show_envvar=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory that holds the models.",
)
model_option = click.option(
    "--model",
    envvar="GLYPH_MODEL",
    default="mnist",
    show_default=True,
    show_envvar=True,
    help="Model whose versions are meant.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="glyph")
def cli() -> None:
    r"""Look at the model versions in a store.

    \b
    Examples:
      glyph-models list
      glyph-models show 3
      glyph-models verify            # recompute every digest of every version
      glyph-models gc --keep 5
    """


@cli.command("list")
@store_option
@json_option
def list_versions(root: Path, *, as_json: bool) -> None:
    """List every version of every model, with its accuracy."""
    store = ModelStore(root)
    rows = [_row(store, model, n) for model in store.models() for n in store.versions(model)]
    if as_json:
        _print_json(rows)
    elif not rows:
        click.echo(f"No versions in {root}. Train one: glyph-train --recipe softmax --data digits")
    else:
        _print_table(rows)


@cli.command()
@click.argument("version", type=int)
@store_option
@model_option
@json_option
def show(version: int, root: Path, model: str, *, as_json: bool) -> None:
    """Show all that VERSION says about itself."""
    metadata = ModelStore(root).metadata(model, version).model_dump(mode="json")
    if as_json:
        _print_json(metadata)
        return
    table = Table(show_header=False, box=None)
    for field, value in _flat(metadata):
        table.add_row(field, value)
    Console().print(table)


@cli.command()
@click.argument("version", type=int, required=False)
@store_option
@model_option
@json_option
def verify(version: int | None, root: Path, model: str, *, as_json: bool) -> None:
    """Recompute every digest of VERSION, or of all versions; exits 1 if one is damaged."""
    store = ModelStore(root)
    numbers = store.versions(model) if version is None else [version]
    results = [_verdict(store, model, number) for number in numbers]
    if as_json:
        _print_json(results)
    else:
        for result in results:
            click.echo(f"{model} {result['version']}: {result['problem'] or 'intact'}")
    if any(result["problem"] for result in results):
        sys.exit(FAILED)


@cli.command()
@click.option(
    "--keep",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Newest versions to keep.",
)
@store_option
@model_option
@json_option
def gc(keep: int, root: Path, model: str, *, as_json: bool) -> None:
    """Delete old versions, but never a labelled one, and what killed publishers left behind."""
    store = ModelStore(root)
    labelled = set(store.labels(model).values())
    doomed = [n for n in store.versions(model)[:-keep] if n not in labelled]
    for number in doomed:
        store.remove(model, number)
    drafts = store.clean(model) if (root / model).is_dir() else 0
    if as_json:
        _print_json({"removed": doomed, "abandoned_drafts": drafts})
    else:
        names = ", ".join(map(str, doomed)) or "none"
        click.echo(f"Versions removed: {names}. Abandoned drafts removed: {drafts}.")


def main() -> None:
    """Run the command line; an expected error is one line on stderr and exit code 1."""
    try:
        cli()
    except StoreError as exc:
        click.echo(f"glyph-models: {exc}", err=True)
        sys.exit(FAILED)


def _row(store: ModelStore, model: str, version: int) -> dict[str, Any]:
    names = sorted(label for label, n in store.labels(model).items() if n == version)
    row: dict[str, Any] = {"model": model, "version": version, "labels": names}
    try:
        metadata = store.metadata(model, version)
    except StoreError as exc:
        return row | {"problem": str(exc)}
    return row | {
        "recipe": metadata.recipe,
        "dataset": metadata.dataset.name,
        "accuracy": metadata.metrics.accuracy,
        "parameters": metadata.parameter_count,
        "created": metadata.created.isoformat(timespec="seconds"),
        "problem": None,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold")
    for heading in COLUMNS:
        table.add_column(heading, justify="right" if heading in NUMERIC else "left")
    for row in rows:
        if row["problem"]:
            table.add_row(row["model"], str(row["version"]), f"[red]{row['problem']}[/red]")
            continue
        table.add_row(
            row["model"],
            str(row["version"]),
            row["recipe"],
            row["dataset"],
            f"{row['accuracy']:.2%}",
            f"{row['parameters']:,}",
            row["created"],
            ", ".join(row["labels"]),
        )
    Console().print(table)


COLUMNS = ("model", "version", "recipe", "data set", "accuracy", "parameters", "created", "labels")
NUMERIC = {"version", "accuracy", "parameters"}


def _verdict(store: ModelStore, model: str, version: int) -> dict[str, Any]:
    try:
        manifest = store.verify(model, version)
        store.metadata(model, version)
    except StoreError as exc:
        return {"version": version, "digest": None, "problem": str(exc)}
    return {"version": version, "digest": manifest.digest, "problem": None}


def _flat(value: object, prefix: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list):
        yield prefix, ", ".join(map(str, value))
    else:
        yield prefix, str(value)


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))
