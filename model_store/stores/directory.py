"""A store of model versions in a local directory: <root>/<model>/<version>/."""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Unpack

from model_store.base.errors import (
    PublishError,
    StoreError,
    VersionNotFoundError,
    explained,
    printable,
)
from model_store.base.json_documents import read_document, sync, sync_tree, write_document
from model_store.base.names import MODEL_NAME_PATTERN, require_model_name
from model_store.stores.base import StoreBase
from model_store.stores.directory_history import DirectoryHistory
from model_store.version import drafts
from model_store.version.drafts import Draft
from model_store.version.manifest import MANIFEST, SIGNATURE, Manifest
from model_store.version.metadata import METADATA, Metadata
from model_store.version.numbers import next_version, parse_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from model_store.control.document import Audit, Change, Control
    from model_store.version.drafts import SignHook
    from model_store.version.metadata import Description

_LOCK = ".publish.lock"


class ModelStore(StoreBase):
    """Reads and publishes versions below a root directory.

    A version is a directory with an integer name and a manifest; anything else is ignored. Several
    processes may read and publish at once.
    """

    def __init__(self, root: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.root = root
        self._now = now

    @property
    def location(self) -> str:
        """Return the store's path."""
        return printable(str(self.root))

    @explained("list the models")
    def models(self) -> list[str]:
        """Name every model that has at least one version."""
        if not self.root.is_dir():
            return []
        names = (path.name for path in self.root.iterdir() if path.is_dir())
        return sorted(n for n in names if re.fullmatch(MODEL_NAME_PATTERN, n) and self.versions(n))

    @explained("list the versions")
    def versions(self, model: str) -> list[int]:
        """Number every whole version of a model, oldest first; a model unknown has none."""
        return [n for n in self._numbers(model) if self._is_whole(model, n)]

    @explained("list the versions")
    def unfinished(self, model: str) -> list[int]:
        """Number what looks like a version but has no manifest: no reader takes it for one."""
        return [n for n in self._numbers(model) if not self._is_whole(model, n)]

    def path(self, model: str, version: int) -> Path:
        """Return the path of a version, existing or not."""
        require_model_name(model)
        return self.root / model / str(version)

    def fetch(self, model: str, version: int) -> Path:
        """Return the directory that holds the whole version.

        Raises:
            VersionNotFoundError: If there is no such version.
        """
        return self._existing(model, version)

    def manifest(self, model: str, version: int) -> Manifest:
        """Read the list of a version's files, without looking at them.

        Raises:
            VersionNotFoundError: If there is no such version.
            InvalidDocumentError, CorruptVersionError: If the manifest is broken.
        """
        return Manifest.read(self._existing(model, version))

    def fingerprint(self, model: str, version: int) -> str:
        """Return a text that changes whenever a file of a version does; no file is read for it."""
        directory = self.path(model, version)
        try:
            stats = {str(path): path.stat() for path in directory.rglob("*") if path.is_file()}
        except OSError as exc:  # a reader is told; until that changes there is nothing to see
            return str(exc)
        facts = ((path, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for path, s in stats.items())
        return ";".join(sorted(map(str, facts)))

    def metadata(self, model: str, version: int) -> Metadata:
        """Read what a version says about itself.

        Raises:
            VersionNotFoundError: If there is no such version.
            InvalidDocumentError: If metadata.json is broken; names the field.
        """
        return read_document(self._existing(model, version) / METADATA, Metadata)

    def verify(self, model: str, version: int) -> Manifest:
        """Recompute every digest of a version.

        Raises:
            VersionNotFoundError: If there is no such version.
            InvalidDocumentError: If the manifest is broken.
            CorruptVersionError: If any file is missing, unexpected or different.
        """
        directory = self._existing(model, version)
        manifest = Manifest.read(directory)
        manifest.verify(directory)
        return manifest

    @explained("read the control document")
    def control(self, model: str) -> Control:
        """Return the control document of a model; one that was never changed has the defaults.

        Raises:
            InvalidDocumentError: If the newest generation, or labels.json where there is none, is
                broken.
        """
        return self._history(model).control()

    @explained("read the history")
    def history(self, model: str) -> list[Change]:
        """Return every change of the control document, oldest first."""
        return self._history(model).all()

    @explained("change the control document")
    def change(
        self, model: str, action: str, edit: Callable[[Control], Control], **audit: Unpack[Audit]
    ) -> Change:
        """Apply an edit to the newest control document, atomically; nobody's change is lost.

        Args:
            model: A model that is in the store.
            action: What is done, in a word.
            edit: Gives the new document, or raises StoreError to refuse. It is called again when
                somebody else's change came first.
            audit: Who does it, to which version and label, and why.

        Raises:
            VersionNotFoundError: If there is no such model.
            ContentionError: If others' changes came first over and over.
        """
        self._directory(model)
        return self._history(model).change(action, edit, **audit)

    @contextlib.contextmanager
    def draft(self, model: str) -> Iterator[Draft]:
        """Open a draft: a directory of its own that `commit` turns into the next version.

        Leaving the block without a commit removes the draft. A draft whose publisher was killed is
        removed by the next one.
        """
        with drafts.begin(self.path(model, 0).parent, _LOCK) as path:
            yield Draft(path, partial(self._commit, model))

    def adopt(self, source: Path, model: str) -> int:
        """Copy a published version from elsewhere, verified, under the number it has.

        It is copied beside the models: a copy that is killed is no history of the model.

        Raises:
            CorruptVersionError: If the source is not what its manifest says.
            PublishError: If another version has that number already.
        """
        Manifest.read(source).verify(source)
        number = read_document(source / METADATA, Metadata).version
        directory = self.path(model, number).parent
        with drafts.begin(self.root, _LOCK) as path, explained("copy the version"):
            shutil.copytree(source, path, dirs_exist_ok=True)
            sync_tree(path)
            directory.mkdir(exist_ok=True)
            if not self._take(model, path, number):
                raise PublishError(f"{model} already has a version {number}")
        return number

    @explained("add the signature")
    def add_signature(self, model: str, version: int, signature: bytes) -> None:
        """Put a signature beside a version's manifest, atomically; one that is there goes."""
        with self._locked(model):
            target = self._existing(model, version) / SIGNATURE
            temporary = drafts.create(target.parent.parent)  # not listed, so not in the version
            try:
                (temporary / SIGNATURE).write_bytes(signature)
                sync(temporary / SIGNATURE)
                (temporary / SIGNATURE).replace(target)
            finally:
                shutil.rmtree(temporary)
            sync(target.parent)

    @explained("remove the version")
    def remove(self, model: str, version: int) -> None:
        """Delete a version; it vanishes for readers at once, then its files go.

        Raises:
            StoreError: If it is pinned, or a label points at it.
        """
        with self._locked(model):
            doomed = self._existing(model, version)
            self._refuse_held(model, version)
            temporary = drafts.create(doomed.parent)
            moved = doomed.rename(temporary / doomed.name)
            try:
                self._refuse_held(model, version)  # by a change in the meantime
            except StoreError:
                moved.rename(doomed)
                raise
            finally:
                shutil.rmtree(temporary)

    @explained("clean up")
    def clean(self, model: str) -> int:
        """Remove what killed publishers left; gives how many drafts went."""
        with self._locked(model):
            return drafts.remove_abandoned(self.path(model, 0).parent)

    @explained("publish the version")
    def _commit(self, model: str, path: Path, description: Description, sign_hook: SignHook) -> int:
        with self._locked(model):
            taken = self._numbers(model)
            while True:
                number = next_version(model, taken)
                metadata = Metadata.of(description, model, number, self._now())
                write_document(path / METADATA, metadata)
                write_document(path / MANIFEST, Manifest.of(path))
                sign_hook(path)
                sync_tree(path)
                if self._take(model, path, number):
                    return number
                taken.append(number)

    def _take(self, model: str, path: Path, number: int) -> bool:
        """Move a finished draft to its number; False where another publisher has it."""
        target = self.path(model, number)
        try:
            path.chmod(0o755)
            path.rename(target)
        except OSError as exc:
            if exc.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            raise PublishError(f"cannot move the draft to {target}: {exc.strerror}") from exc
        sync(target.parent)
        return True

    def _numbers(self, model: str) -> list[int]:
        directory = self.path(model, 0).parent
        if not directory.is_dir():
            return []
        return sorted(filter(None, (parse_version(path.name) for path in directory.iterdir())))

    def _is_whole(self, model: str, version: int) -> bool:
        try:
            return (self.path(model, version) / MANIFEST).is_file()
        except OSError:  # whoever reads this version gets the reason; the others are not hidden
            return True

    def _existing(self, model: str, version: int) -> Path:
        directory = self.path(model, version)
        if self._is_whole(model, version):
            return directory
        if directory.is_dir():
            raise VersionNotFoundError(f"{directory}: has no {MANIFEST}, so it is no version")
        raise self._unknown(model, version)

    def _history(self, model: str) -> DirectoryHistory:
        return DirectoryHistory(self.path(model, 0).parent, self._now)

    def _directory(self, model: str) -> Path:
        directory = self.path(model, 0).parent
        if not directory.is_dir():
            raise VersionNotFoundError(f"{self.root} has no model {model!r}")
        return directory

    def _locked(self, model: str) -> AbstractContextManager[None]:
        return drafts.lock_within(self._directory(model), _LOCK)

    @explained("look for what the store holds")
    def _names(self, key: str) -> list[str]:
        directory = self.root / key
        return [path.name for path in directory.iterdir()] if directory.is_dir() else []
