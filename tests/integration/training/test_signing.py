"""glyph train signs what it publishes, if it is given a key."""

from __future__ import annotations

import os
import subprocess
import sys

from model_store.signing.keys import write_pair
from model_store.signing.signatures import verify_signature


def test_what_is_trained_is_signed(store, tmp_path):
    """The signature comes with the version, and is good."""
    public = write_pair(tmp_path)
    command = [sys.executable, "-m", "app", "train", "--recipe", "softmax", "--data", "digits"]
    command += ["--epochs", "1", "--store", str(store.root)]
    # TensorFlow's log level leaks into the environment wherever it was imported before.
    env = {name: v for name, v in os.environ.items() if not name.startswith("TF_")}
    env["GLYPH_SIGNING_KEY"] = str(tmp_path / "private.pem")

    subprocess.run(command, env=env, capture_output=True, check=True)

    store.verify("mnist", 1)
    assert public is verify_signature(store.path("mnist", 1), (public,))
