"""Checks that the runtime is installed, without importing it."""

from __future__ import annotations

from importlib.util import find_spec

from app.config.wrong_settings import WrongSettingError

_EXTRAS = {"openvino": "glyph", "tensorflow": "glyph[tensorflow]"}
"""Runtime, which is the name of its module as well -> what brings it."""


def check_runtime(runtime: str) -> None:
    """Check a choice of runtime.

    Raises:
        WrongSettingError: If it is not installed.
    """
    choices = list(_EXTRAS) if runtime == "auto" else [runtime]
    if not any(find_spec(name) for name in choices):
        extra = _EXTRAS[choices[0]]
        problem = f"{' or '.join(choices)} is not installed; install it with pip install '{extra}'"
        raise WrongSettingError("runtime", runtime, problem)
