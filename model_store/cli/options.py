"""Options that several commands share."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from model_store.control.version_policy import policy_of
from model_store.stores.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_store.stores.protocol import Store

CACHE, CACHE_MIB = "GLYPH_CACHE_DIR", "GLYPH_CACHE_MIB"


def _open(_ctx: click.Context, _param: click.Parameter, location: str) -> Store:
    if Path(location).is_file():
        raise click.BadParameter(f"{location} is a file; a directory or a URL is expected")
    cache, mib = os.environ.get(CACHE), os.environ.get(CACHE_MIB) or None
    if mib and not re.fullmatch("[1-9][0-9]{0,8}", mib):
        raise click.BadParameter(f"{CACHE_MIB}={mib!r} is no number of MiB")
    return open_store(location, Path(cache) if cache else None, int(mib) * 2**20 if mib else None)


def _check_policies(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    try:
        policy_of(value, "")
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc
    return value


store_option = click.option(
    "--store",
    envvar="GLYPH_STORE",
    default="models",
    show_default=True,
    show_envvar=True,
    metavar="PLACE",
    callback=_open,
    help="Where the models are: a directory, or a URL such as s3://bucket/models.",
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
reason_option = click.option("--reason", help="Why, for the history.")
force_option = click.option(
    "--force", is_flag=True, help="Take a version that has not passed a trial."
)
service_policy_option = click.option(
    "--service-policy",
    envvar="GLYPH_VERSION_POLICY",
    default="latest",
    show_default=True,
    show_envvar=True,
    callback=_check_policies,
    help="The service's version policy; counts where the model has none of its own.",
)


def changing(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every change to a command."""
    for option in (json_option, model_option, store_option, reason_option):
        command = option(command)
    return command


def examples(*lines: str) -> str:
    """Make the end of a help text."""
    return "\n".join(["\b", "Examples:", *(f"  glyph models {line}" for line in lines)])
