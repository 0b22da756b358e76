"""A store of model versions in a bucket: <url>/<model>/<version>/.

metadata.json is created first, which only one publisher can do, and reserves the number; the
manifest is created last and makes the version one.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Unpack

from model_store.base.errors import (
    CorruptVersionError,
    PublishError,
    StoreError,
    VersionNotFoundError,
    explained,
)
from model_store.base.json_documents import (
    dump,
    parse_document,
    read_bytes,
    read_document,
    write_document,
)
from model_store.base.names import MODEL_NAME_PATTERN, require_model_name
from model_store.stores import transfer
from model_store.stores.base import StoreBase
from model_store.stores.bucket_history import BucketHistory
from model_store.stores.cache import CACHE_BYTES, Cache, default_cache
from model_store.stores.objects import Objects
from model_store.version.drafts import Draft, remove_abandoned
from model_store.version.manifest import MANIFEST, SIGNATURE, Manifest
from model_store.version.metadata import METADATA, Metadata
from model_store.version.numbers import next_version, parse_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from model_store.control.document import Audit, Change, Control
    from model_store.version.drafts import SignHook
    from model_store.version.metadata import Description

ABANDONED_AFTER = timedelta(hours=24)
"""A publisher that has written nothing for so long is taken for dead."""
_TRIES = 3
"""To find what was fetched just now in the cache, while others may be clearing it."""


class ObjectStore(StoreBase):
    """Reads and publishes versions below a URL; gives them out from a cache on this machine.

    Several processes may read and publish at once. An instance is not for several threads.
    """

    def __init__(
        self,
        location: str,
        cache: Path | None = None,
        cache_bytes: int | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare; nothing is read or made yet.

        Raises:
            StoreError: If a package for this kind of URL is missing.
        """
        self._objects = Objects(location)
        self._cache = Cache(cache or default_cache(), cache_bytes or CACHE_BYTES)
        self._now = now
        self._whole: dict[str, set[int]] = {}
        """Versions whose manifest has been seen, which need not be looked for again."""
        self._logs: dict[str, BucketHistory] = {}

    @property
    def location(self) -> str:
        """The URL, for messages."""
        return self._objects.url

    def models(self) -> list[str]:
        """Name every model that has at least one version; one request once they are known."""
        names = [name for name, stored in self._objects.listing().items() if stored is None]
        named = [name for name in names if re.fullmatch(MODEL_NAME_PATTERN, name)]
        return sorted(name for name in named if self._whole.get(name) or self.versions(name))

    def versions(self, model: str) -> list[int]:
        """Number every whole version of a model, oldest first; a model unknown has none.

        That is one request, and one more for each number that has had no manifest so far.
        """
        return sorted(self._find_whole(model, self._numbers(model)))

    def unfinished(self, model: str) -> list[int]:
        """Number what looks like a version but has no manifest: no reader takes it for one."""
        numbers = self._numbers(model)
        return sorted(set(numbers) - self._find_whole(model, numbers))

    def manifest(self, model: str, version: int) -> Manifest:
        """Read the list of a version's files, without looking at them."""
        data = self._existing(model, version)
        return Manifest.parse(self._objects.at(f"{_key(model, version)}/{MANIFEST}"), data)

    def metadata(self, model: str, version: int) -> Metadata:
        """Read what a version says about itself."""
        self._existing(model, version)
        key = f"{_key(model, version)}/{METADATA}"
        data = self._objects.read(key)
        if data is None:
            raise CorruptVersionError(self._objects.at(key), "is missing")
        return parse_document(self._objects.at(key), data, Metadata)

    def verify(self, model: str, version: int) -> Manifest:
        """Read every object of a version and recompute its digest, whatever the cache holds."""
        manifest = self._existing(model, version)
        with self._cache.draft() as draft:
            return transfer.download(self._objects, _key(model, version), manifest, draft)

    def fingerprint(self, model: str, version: int) -> str:
        """Return a text that changes whenever a file of a version does; no file is read for it."""
        return repr(sorted(map(str, self._objects.find(_key(model, version)).items())))

    def fetch(self, model: str, version: int) -> Path:
        """Return a directory of the cache that holds the whole version, every digest checked.

        Raises:
            VersionNotFoundError: If there is no such version.
            InvalidDocumentError: If its manifest is broken.
            CorruptVersionError: If an object is missing or not what the manifest says, or the
                version is another than was fetched before.
        """
        manifest = self._existing(model, version)
        signature = self._objects.read(f"{_key(model, version)}/{SIGNATURE}")
        place = f"{_folder(self.location)}/{_key(model, version)}"
        for _ in range(_TRIES):
            entry = self._cache.find(place, manifest)
            if entry is not None:
                self._cache.sign(entry, signature)
                return entry
            with self._cache.draft() as draft:
                transfer.download(self._objects, _key(model, version), manifest, draft)
                self._cache.keep(draft, place)
        raise StoreError(f"{self._cache.root / place} does not stay what it is, fetched {_TRIES}x")

    def control(self, model: str) -> Control:
        """Return the control document of a model; one that was never changed has the defaults."""
        return self._history(model).control()

    def history(self, model: str) -> list[Change]:
        """Return every change of the control document, oldest first."""
        return self._history(model).all()

    def change(
        self, model: str, action: str, edit: Callable[[Control], Control], **audit: Unpack[Audit]
    ) -> Change:
        """Apply an edit to the newest control document, atomically; nobody's change is lost.

        Raises:
            VersionNotFoundError: If there is no such model.
            ContentionError: If others' changes came first over and over.
        """
        self._require(model)
        return self._history(model).change(action, edit, **audit)

    @contextlib.contextmanager
    def draft(self, model: str) -> Iterator[Draft]:
        """Open a draft: a local directory that `commit` uploads as the next version."""
        require_model_name(model)
        with self._cache.draft() as path:
            yield Draft(path, partial(self._commit, model))

    def adopt(self, source: Path, model: str) -> int:
        """Copy a published version from a local directory, verified, under the number it has.

        Raises:
            CorruptVersionError: If the source is not what its manifest says.
            PublishError: If another version has that number already.
        """
        Manifest.read(source).verify(source)
        number = read_document(source / METADATA, Metadata).version
        key = _key(model, number)
        if not self._objects.create(f"{key}/{METADATA}", read_bytes(source / METADATA)):
            raise PublishError(f"{model} already has a version {number}")
        transfer.upload(self._objects, key, source)
        return number

    def add_signature(self, model: str, version: int, signature: bytes) -> None:
        """Put a signature beside a version's manifest, atomically; one that is there goes."""
        self._existing(model, version)
        self._objects.put(f"{_key(model, version)}/{SIGNATURE}", signature)

    def remove(self, model: str, version: int) -> None:
        """Delete a version; it vanishes for readers at once, then its objects go.

        Raises:
            StoreError: If it is pinned, or a label points at it.
        """
        manifest = self._existing(model, version)
        self._refuse_held(model, version)
        key = f"{_key(model, version)}/{MANIFEST}"
        self._objects.remove(key)
        try:
            self._refuse_held(model, version)  # by a change in the meantime
        except StoreError:
            self._objects.create(key, manifest)
            raise
        self._whole.get(model, set()).discard(version)
        transfer.clear(self._objects, _key(model, version))

    def clean(self, model: str) -> int:
        """Remove what killed publishers left here, or in the bucket more than a day ago."""
        self._require(model)
        keys = [_key(model, number) for number in self.unfinished(model)]
        abandoned = [key for key in keys if self._is_abandoned(key)]
        for key in abandoned:
            transfer.clear(self._objects, key)
        return len(abandoned) + remove_abandoned(self._cache.root)

    def _commit(self, model: str, path: Path, description: Description, sign_hook: SignHook) -> int:
        with explained("publish the version"):
            metadata = self._reserve(model, description)
            write_document(path / METADATA, metadata)
            write_document(path / MANIFEST, Manifest.of(path))
            sign_hook(path)
            transfer.upload(self._objects, _key(model, metadata.version), path)
        return metadata.version

    def _reserve(self, model: str, description: Description) -> Metadata:
        """Take the next number: whoever creates its metadata has it."""
        taken = self._numbers(model)
        while True:  # each number lost is one that another publisher won
            number = next_version(model, taken)
            metadata = Metadata.of(description, model, number, self._now())
            key = f"{_key(model, number)}/{METADATA}"
            if self._objects.create(key, dump(metadata).encode()):
                return metadata
            taken.append(number)

    def _numbers(self, model: str) -> list[int]:
        require_model_name(model)
        names = (name for name, stored in self._objects.listing(model).items() if stored is None)
        return sorted(filter(None, map(parse_version, names)))

    def _find_whole(self, model: str, numbers: list[int]) -> set[int]:
        whole = self._whole.get(model, set()) & set(numbers)
        others = [number for number in numbers if number not in whole]
        keys = [f"{_key(model, number)}/{MANIFEST}" for number in others]
        manifests = self._objects.read_all(keys)
        whole |= {n for n, data in zip(others, manifests, strict=True) if data is not None}
        self._whole[model] = whole
        return set(whole)

    def _existing(self, model: str, version: int) -> bytes:
        """Read a version's manifest, which makes it one."""
        require_model_name(model)
        data = self._objects.read(f"{_key(model, version)}/{MANIFEST}")
        if data is not None:
            return data
        self._whole.get(model, set()).discard(version)
        if version in self._numbers(model):
            where = self._objects.at(_key(model, version))
            raise VersionNotFoundError(f"{where}: has no {MANIFEST}, so it is no version")
        raise self._unknown(model, version)

    def _names(self, key: str) -> list[str]:
        return list(self._objects.listing(key))

    def _is_abandoned(self, key: str) -> bool:
        written = [self._objects.modified(f"{key}/{name}") for name in self._objects.find(key)]
        return max(written, default=self._now()) < self._now() - ABANDONED_AFTER

    def _history(self, model: str) -> BucketHistory:
        require_model_name(model)
        return self._logs.setdefault(model, BucketHistory(self._objects, model, self._now))

    def _require(self, model: str) -> None:
        require_model_name(model)
        if not self._objects.listing(model):
            raise VersionNotFoundError(f"{self.location} has no model {model!r}")


def _folder(location: str) -> str:
    """Name a store's part of the cache so that a person knows it and no two are the same."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", location)[:80].strip("-")
    return f"{readable}-{hashlib.sha256(location.encode()).hexdigest()[:12]}"


def _key(model: str, version: int) -> str:
    return f"{model}/{version}"
