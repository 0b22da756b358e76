"""The starter version, its golden images, and stores that hold copies of it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from model_store import Description, Golden, ModelStore
from model_store.seeding import STARTER

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "mnist"


class StarterStore(ModelStore):
    """A store whose versions are all the starter."""

    def publish(self) -> int:
        """Publish the starter again, as the next version."""
        metadata = ModelStore(STARTER).metadata(MODEL, 1)
        known = {name: getattr(metadata, name) for name in Description.model_fields}
        with self.draft(MODEL) as draft:
            shutil.copytree(STARTER / MODEL / "1", draft.path, dirs_exist_ok=True)
            (draft.path / "manifest.json").unlink()
            (draft.path / "metadata.json").unlink()
            return draft.commit(Description(**known))

    def publish_damaged(self) -> int:
        """Publish a version that lost a byte on its way, before anybody sees it."""
        aside = StarterStore(self.root.with_name("aside"))
        for _ in range(max(self.versions(MODEL), default=1)):
            aside.publish()
        number = aside.publish()
        weights = aside.path(MODEL, number) / "variables/variables.data-00000-of-00001"
        content = bytearray(weights.read_bytes())
        content[len(content) // 2] ^= 1
        weights.write_bytes(content)
        aside.path(MODEL, number).rename(self.path(MODEL, number))
        return number


@pytest.fixture(scope="session")
def starter() -> Path:
    return STARTER / MODEL / "1"


@pytest.fixture(scope="session")
def golden(starter) -> Golden:
    return Golden.read(starter)


@pytest.fixture
def store(tmp_path) -> StarterStore:
    """Give an empty store."""
    return StarterStore(tmp_path / "models")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Keep the settings of whoever runs the tests out of them."""
    for name in list(os.environ):
        if name.startswith(("GLYPH_", "PROMETHEUS_")):
            monkeypatch.delenv(name)
