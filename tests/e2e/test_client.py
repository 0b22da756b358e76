"""The client and a real service."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## From Python\n")[2].partition("\n## ")[0]
EXAMPLES = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["blocking", "asynchronous"])
def test_the_readmes_examples_run_as_written(service, example, tmp_path):
    """They print what stands behind each print."""
    there = example.replace("http://127.0.0.1:8000", service.url)
    assert there != example

    command = [sys.executable, "-W", "error", "-c", there]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "" == ran.stderr
    assert re.findall(r"print\(.*\)  # (.*)", example) == ran.stdout.splitlines()
