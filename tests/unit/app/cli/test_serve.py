"""glyph serve: hands its options on through the environment and becomes gunicorn."""

from __future__ import annotations

import os
import runpy
import sys

import pytest

from app.cli import main
from app.config.settings import Settings


class FakeExec:
    """Stands in for execv: notes what the process would have become."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.arguments: list[str] = []
        self.settings: dict[str, str] = {}

    def __call__(self, path, arguments):
        self.path = path
        self.arguments = arguments
        self.settings = {k: v for k, v in os.environ.items() if k.startswith("GLYPH_")}


@pytest.fixture
def execv(monkeypatch) -> FakeExec:
    fake = FakeExec()
    monkeypatch.setattr(os, "execv", fake)
    monkeypatch.setattr("app.cli.serve.hold_interrupts", lambda: None)
    monkeypatch.setattr(os, "environ", os.environ | {"COLUMNS": "80"})
    return fake


@pytest.fixture
def serve(monkeypatch, execv):  # noqa: ARG001 - no test becomes gunicorn
    """Return a function that runs the command line and returns its exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["glyph", "serve", *arguments])
        try:
            main()
        except SystemExit as exc:
            return exc.code
        return 0

    return run


def test_it_becomes_gunicorn(serve, execv):
    """The same Python, with the configuration that the settings make."""
    assert 0 == serve()
    assert sys.executable == execv.path
    assert [
        sys.executable,
        *("-m", "gunicorn", "-c", "python:app.server.gunicorn_config", "app.wsgi:app"),
    ] == execv.arguments


def test_it_is_also_a_module(monkeypatch, execv):
    """Python's -m app is the command as well."""
    monkeypatch.setattr(sys, "argv", ["app", "serve", "--model", "shapes"])
    with pytest.raises(SystemExit):
        runpy.run_module("app", run_name="__main__")

    assert {"GLYPH_MODEL": "shapes"} == execv.settings


def test_a_secret_is_handed_on_as_it_is(serve, execv, monkeypatch):
    """Though the settings show stars where it stands."""
    monkeypatch.setenv("GLYPH_ADMIN_TOKEN", "correct-horse-battery-staple")
    serve()

    assert {"GLYPH_ADMIN_TOKEN": "correct-horse-battery-staple"} == execv.settings


def test_without_options_nothing_is_set(serve, execv):
    """Defaults are the settings' own."""
    serve()

    assert {} == execv.settings


def test_options_become_variables(serve, execv):
    """Every process reads its settings from the environment alone."""
    serve("--store", "/srv/models", "--bind", "0.0.0.0:80", "--batch-wait-ms", "1.5")

    assert {
        "GLYPH_STORE": "/srv/models",
        "GLYPH_BIND": "0.0.0.0:80",
        "GLYPH_BATCH_WAIT_MS": "1.5",
    } == execv.settings


def test_an_option_wins_over_its_variable(serve, execv):
    """What is typed is meant; what is not typed is left as it was."""
    os.environ |= {"GLYPH_MODEL": "letters", "GLYPH_MAX_BATCH": "8"}
    serve("--model", "shapes")

    assert {"GLYPH_MODEL": "shapes", "GLYPH_MAX_BATCH": "8"} == execv.settings


def test_help_exits_with_0(serve, execv, capsys):
    """Every option is explained, and gunicorn is not started."""
    assert 0 == serve("--help")
    text = capsys.readouterr().out
    assert "Usage: glyph serve" in text
    assert "--max-batch NUMBER" in text
    assert "Largest batch, in images.  [default: 64]" in text
    assert execv.path is None


def test_help_speaks_no_python(serve, capsys):
    """A type is what a person types, and every setting has its option."""
    serve("--help")
    text = capsys.readouterr().out

    assert [] == [name for name in ("SecretStr", "Path", "None", "int ") if name in text]
    assert [] == [f for f in Settings.model_fields if f"--{f.replace('_', '-')} " not in text]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--max-batch", "0"), "GLYPH_MAX_BATCH='0': input should be greater than or equal to 1"),
        (("--max-images", "5000"), "GLYPH_MAX_IMAGES=5000 is more than GLYPH_QUEUE_LIMIT=4096"),
        (("--runtime", "onnx"), "GLYPH_RUNTIME='onnx': input should be 'auto', "),
        (("--max-batch",), "Option '--max-batch' requires an argument."),
        (("--port", "80"), "glyph: No such option"),
    ],
    ids=["bound", "cross-field", "choice", "no value", "unknown"],
)
def test_wrong_usage_exits_with_2(serve, execv, capsys, arguments, sentence):
    """The setting or option is named, and gunicorn is not started."""
    assert 2 == serve(*arguments)
    err = capsys.readouterr().err
    assert (True, 1) == (sentence in err, err.count("\n"))
    assert execv.path is None


def test_a_wrong_variable_is_found_by_the_command_as_well(serve, capsys, monkeypatch):
    """It does not take gunicorn to notice."""
    monkeypatch.setenv("GLYPH_MAX_BATCH", "many")

    assert 2 == serve()
    assert "GLYPH_MAX_BATCH='many': input should be a valid integer" in capsys.readouterr().err
