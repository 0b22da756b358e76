"""Writes the reference of the commands: `python -m tests.cli_reference > docs/reference/cli.md`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from app.cli import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 100


def cli_reference() -> str:
    """Return the help of every command as one page."""
    with click.Context(cli, info_name="glyph", **cli.context_settings) as context:
        pages = "\n".join(_sections(cli, context))
    return f"# Commands\n\nEvery option of `glyph serve` is a [setting](settings.md).\n\n{pages}"


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    context.max_content_width = context.terminal_width = _WIDTH
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            with click.Context(
                below, info_name=name, parent=context, **below.context_settings
            ) as inner:
                yield from _sections(below, inner)


if __name__ == "__main__":
    sys.stdout.write(cli_reference())
