"""glyph predict: without a service, and without the client's package."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from app.cli.predict import cli
from tests.service import free_port


@pytest.fixture
def predict(tmp_path):
    """Return a function that asks about a picture; returns the exit code and what is said."""
    Image.new("L", (28, 28)).save(tmp_path / "seven.png")

    def run(*options):
        result = CliRunner().invoke(cli, [str(tmp_path / "seven.png"), *options])
        return result.exit_code, result.output

    return run


def test_an_unreachable_service_is_named(predict):
    """With what to do."""
    url = f"http://127.0.0.1:{free_port()}"
    code, said = predict("--url", url)

    assert (1, True, True) == (code, f"no connection to {url}" in said, "glyph serve" in said)


def test_without_the_client_it_tells_how_to_install_it(predict, monkeypatch):
    """In one sentence."""
    monkeypatch.setitem(sys.modules, "glyph_client", None)
    code, said = predict()

    assert (2, True) == (code, "needs the package glyph-client; install it with" in said)
