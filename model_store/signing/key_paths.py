"""Where the trusted keys are, as a setting or an option says it; knows no cryptography."""

from __future__ import annotations

import os
import re
from pathlib import Path


def key_paths(text: str) -> tuple[Path, ...]:
    """Take paths apart that stand between commas, or as in PATH.

    Raises:
        ValueError: If there is none: nobody means to trust no key by naming keys.
    """
    parts = re.split(f"[,{re.escape(os.pathsep)}]", text)
    paths = tuple(Path(part.strip()) for part in parts if part.strip())
    if not paths:
        raise ValueError("paths of PEM files are expected, with commas")
    return paths
