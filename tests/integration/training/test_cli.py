"""glyph train as a scheduler runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from app.cli import main
from training import cli

PATIENCE_S = 60
QUICK = ("--recipe", "softmax", "--data", "digits")


@pytest.fixture
def train(store):
    """Return a function that starts the program in a process of its own, killed at the end."""
    started = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "app", "train", *arguments, "--store", str(store.root)]
        pipe = subprocess.PIPE
        # TensorFlow's log level leaks into the environment wherever it was imported before.
        env = {name: v for name, v in os.environ.items() if not name.startswith("TF_")}
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_digits_are_trained_and_published(train, store):
    """Exit code 0, a summary, a version that verifies, and nothing else on the terminal."""
    process = train(*QUICK, "--model", "digits", "--seed", "3")
    out, err = process.communicate()

    assert (0, "loading TensorFlow ...\n") == (process.returncode, err)
    metrics = store.metadata("digits", 1).metrics
    store.verify("digits", 1)
    assert metrics.accuracy > 0.8
    lines = out.splitlines()
    assert "digits: 1,438 training and 359 test images" == lines[1]
    assert re.fullmatch(r"epoch 8/8: training accuracy 0\.\d{4}, loss .*", lines[9])
    assert "published digits version 1" == lines[11]
    assert f"  accuracy  {metrics.accuracy:.2%} of 359 test images (95 % interval " in lines[12]
    assert f"  where     {store.path('digits', 1)}" in lines


def test_a_signal_during_the_fit_publishes_nothing(train, store):
    """Each has its exit code and its line, and the draft is gone."""
    cases = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
    processes = [train(*QUICK, "--epochs", "100000", "--model", word) for _, _, word in cases]
    for process, (number, code, word) in zip(processes, cases, strict=True):
        while not process.stdout.readline().startswith("epoch 1/"):
            assert process.poll() is None
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_S)

        assert code == process.returncode
        assert f"glyph: {word}; nothing was published" == err.splitlines()[-1]
        assert [".publish.lock"] == [path.name for path in (store.root / word).iterdir()]


def test_a_signal_during_the_commit_is_ignored(monkeypatch, store):
    """What is being published cannot be taken back, and is not reported as if it could."""
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}

    def commit(*_, before_commit, **__):
        before_commit()
        for number in handlers:
            os.kill(os.getpid(), number)
        raise cli.TrainingError("reached the end")

    monkeypatch.setattr("training.pipeline.run", commit)
    monkeypatch.setattr(sys, "argv", ["glyph", "train", *QUICK, "--store", str(store.root)])
    try:
        with pytest.raises(SystemExit) as caught:
            main()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    assert cli.FAILED == caught.value.code
