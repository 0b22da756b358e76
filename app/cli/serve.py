"""glyph serve: starts gunicorn with the web workers and the model host."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

from app.config.settings import PREFIX, Settings
from app.config.wrong_settings import exit_on_wrong_value
from app.server.interrupts import hold_interrupts

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo

_NUMBERS = (int, float)


def _take_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for every setting to a command; the settings themselves check the values."""
    for name, field in reversed(Settings.model_fields.items()):
        default = "" if field.default is None else f"  [default: {field.default}]"
        option = click.option(
            f"--{name.replace('_', '-')}",
            name,
            metavar=_metavar(field),
            help=f"{field.description}.{default}",
        )
        command = option(command)
    return command


def _metavar(field: FieldInfo) -> str:
    kinds = {field.annotation, *get_args(field.annotation)}
    if get_origin(field.annotation) is Literal:
        return f"[{'|'.join(get_args(field.annotation))}]"
    return "NUMBER" if kinds.intersection(_NUMBERS) else "TEXT"


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "show_default": False},
    epilog="Examples: glyph serve; "
    "glyph serve --store /srv/models --model letters --bind 0.0.0.0:8000",
)
@_take_settings
def cli(**options: Any) -> None:
    """Serve the models of a store over HTTP.

    Every option is also a variable: --bind is GLYPH_BIND.
    """
    for name, value in options.items():
        if value is not None:
            os.environ[f"{PREFIX}{name.upper()}"] = value
    with exit_on_wrong_value():
        Settings()
    gunicorn = [sys.executable, "-m", "gunicorn"]
    hold_interrupts()  # until gunicorn's master handles them
    os.execv(  # noqa: S606 - no shell is involved
        sys.executable, [*gunicorn, "-c", "python:app.server.gunicorn_config", "app.wsgi:app"]
    )
