"""glyph train up to the point where TensorFlow would be needed."""

from __future__ import annotations

import signal
import sys

import numpy as np
import pytest

from app.cli import main


@pytest.fixture
def train(monkeypatch, tmp_path):
    """Return a function that runs the command in an empty directory and returns its exit code."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(tmp_path)
    for name in ("GLYPH_STORE", "GLYPH_MODEL", "GLYPH_DATA_DIR", "GLYPH_SIGNING_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["glyph", "train", *arguments])
        try:
            main()
        except SystemExit as exc:
            return exc.code
        return 0

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Missing option '--recipe'"),
        (("--recipe", "sotfmax"), "'sotfmax' is not one of 'cnn', 'compact', 'softmax'"),
        (("--recipe", "cnn", "--steps", "0"), "0 is not in the range x>=1"),
        (("--recipe", "cnn", "--seed", "-1"), "-1 is not in the range 0<=x<=2147483647"),
        (("--recipe", "cnn", "--steps", "1", "--epochs", "1"), "--steps or --epochs, not both"),
        (("--recipe", "cnn", "--data-dir", "nowhere"), "'nowhere' does not exist"),
    ],
    ids=["no recipe", "unknown recipe", "no steps", "negative seed", "two lengths", "no directory"],
)
def test_wrong_usage_exits_with_2(train, capsys, arguments, sentence):
    """The option and what it may be are in the sentence."""
    assert 2 == train(*arguments)
    assert sentence in capsys.readouterr().err


def test_wrong_data_exit_with_1_and_one_line(train, capsys):
    """No traceback, no TensorFlow, and no store for data that cannot be read."""
    np.savez("own.npz", x_train=np.zeros((3, 28, 28), np.uint8))

    assert 1 == train("--recipe", "softmax", "--data", "own.npz")
    expected = "glyph: own.npz: has no array 'y_train'; it has x_train\n"
    assert expected == capsys.readouterr().err


def test_the_machines_refusal_exits_with_1_and_one_line(train, capsys, monkeypatch):
    """A missing right is an expected error too, and names the file."""

    def refuse(*_):
        raise PermissionError(13, "Permission denied", "/data/train")

    monkeypatch.setattr("training.cli.load", refuse)

    assert 1 == train("--recipe", "softmax", "--data", "digits")
    expected = "glyph: [Errno 13] Permission denied: '/data/train'\n"
    assert expected == capsys.readouterr().err


def test_a_key_that_cannot_be_read_is_noticed_before_the_data_are(train, capsys):
    """Nobody fits for hours for a version that cannot be signed."""
    assert 1 == train("--recipe", "softmax", "--data", "nowhere", "--sign-key", "nowhere.pem")

    expected = "glyph: nowhere.pem: cannot be read: No such file or directory\n"
    assert expected == capsys.readouterr().err


def test_help_exits_with_0(train, capsys):
    """The help says what the exit codes mean, and gives an example per line."""
    assert 0 == train("--help")

    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "terminated. Whenever it is not 0, nothing was published." in lines
    assert "glyph train --recipe compact                     # the starter model's recipe" in lines
