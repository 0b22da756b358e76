"""A store is opened by its location."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from model_store import ModelStore, StoreError, open_store
from model_store.stores import opening


@pytest.mark.parametrize("location", ["some/models", Path("some/models")])
def test_a_path_is_a_directory(location):
    """Nothing is made."""
    store = open_store(location)

    assert isinstance(store, ModelStore)
    assert (Path("some/models"), "some/models") == (store.root, store.location)


def test_a_url_is_an_object_store(monkeypatch, tmp_path):
    """It gets the URL as it is, the cache and its bound."""
    module = ModuleType("model_store.stores.bucket")
    module.ObjectStore = lambda *given: given
    monkeypatch.setitem(sys.modules, module.__name__, module)

    given = ("s3://bucket/models", tmp_path, 7)
    assert given == open_store(*given)


def test_a_missing_package_is_named(monkeypatch):
    """Whoever has only directories needs none of it."""

    def fail(_name):
        raise ImportError("No module named 'fsspec'", name="fsspec")

    monkeypatch.setattr(opening, "import_module", fail)

    with pytest.raises(StoreError, match="s3://b/m: an object store needs fsspec, not installed"):
        open_store("s3://b/m")
