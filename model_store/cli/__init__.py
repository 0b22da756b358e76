"""glyph models: look at the versions in a store, steer them, and clear old ones away."""

from __future__ import annotations

from typing import Any

import click

from model_store.base.errors import StoreError
from model_store.cli import inspecting, retention, signing, traffic, versions


class _Models(click.Group):
    """Reports what is wrong with the store as a command's error."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StoreError as exc:
            raise click.ClickException(str(exc)) from exc


@click.group(cls=_Models, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Look at the model versions in a store, and say which of them serve.

    A running service follows within seconds. Every change is kept, with who, when and why.

    \b
    Examples:
      glyph models list
      glyph models diff 3 4
      glyph models promote 4 --reason "better on sevens"
      glyph models rollback --reason "slow"
      glyph models history
      glyph models gc --keep 5
    """  # noqa: D301 - to click, the backspace character keeps the lines below apart


for command in (
    *inspecting.COMMANDS,
    *versions.COMMANDS,
    *traffic.COMMANDS,
    *retention.COMMANDS,
    *signing.COMMANDS,
):
    cli.add_command(command)
