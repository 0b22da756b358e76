"""glyph-serve: starts gunicorn with the web workers and the model host."""

from __future__ import annotations

import os
import sys

from pydantic import SecretStr
from pydantic_settings import CliApp, SettingsConfigDict

from app.config.settings import PREFIX, Settings
from app.config.wrong_settings import exit_on_wrong_value


class ServeSettings(Settings):
    """Serve a model of the store over HTTP. Every option is also a variable: --bind is GLYPH_BIND.

    Examples: glyph-serve; glyph-serve --store /srv/models --model letters --bind 0.0.0.0:8000
    """

    model_config = SettingsConfigDict(
        cli_prog_name="glyph-serve",
        cli_kebab_case=True,
        cli_hide_none_type=True,
    )


def main() -> None:
    """Hand the options on through the environment, and become gunicorn."""
    with exit_on_wrong_value():
        given = CliApp.run(ServeSettings)
    for name in given.model_fields_set:
        value = getattr(given, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        os.environ[f"{PREFIX}{name.upper()}"] = text
    gunicorn = [sys.executable, "-m", "gunicorn"]
    os.execv(  # noqa: S606 - no shell is involved
        sys.executable, [*gunicorn, "-c", "python:app.server.gunicorn_config", "app.wsgi:app"]
    )
