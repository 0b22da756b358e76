"""Versions to publish: good ones whose answers tell which one gave them, and bad ones.

They are made from the starter once, in a process of its own, and kept in the temporary directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from model_store import Description, Golden
from model_store.operations.starter import STARTER
from model_store.version.drafts import unsigned
from tests.service import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from model_store import Store
    from model_store.version.drafts import SignHook

MNIST = ("good-0", "good-1", "good-2")
"""They agree but on marked images, where each moves the probabilities on by so many classes."""
SHAPES = ("shapes-0", "shapes-1")
"""Likewise, and they take images of shape (32, 32, 3)."""
_DESCRIPTION = "description.json"
_INK = 255


def variants() -> Path:
    """Return the directory with all variants; create them if they are missing."""
    return made("make_variants")


def made(maker: str) -> Path:
    """Return the directory that a module beside this one makes; it is made once."""
    sources = (Path(__file__).with_name(f"{maker}.py"), STARTER / "mnist" / "1" / "manifest.json")
    digest = hashlib.sha256(b"".join(map(Path.read_bytes, sources))).hexdigest()[:12]
    place = Path(tempfile.gettempdir()) / f"glyph-{maker}-{os.getuid()}-{digest}"
    if not place.is_dir():
        aside = tempfile.mkdtemp(prefix=f"{place.name}-")
        command = [sys.executable, "-m", f"tests.benchmarks.scenarios.{maker}", aside]
        subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
        with contextlib.suppress(OSError):  # another process was faster
            Path(aside).rename(place)
        shutil.rmtree(aside, ignore_errors=True)
    return place


def publish(store: Store, model: str, variant: str, sign_hook: SignHook = unsigned) -> int:
    """Publish a variant as the next version of a model; gives its number."""
    return publish_directory(store, model, variants() / variant, lambda _made: None, sign_hook)


def publish_directory(
    store: Store,
    model: str,
    source: Path,
    change: Callable[[Path], None],
    sign_hook: SignHook = unsigned,
) -> int:
    """Publish a directory as the next version of a model, changed on the way; gives its number."""
    description = Description.model_validate_json((source / _DESCRIPTION).read_bytes())
    with store.draft(model) as draft:
        shutil.copytree(source, draft.path, dirs_exist_ok=True)
        change(draft.path)
        (draft.path / _DESCRIPTION).unlink()
        return draft.commit(description, sign_hook)


def marked(variant: str, count: int) -> NDArray[np.uint8]:
    """Return images that a variant and its peers disagree about; at most 32."""
    images = Golden.read(variants() / variant).images[::2][:count]
    assert (images[:, 0, 0] == _INK).all()
    return images


def unmarked(variant: str, count: int) -> NDArray[np.uint8]:
    """Return images that a variant and its peers agree about; at most 32."""
    return Golden.read(variants() / variant).images[1::2][:count]
