"""Tables for people, JSON for programs, and the words for a change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from model_store.operations.evaluation import Evaluation

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from model_store.control.document import Change
    from model_store.stores.protocol import Store


def print_json(value: object) -> None:
    """Print anything that JSON knows."""
    click.echo(json.dumps(value, indent=2))


def print_table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> None:
    """Print aligned columns, each on one line however long, so that grep and cut can be used."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        texts = (
            text.rjust(width) if index in right else text.ljust(width)
            for index, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(texts).rstrip())


def print_change(
    store: Store, model: str, change: Change, *, as_json: bool, policy: str | None = None
) -> None:
    """Print the change, and which version is the default one now."""
    if as_json:
        print_json(change.model_dump(mode="json"))
        return
    click.echo(f"{model}: {describe(change)} (generation {change.generation})")
    control = change.control
    version = Evaluation(store, model, policy, control).default
    if control.unloaded:
        click.echo(f"No version of {model} is loaded until: glyph models load --model {model}")
        return
    pinned = ", pinned" if version == control.pinned else ""
    click.echo(f"Default version: {version or 'none'}{pinned}")
    if control.pinned not in {None, version}:
        click.echo(f"The pin on version {control.pinned} does not count while it is quarantined.")


def describe(change: Change) -> str:
    """Return a summary of the change."""
    words = [change.action]
    if change.action in {"canary", "shadow"}:
        share = change.control.canary if change.action == "canary" else change.control.shadow
        words.append(f"{share.percent:g} %" if share else "off")
    if change.label is not None and change.label != change.action:
        words.append(change.label)
    if change.action == "policy":
        words.append(change.control.policy or "left to the service")
    if change.action == "label" and change.version is None:
        words.append("removed")
    if change.version is not None:
        words.append(f"version {change.version}")
    return " ".join(words)
