"""Commands that change nothing: list, show, verify, history, diff."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model_store.base.errors import StoreError, VersionNotFoundError
from model_store.base.json_documents import flatten
from model_store.cli.options import (
    examples,
    json_option,
    model_option,
    service_policy_option,
    store_option,
)
from model_store.cli.printing import describe, print_json, print_table
from model_store.cli.signing import public_key_option
from model_store.control.version_policy import policy_of
from model_store.operations.comparison import compare
from model_store.operations.evaluation import Evaluation
from model_store.signing.signatures import verify_signature

if TYPE_CHECKING:
    from model_store.control.document import Canary, Change, Control, Shadow
    from model_store.operations.comparison import Comparison
    from model_store.signing.keys import PublicKey
    from model_store.stores.protocol import Store

DAMAGED = 1
_TRAIN = "glyph train --recipe softmax --data digits"


@click.command("list", epilog=examples("list", "list --store s3://bucket/models --json"))
@store_option
@service_policy_option
@json_option
def list_versions(store: Store, service_policy: str, *, as_json: bool) -> None:
    """List every version of every model, with its accuracy and what is decided about it."""
    location = str(store.location)
    if "://" not in location and not Path(location).is_dir():
        raise click.ClickException(
            f"there is no directory {location}; --store or GLYPH_STORE names the models' place, "
            f"and training makes it: {_TRAIN}"
        )
    rows = [
        row
        for model in store.models()
        for row in _rows(store, model, policy_of(service_policy, model))
    ]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo(f"No versions in {location}. Train one: {_TRAIN}")
    else:
        print_table([HEADINGS, *map(_cells, rows)], NUMERIC)


@click.command(epilog=examples("show 3"))
@click.argument("version", type=int)
@store_option
@model_option
@json_option
def show(version: int, store: Store, model: str, *, as_json: bool) -> None:
    """Show all that VERSION says about itself."""
    metadata = store.metadata(model, version).model_dump(mode="json")
    if as_json:
        print_json(metadata)
        return
    print_table([(field, _text(value)) for field, value in flatten(metadata)])


@click.command(epilog=examples("verify", "verify 3", "verify --public-key keys/public.pem"))
@click.argument("version", type=int, required=False)
@public_key_option
@store_option
@model_option
@json_option
def verify(
    version: int | None, keys: tuple[PublicKey, ...], store: Store, model: str, *, as_json: bool
) -> None:
    """Recompute every digest of VERSION, or of all versions; exits 1 if one is damaged.

    With public keys, one whose signature is missing or not good counts as damaged, too.
    """
    numbers = store.versions(model) if version is None else [version]
    if not numbers:
        raise VersionNotFoundError(f"{store.location} has no version of {model}")
    results = [_verdict(store, model, number, keys) for number in numbers]
    if as_json:
        print_json(results)
    else:
        for result in results:
            signed = f", signed by {result['signed_by'][:12]}…" if result["signed_by"] else ""
            click.echo(f"{model} {result['version']}: {result['problem'] or 'intact' + signed}")
    if any(result["problem"] for result in results):
        sys.exit(DAMAGED)


@click.command(epilog=examples("history", "history --last 20", "history --json"))
@click.option("--last", type=click.IntRange(min=1), help="Show only so many, the newest ones.")
@store_option
@model_option
@json_option
def history(last: int | None, store: Store, model: str, *, as_json: bool) -> None:
    """Show every change of the model's versions, oldest first: when, who, what and why."""
    changes = store.history(model)[-(last or 0) :]
    if as_json:
        print_json([change.model_dump(mode="json") for change in changes])
    elif not changes:
        click.echo(f"Nobody has changed anything about {model} in {store.location}.")
    else:
        print_table([("", "WHEN (UTC)", "WHO", "WHAT", "WHY"), *map(_line, changes)], {0})


@click.command(epilog=examples("diff 3 4", "diff 3 4 --json"))
@click.argument("a", type=int)
@click.argument("b", type=int)
@store_option
@model_option
@json_option
def diff(a: int, b: int, store: Store, model: str, *, as_json: bool) -> None:
    """Compare versions A and B: metrics, sizes, recipe, data, software, golden answers.

    Golden answers are those that Keras gave when the version was published. They are compared on
    the images that both versions have, to the byte.
    """
    comparison = compare(store, model, a, b)
    if as_json:
        print_json(comparison.model_dump(mode="json"))
    else:
        _print_comparison(comparison)


COMMANDS = (list_versions, show, verify, history, diff)


def _rows(store: Store, model: str, policy: str) -> list[dict[str, Any]]:
    numbers = sorted(store.versions(model) + store.unfinished(model))
    try:
        evaluation = Evaluation(store, model, policy)
    except StoreError as exc:
        return [{"model": model, "version": n, "problem": str(exc)} for n in numbers]
    return [_row(store, evaluation, model, number) for number in numbers]


def _row(store: Store, evaluation: Evaluation, model: str, version: int) -> dict[str, Any]:
    row: dict[str, Any] = {"model": model, "version": version}
    try:
        metadata = store.metadata(model, version)
    except StoreError as exc:
        return row | {"problem": str(exc)}
    control = evaluation.control
    entry = None if version in evaluation.good else control.quarantined.get(version)
    return row | {
        "recipe": metadata.recipe,
        "dataset": metadata.dataset.name,
        "accuracy": metadata.metrics.accuracy,
        "parameters": metadata.parameter_count,
        "created": metadata.created.isoformat(timespec="seconds"),
        "labels": sorted(name for name, number in control.labels.items() if number == version),
        "canary": _percent(control.canary, control, version),
        "shadow": _percent(control.shadow, control, version),
        "default": version == evaluation.default,
        "pinned": version == control.pinned,
        "quarantined": entry.reason if entry else None,
        "problem": None,
    }


def _percent(share: Canary | Shadow | None, control: Control, version: int) -> float | None:
    return share.percent if share and control.labels.get(share.label) == version else None


HEADINGS = ("MODEL", "VERSION", "RECIPE", "DATA", "ACCURACY", "PARAMETERS", "CREATED (UTC)", "")
NUMERIC = {1, 4, 5}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the texts of a row; the last is the state or the problem."""
    if row["problem"]:
        return (row["model"], str(row["version"]), *5 * ("-",), row["problem"])
    marks = [mark for mark in ("default", "pinned") if row[mark]]
    marks += [label for label in row["labels"] if not row.get(label)]
    marks += [f"{use} {row[use]:g} %" for use in ("canary", "shadow") if row[use]]
    if row["quarantined"]:
        marks.append(f"quarantined: {row['quarantined']}")
    return (
        row["model"],
        str(row["version"]),
        row["recipe"],
        row["dataset"],
        f"{row['accuracy']:.2%}",
        f"{row['parameters']:,}",
        _minute(datetime.fromisoformat(row["created"])),
        ", ".join(marks),
    )


def _verdict(store: Store, model: str, version: int, keys: tuple[PublicKey, ...]) -> dict[str, Any]:
    try:
        manifest = store.verify(model, version)
        store.metadata(model, version)
        signer = verify_signature(store.fetch(model, version), keys) if keys else None
    except StoreError as exc:
        return {"version": version, "digest": None, "signed_by": None, "problem": str(exc)}
    return {
        "version": version,
        "digest": manifest.digest,
        "signed_by": signer.id if signer else None,
        "problem": None,
    }


def _line(change: Change) -> tuple[str, ...]:
    when = _minute(change.at)
    return (str(change.generation), when, change.by, describe(change), change.reason or "")


def _print_comparison(comparison: Comparison) -> None:
    a, b = comparison.versions
    if comparison.differences:
        headings = ("", f"VERSION {a}", f"VERSION {b}", "CHANGE")
        rows = [
            (d.field, _text(d.a), _text(d.b), "" if d.change is None else f"{d.change:+,.6g}")
            for d in comparison.differences
        ]
        print_table([headings, *rows])
    if comparison.same:
        click.echo(f"The same in both: {', '.join(comparison.same)}")
    golden = comparison.golden
    if isinstance(golden, str):
        click.echo(f"Golden answers cannot be compared: {golden}")
        return
    click.echo(f"Golden images that both have: {golden.shared}")
    if golden.largest_difference is not None:
        click.echo(f"  class agrees on {golden.agreeing} of {golden.shared}")
        click.echo(f"  largest difference of a probability: {golden.largest_difference:.6f}")


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)
