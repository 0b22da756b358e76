"""The files of deploy, read once for the tests that look into them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def root():
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def compose():
    """Return docker-compose.yml."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="session")
def dockerfile():
    """Return the Dockerfile's instructions, comments left out and long lines joined."""
    text = (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="session")
def prometheus_config():
    """Return prometheus.yml."""
    return yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())


@pytest.fixture(scope="session")
def grafana_source():
    """Return the one provisioned data source."""
    path = ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml"
    (source,) = yaml.safe_load(path.read_text())["datasources"]
    return source


@pytest.fixture
def gunicorn_config(tmp_path):
    """Return a function that reads gunicorn's configuration as a master does, in a new process."""

    def read(**settings):
        program = (
            "import json, app.server.gunicorn_config as c\n"
            "print(json.dumps({k: v for k, v in vars(c).items() if k[0] != '_'}, default=str))"
        )
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GLYPH_")}
        environment |= {"GLYPH_RUN_DIR": str(tmp_path / "run")}
        environment |= {f"GLYPH_{name.upper()}": value for name, value in settings.items()}
        command = [sys.executable, "-c", program]
        return json.loads(subprocess.check_output(command, cwd=ROOT, env=environment))

    return read
