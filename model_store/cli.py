"""glyph-models: look at the versions in a store, check them, and clear old ones away."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model_store.errors import StoreError, VersionNotFoundError
from model_store.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

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
    """Look at the model versions in a store.

    \b
    Examples:
      glyph-models list
      glyph-models show 3
      glyph-models verify            # recompute every digest of every version
      glyph-models gc --keep 5
    """  # noqa: D301 - to click, the backspace character keeps the lines below apart


@cli.command("list")
@store_option
@json_option
def list_versions(root: Path, *, as_json: bool) -> None:
    """List every version of every model, with its accuracy."""
    store = ModelStore(root)
    rows = [_row(store, model, n) for model in store.models() for n in _numbers(store, model)]
    if as_json:
        _print_json(rows)
    elif not rows:
        click.echo(f"No versions in {root}. Train one: glyph-train --recipe softmax --data digits")
    else:
        _print_table([HEADINGS, *map(_cells, rows)], NUMERIC)


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
    _print_table(list(_flat(metadata)))


@cli.command()
@click.argument("version", type=int, required=False)
@store_option
@model_option
@json_option
def verify(version: int | None, root: Path, model: str, *, as_json: bool) -> None:
    """Recompute every digest of VERSION, or of all versions; exits 1 if one is damaged."""
    store = ModelStore(root)
    numbers = store.versions(model) if version is None else [version]
    if not numbers:
        raise VersionNotFoundError(f"{root} has no version of {model}")
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
    drafts = store.clean(model)
    if as_json:
        _print_json({"removed": doomed, "abandoned_drafts": drafts})
    else:
        names = ", ".join(map(str, doomed)) or "none"
        click.echo(f"Versions removed: {names}. Abandoned drafts removed: {drafts}.")


def main() -> None:
    """Run the command line; an expected error is one line on stderr and exit code 1."""
    try:
        cli()
    except (StoreError, OSError) as exc:
        click.echo(f"glyph-models: {exc}", err=True)
        sys.exit(FAILED)


def _numbers(store: ModelStore, model: str) -> list[int]:
    return sorted(store.versions(model) + store.unfinished(model))


def _row(store: ModelStore, model: str, version: int) -> dict[str, Any]:
    row: dict[str, Any] = {"model": model, "version": version}
    try:
        metadata = store.metadata(model, version)
        names = sorted(label for label, n in store.labels(model).items() if n == version)
    except StoreError as exc:
        return row | {"problem": str(exc)}
    return row | {
        "recipe": metadata.recipe,
        "dataset": metadata.dataset.name,
        "accuracy": metadata.metrics.accuracy,
        "parameters": metadata.parameter_count,
        "created": metadata.created.isoformat(timespec="seconds"),
        "labels": names,
        "problem": None,
    }


HEADINGS = ("MODEL", "VERSION", "RECIPE", "DATA", "ACCURACY", "PARAMETERS", "CREATED (UTC)", "")
NUMERIC = {1, 4, 5}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Give the texts of a row; the last says the labels or what is wrong."""
    if row["problem"]:
        return (row["model"], str(row["version"]), *5 * ("-",), row["problem"])
    return (
        row["model"],
        str(row["version"]),
        row["recipe"],
        row["dataset"],
        f"{row['accuracy']:.2%}",
        f"{row['parameters']:,}",
        f"{datetime.fromisoformat(row['created']).astimezone(UTC):%Y-%m-%d %H:%M}",
        ", ".join(row["labels"]),
    )


def _print_table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> None:
    """Print aligned columns, each on one line however long, so that grep and cut can be used."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        texts = (
            text.rjust(width) if index in right else text.ljust(width)
            for index, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(texts).rstrip())


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
