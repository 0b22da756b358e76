"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app.config.settings import PREFIX, Settings

PACKAGES = ("gunicorn", "uvloop", "flask", "openvino", "tensorflow")


def describe() -> dict[str, str]:
    """Name the processor, the versions of what runs on it, and what was set for Glyph."""
    settings = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    given = {name: value for name, value in os.environ.items() if name in settings}
    return {
        "settings": " ".join(f"{name}={value}" for name, value in sorted(given.items())),
        "cpu": _cpu_model(Path("/proc/cpuinfo").read_text()),
        "cores": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
    }


def _cpu_model(cpuinfo: str) -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1] if found else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
