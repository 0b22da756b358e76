"""Numbered, immutable, verified model versions: the contract between training and serving.

Owns the layout on disk, the metadata and manifest formats and the atomic publish. Knows no model
runtime: to this package a SavedModel is a set of files with digests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model_store.base.errors import (
    CorruptVersionError,
    InvalidDocumentError,
    KeyFileError,
    SignatureError,
    StoreError,
    StoreUnavailableError,
    VersionNotFoundError,
)
from model_store.control.document import Canary, Change, Control, Quarantine, Shadow
from model_store.stores.directory import ModelStore
from model_store.stores.opening import open_store
from model_store.stores.protocol import Store
from model_store.version.drafts import Draft
from model_store.version.manifest import Manifest
from model_store.version.metadata import (
    Acceptance,
    Dataset,
    Description,
    InputSpec,
    Metadata,
    Metrics,
    OutputSpec,
)

if TYPE_CHECKING:
    from model_store.version.golden import Golden

__all__ = [
    "Acceptance",
    "Canary",
    "Change",
    "Control",
    "CorruptVersionError",
    "Dataset",
    "Description",
    "Draft",
    "Golden",
    "InputSpec",
    "InvalidDocumentError",
    "KeyFileError",
    "Manifest",
    "Metadata",
    "Metrics",
    "ModelStore",
    "OutputSpec",
    "Quarantine",
    "Shadow",
    "SignatureError",
    "Store",
    "StoreError",
    "StoreUnavailableError",
    "VersionNotFoundError",
    "open_store",
]


def __getattr__(name: str) -> Any:
    """Import golden images when they are asked for: numpy starts threads, and some of us fork."""
    if name == "Golden":
        from model_store.version.golden import Golden  # noqa: PLC0415

        return Golden
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
