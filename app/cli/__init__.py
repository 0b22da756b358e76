"""The command `glyph`: every subcommand is imported only once it is asked for."""

from __future__ import annotations

import os
import sys

import click

from app.cli.lazy_group import LazyGroup, Subcommand

NAME = "glyph"
FAILED = 1
INTERRUPTED = 130

SUBCOMMANDS = {
    "serve": Subcommand("app.cli.serve:cli", "Serve the models of a store over HTTP."),
    "train": Subcommand(
        "training.cli:cli", "Train a network and publish it as a version.", "training", "train"
    ),
    "models": Subcommand("model_store.cli:cli", "Look at versions, and decide which serve."),
    "keys": Subcommand("app.auth.cli:cli", "Create, list and revoke API keys."),
    "predict": Subcommand("app.cli.predict:cli", "Ask a running service about pictures."),
    "doctor": Subcommand("app.cli.doctor:cli", "Check what a service needs here, and what to do."),
    "completion": Subcommand("app.cli.completion:cli", "Print the completion script of a shell."),
}


@click.group(
    cls=LazyGroup,
    subcommands=SUBCOMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name=NAME)
def cli() -> None:
    """Train, publish and serve classifiers of small images.

    \b
    Examples:
      glyph serve
      glyph train --recipe softmax --data digits --model digits
      glyph models list
    """  # noqa: D301 - to click, the backspace character keeps the lines below apart


def main() -> None:
    """Run the command line; an error is one line on stderr: exit code 1, or 2 for wrong usage."""
    colour = False if os.environ.get("NO_COLOR") else None  # None is only on a terminal
    try:
        sys.exit(cli.main(prog_name=NAME, standalone_mode=False, color=colour) or 0)
    except click.exceptions.NoArgsIsHelpError as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except click.UsageError as exc:
        hint = f" See '{exc.ctx.command_path} --help'." if exc.ctx else ""
        _leave(exc.format_message() + hint, exc.exit_code)
    except click.ClickException as exc:
        _leave(exc.format_message(), exc.exit_code)
    except OSError as exc:
        _leave(str(exc), FAILED)
    except (KeyboardInterrupt, click.Abort):
        _leave("interrupted", INTERRUPTED)


def _leave(message: str, code: int) -> None:
    click.echo(f"{NAME}: {message}", err=True)
    sys.exit(code)
