"""The command that deletes old versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from model_store.cli.options import (
    examples,
    json_option,
    model_option,
    service_policy_option,
    store_option,
)
from model_store.cli.printing import print_json
from model_store.control.version_policy import policy_of
from model_store.operations.retention import clear, plan

if TYPE_CHECKING:
    from model_store.stores.protocol import Store


@click.command(epilog=examples("gc", "gc --keep 3 --dry-run --verbose"))
@click.option(
    "--keep",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Newest versions to keep.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be deleted, and delete nothing.")
@click.option("--verbose", is_flag=True, help="Print why each other version is kept.")
@service_policy_option
@store_option
@model_option
@json_option
def gc(
    keep: int,
    service_policy: str,
    store: Store,
    model: str,
    *,
    dry_run: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Delete old versions, and what killed publishers left behind.

    What may serve is kept: the default version and all that the policy, a pin or a label wants. The
    history is kept, too.
    """
    kept, doomed = plan(store, model, keep, policy_of(service_policy, model))
    drafts = 0
    if not dry_run:
        clear(store, model, doomed)
        drafts = store.clean(model)
    if as_json:
        print_json({"removed": doomed, "kept": kept, "abandoned_drafts": drafts})
        return
    if verbose:
        for version, reasons in kept.items():
            click.echo(f"Version {version} is kept: {', '.join(reasons)}.")
    names = ", ".join(map(str, doomed)) or "none"
    if dry_run:
        click.echo(f"Versions that would be removed: {names}.")
    else:
        click.echo(f"Versions removed: {names}. Abandoned drafts removed: {drafts}.")


COMMANDS = (gc,)
