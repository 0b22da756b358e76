"""What native code prints is caught, and shown when it matters."""

from __future__ import annotations

import os

import pytest

from training.native_stderr import capture_native_stderr

STDERR = 2


def fail_to_import() -> None:
    os.write(STDERR, b"the real reason\n")
    raise ImportError


def test_native_output_is_caught(capfd):
    """What goes to the file descriptor does not reach the terminal; what comes after does."""
    with capture_native_stderr():
        os.write(STDERR, b"greetings\n")
    os.write(STDERR, b"afterwards\n")

    assert "afterwards\n" == capfd.readouterr().err


def test_native_output_is_shown_if_the_block_fails(capfd):
    """The reason for a failed import is often only there."""
    with pytest.raises(ImportError), capture_native_stderr():
        fail_to_import()

    assert "the real reason\n" == capfd.readouterr().err
