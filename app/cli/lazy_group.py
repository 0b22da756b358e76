"""A click group that knows its subcommands by name, and imports one when it is run."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OWN = ("app", "imaging", "model_store", "training")
"""Packages that are always installed: that one of them lacks a module is a bug."""


class Subcommand(NamedTuple):
    """Where a subcommand is, and what can be said of it without importing it."""

    target: str
    """Module and attribute, with a colon between them."""
    summary: str
    purpose: str = ""
    """What it is for, as the subject of a sentence; named where its extra is missing."""
    extra: str | None = None
    """The extra of the distribution that it needs."""


class MissingExtraError(click.ClickException):
    """Raised when a subcommand needs packages that are not installed."""

    exit_code = 2

    def __init__(self, command: Subcommand) -> None:
        """Name the extra, and how to install it."""
        extra = command.extra
        super().__init__(
            f"{command.purpose} needs the extra '{extra}'; "
            f"install it with: pip install 'glyph[{extra}]'"
        )


class LazyGroup(click.Group):
    """Lists its subcommands without importing them."""

    def __init__(self, *args: Any, subcommands: Mapping[str, Subcommand], **kwargs: Any) -> None:
        """Take the subcommands by name, in the order in which help lists them."""
        super().__init__(*args, **kwargs)
        self._lazy = subcommands

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in their order."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a subcommand."""
        if cmd_name not in self._lazy:
            return None
        module, _, attribute = self._lazy[cmd_name].target.partition(":")
        try:
            with _uninterrupted():
                command: click.Command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as exc:
            raise _explained(exc, self._lazy[cmd_name]) from exc
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the summaries."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self._lazy.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names, and options as every command does."""
        names = [
            CompletionItem(name, help=entry.summary)
            for name, entry in self._lazy.items()
            if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand, which may import more of its extra."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as exc:
            raise _explained(exc, self._lazy.get(ctx.invoked_subcommand or "")) from exc


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait: while modules are imported, Python may turn it into any other error."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _explained(exc: ModuleNotFoundError, command: Subcommand | None) -> Exception:
    """Return the error that names the extra; a module of ours that is missing is a bug."""
    ours = (exc.name or "").partition(".")[0] in _OWN
    return exc if ours or command is None or not command.extra else MissingExtraError(command)
