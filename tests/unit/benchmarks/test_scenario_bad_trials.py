"""Versions that misbehave in their trial: how they are made, and which sentences are true."""

from __future__ import annotations

import pytest

from tests.benchmarks.scenarios.bad_trials import is_true
from tests.benchmarks.scenarios.misbehaving import KINDS


@pytest.fixture
def version(tmp_path):
    """Make a directory with the files that kinds change."""
    for name in ("assets.extra/golden.npz", "variables/variables.index", "saved_model.pb"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(1000))
    (tmp_path / "variables" / "variables.data-00000-of-00001").write_bytes(bytes(1000))
    return tmp_path


def content(directory):
    """Read all files."""
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["abort", "fork", "scrambled graph", "cut weights"])
def test_a_kind_changes_the_version(kind, version):
    """By a file more, or by another content."""
    before = content(version)

    KINDS[kind](version, 1)

    assert before != content(version)


def test_a_sentence_is_true_of_its_kind():
    """And not of another, and silence of none."""
    ended = "its trial had not ended after 8 s (GLYPH_TRIAL_TIMEOUT_S); it computed for 0.4 s"

    assert is_true("sleep", ended)
    assert is_true("cut weights", "openvino f32: OpenVINO cannot load it: Variable index data")
    assert not is_true("abort", ended)
    assert not is_true("sleep", None)
