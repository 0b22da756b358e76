"""glyph-models: look at the versions in a store, steer them, and clear old ones away."""

from __future__ import annotations

import sys

import click

from model_store.base.errors import StoreError
from model_store.cli import inspecting, retention, signing, traffic, versions

FAILED = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="glyph")
def cli() -> None:
    """Look at the model versions in a store, and say which of them serve.

    A running service follows within seconds. Every change is kept, with who, when and why.

    \b
    Examples:
      glyph-models list
      glyph-models diff 3 4
      glyph-models promote 4 --reason "better on sevens"
      glyph-models rollback --reason "slow"
      glyph-models history
      glyph-models gc --keep 5
    """  # noqa: D301 - to click, the backspace character keeps the lines below apart


for command in (
    *inspecting.COMMANDS,
    *versions.COMMANDS,
    *traffic.COMMANDS,
    *retention.COMMANDS,
    *signing.COMMANDS,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; an expected error is one line on stderr and exit code 1."""
    try:
        cli()
    except (StoreError, OSError) as exc:
        click.echo(f"glyph-models: {exc}", err=True)
        sys.exit(FAILED)
