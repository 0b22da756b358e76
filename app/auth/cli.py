"""glyph keys: make, list and revoke API keys."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from app.auth.key_file import (
    NAME_PATTERN,
    ApiKey,
    ApiKeysError,
    create_key,
    read_keys,
    revoke_key,
)
from app.config.rates import check_rate


def _check_name(_ctx: click.Context, _param: click.Parameter, name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise click.BadParameter(
            f"{name!r}: up to 64 letters, digits, dots, dashes and underscores are expected"
        )
    return name


def _check_limit(_ctx: click.Context, _param: click.Parameter, limit: str | None) -> str | None:
    try:
        return None if limit is None else check_rate(limit)
    except ValueError as exc:
        raise click.BadParameter(f"{limit!r}: {exc}") from exc


file_option = click.option(
    "--file",
    "path",
    envvar="GLYPH_API_KEYS_FILE",
    show_envvar=True,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the names and digests of the keys are kept.",
)
name_argument = click.argument("name", callback=_check_name)


class _Keys(click.Group):
    """Reports what is wrong with the file of keys as a command's error."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ApiKeysError as exc:
            raise click.ClickException(str(exc)) from exc


@click.group(cls=_Keys, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Make, list and revoke the API keys of a service.

    A running service follows within a second or two. Keys themselves are kept nowhere.

    \b
    Examples:
      export GLYPH_API_KEYS_FILE=keys.json
      glyph keys create anna
      glyph keys create batch-job --limit 100/minute --days 90
      glyph keys list
      glyph keys revoke anna
    """  # noqa: D301 - to click, the backspace character keeps the lines below apart


@cli.command(epilog="Example: glyph keys create batch-job --limit 100/minute --days 90")
@name_argument
@click.option(
    "--limit", callback=_check_limit, help="Such as 100/minute.  [default: GLYPH_RATE_LIMIT]"
)
@click.option(
    "--days", type=click.IntRange(1, 36_500), help="How long it is good.  [default: until revoked]"
)
@file_option
def create(name: str, limit: str | None, days: int | None, path: Path) -> None:
    """Make a key for NAME and print it, this once."""
    key = create_key(path, name, limit=limit, days=days)
    click.echo(f"The key of {name}; it is shown only once and is not stored:", err=True)
    click.echo(key)


@cli.command("list", epilog="Example: glyph keys list --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@file_option
def list_keys(path: Path, *, as_json: bool) -> None:
    """List names, limits and dates."""
    keys = read_keys(path)
    if as_json:
        click.echo(json.dumps([key.model_dump(mode="json", exclude={"sha256"}) for key in keys]))
        return
    width = max((len(key.name) for key in keys), default=0)
    for key in keys:
        click.echo(f"{key.name:<{width}}  {_about(key)}")


@cli.command(epilog="Example: glyph keys revoke anna")
@name_argument
@file_option
def revoke(name: str, path: Path) -> None:
    """Revoke the key of NAME."""
    revoke_key(path, name)
    click.echo(f"The key of {name} is revoked.")


def _about(key: ApiKey) -> str:
    parts = [f"created {key.created:%Y-%m-%d}"]
    if key.expires is not None:
        parts.append(f"expires {key.expires:%Y-%m-%d}")
    if key.limit is not None:
        parts.append(f"at most {key.limit}")
    return ", ".join(parts)
