"""glyph doctor: what it finds, and when it is a problem."""

from __future__ import annotations

import json
import socket

import pytest
from click.testing import CliRunner

from app.cli.doctor import cli


@pytest.fixture
def doctor(monkeypatch, tmp_path):
    """Return a function that runs it on an empty store; returns the exit code and the findings."""
    monkeypatch.setenv("GLYPH_STORE", str(tmp_path / "models"))
    monkeypatch.setenv("GLYPH_BIND", f"unix:{tmp_path}/socket")
    monkeypatch.setattr("app.cli.doctor._TRIALS", {"openvino": "pass", "tensorflow": "pass"})

    def run():
        result = CliRunner().invoke(cli, ["--json"])
        return result.exit_code, {one["name"]: one for one in json.loads(result.stdout)}

    return run


def test_all_is_well(doctor):
    """Each thing that was looked at is named, without a problem."""
    code, findings = doctor()

    assert (0, set()) == (code, {one["problem"] for one in findings.values()} - {None})
    assert {"python", "openvino", "store", "address", "memory", "cores"} <= findings.keys()


def test_a_taken_port_is_a_problem(doctor, monkeypatch):
    """The setting is named."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("GLYPH_BIND", f"127.0.0.1:{other.getsockname()[1]}")
        code, findings = doctor()

    assert 1 == code
    assert findings["address"]["problem"].startswith("GLYPH_BIND='127.0.0.1:")


@pytest.mark.parametrize(
    "trial", ["raise SystemExit('no such device')", "import time; time.sleep(60)"]
)
def test_a_runtime_that_does_not_work_is_a_problem(doctor, monkeypatch, trial):
    """It fails or hangs in a process of its own."""
    monkeypatch.setattr("app.cli.doctor._TRIALS", {"openvino": trial})
    monkeypatch.setattr("app.cli.doctor._TRIAL_S", 1.0)
    code, findings = doctor()

    assert (1, True) == (code, "GLYPH_RUNTIME" in findings["runtime"]["problem"])


def test_an_unfinished_version_is_a_problem(doctor, tmp_path):
    """It is told why it does not serve."""
    (tmp_path / "models" / "mnist" / "1").mkdir(parents=True)
    (tmp_path / "models" / "mnist" / "2").mkdir()
    (tmp_path / "models" / "mnist" / "2" / "manifest.json").write_text("{")
    code, findings = doctor()

    assert (1, "damaged") == (code, findings["mnist 2"]["found"])
