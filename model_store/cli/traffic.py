"""Commands that give a version a share of the traffic: canary and shadow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from model_store.cli.options import changing, examples, force_option
from model_store.cli.printing import print_change
from model_store.operations import operations

if TYPE_CHECKING:
    from model_store.stores.protocol import Store

OFF = 0
"""Stands for the word, where a version is expected."""


def _read_version(_ctx: click.Context, _param: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    if text == "off":
        return OFF
    if not re.fullmatch("[1-9][0-9]*", text):
        raise click.BadParameter(f"{text!r} is neither a version nor the word off")
    return int(text)


version_argument = click.argument(
    "version", required=False, metavar="[VERSION|off]", callback=_read_version
)
percent_option = click.option(
    "--percent",
    type=click.FloatRange(min=0, max=100, min_open=True),
    help="Share of the requests that name no version.",
)


@click.command(
    epilog=examples(
        "canary 4 --percent 10",
        "canary 4 --percent 10 --sticky-header X-User",
        "canary --percent 50",
        "canary off",
    )
)
@version_argument
@percent_option
@click.option("--sticky-header", help="Callers that send the same value of it stay together.")
@click.option("--label", default="canary", show_default=True, help="Label that the version gets.")
@force_option
@changing
def canary(
    *,
    version: int | None,
    percent: float | None,
    sticky_header: str | None,
    label: str,
    store: Store,
    model: str,
    reason: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Let VERSION answer a share of the requests; off ends it.

    Without VERSION it is the one that has the label already.
    """
    change = operations.canary(
        store,
        model,
        _share(version, percent),
        version or None,
        label=label,
        sticky_header=sticky_header,
        force=force,
        reason=reason,
    )
    print_change(store, model, change, as_json=as_json)


@click.command(epilog=examples("shadow 4 --percent 25", "shadow off"))
@version_argument
@percent_option
@click.option("--label", default="shadow", show_default=True, help="Label that the version gets.")
@force_option
@changing
def shadow(
    *,
    version: int | None,
    percent: float | None,
    label: str,
    store: Store,
    model: str,
    reason: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Let VERSION compute a share of the requests, too, after they were answered; off ends it.

    Callers see nothing of it; the metrics count how often it agrees.
    """
    change = operations.shadow(
        store,
        model,
        _share(version, percent),
        version or None,
        label=label,
        force=force,
        reason=reason,
    )
    print_change(store, model, change, as_json=as_json)


COMMANDS = (canary, shadow)


def _share(version: int | None, percent: float | None) -> float:
    if (version == OFF) is (percent is not None):
        raise click.UsageError("give --percent, or off")
    return percent or 0
