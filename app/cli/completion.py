"""glyph completion: the script that has a shell complete the command."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def cli(ctx: click.Context, shell: str) -> None:
    """Print the script that has SHELL complete the command.

    \b
    Examples:
      eval "$(glyph completion bash)"          # in ~/.bashrc
      eval "$(glyph completion zsh)"           # in ~/.zshrc
      glyph completion fish | source           # in ~/.config/fish/config.fish
    """  # noqa: D301 - to click, the backspace character keeps the lines below apart
    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"click knows no completion of {shell}")
    root = ctx.find_root()
    name = root.info_name or "glyph"
    variable = f"_{name.replace('-', '_').upper()}_COMPLETE"
    click.echo(kind(root.command, {}, name, variable).source())
