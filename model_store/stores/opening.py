"""Open a store by its location: a directory, or a URL such as s3://bucket/models."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from model_store.base.errors import StoreError
from model_store.stores.directory import ModelStore

if TYPE_CHECKING:
    from model_store.stores.protocol import Store


def open_store(
    location: str | Path, cache: Path | None = None, cache_bytes: int | None = None
) -> Store:
    """Open a store; nothing is read or made yet.

    Args:
        location: A directory, or a URL with a scheme. A URL must come as text: a Path drops one of
            its slashes.
        cache: Where versions from a URL are kept on this machine; None is a default place.
        cache_bytes: How much of them is kept; None is a default amount.

    Raises:
        StoreError: If what an object store needs is not installed.
    """
    if "://" not in str(location):
        return ModelStore(Path(location))
    try:  # only whoever uses an object store pays for the import, or needs it installed
        objects = import_module("model_store.stores.bucket")
    except ImportError as exc:
        raise StoreError(f"{location}: an object store needs {exc.name}, not installed") from exc
    return cast("Store", objects.ObjectStore(str(location), cache, cache_bytes))
