"""Whatever lies in the place of a file, reading it ends, with a sentence."""

from __future__ import annotations

import os
import re
import shutil
import socket
from pathlib import Path

import pytest

import model_store
from model_store import (
    CorruptVersionError,
    Golden,
    InvalidDocumentError,
    KeyFileError,
    Manifest,
    ModelStore,
    SignatureError,
    StoreError,
)
from model_store.base.files import open_regular, read_file
from model_store.signing.keys import PublicKey
from model_store.signing.signatures import verify_signature
from model_store.stores.cache import Cache

GIANT = 2**42


def make_socket(path: Path) -> None:
    """Bind by a relative name: the whole one may be too long for a socket."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def make_giant(path: Path) -> None:
    path.touch()
    os.truncate(path, GIANT)


KINDS = {
    "pipe": os.mkfifo,
    "socket": make_socket,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "waiting device": lambda path: path.symlink_to("/dev/ptmx"),
    "directory": Path.mkdir,
    "link to itself": lambda path: path.symlink_to(path.name),
    "giant": make_giant,
}


@pytest.fixture(params=KINDS)
def put(request):
    """Return a function that replaces a file with something else."""

    def put(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        KINDS[request.param](path)
        return path

    return put


@pytest.fixture
def version(store, publish) -> Path:
    return store.path("mnist", publish())


def test_a_generation_is_read_or_refused(store, version, put):
    """The control document says what is decided, so that nothing else may be assumed."""
    put(version.parent / "control" / "00000001.json")

    with pytest.raises(InvalidDocumentError, match=r"00000001\.json: cannot be read: "):
        store.control("mnist")
    with pytest.raises(InvalidDocumentError, match=r"00000001\.json: cannot be read: "):
        store.history("mnist")


def test_the_mirror_of_the_labels_is_read_or_refused(store, version, put):
    """A link that leads nowhere is no missing file."""
    put(version.parent / "labels.json")

    with pytest.raises(InvalidDocumentError, match=r"labels\.json: cannot be read: "):
        store.control("mnist")


def test_the_metadata_is_read_or_refused(store, version, put):
    """The version is there, and its document is not."""
    put(version / "metadata.json")

    with pytest.raises(InvalidDocumentError, match=r"metadata\.json: cannot be read: "):
        store.metadata("mnist", 1)


def test_the_manifest_is_read_or_refused(store, version, put):
    """Listing the versions ends as well."""
    path = put(version / "manifest.json")
    store.versions("mnist")

    with pytest.raises(InvalidDocumentError, match=r"manifest\.json: cannot be read: "):
        Manifest.read(path.parent)


def test_the_golden_images_are_read_or_refused(version, put):
    """A host reads them after the trial, too."""
    put(version / "assets.extra" / "golden.npz")

    with pytest.raises(InvalidDocumentError, match=r"golden\.npz: cannot be read: "):
        Golden.read(version)


def test_the_files_of_a_version_are_read_or_refused(store, version, put):
    """One of another size is refused before it is hashed."""
    put(version / "saved_model.pb")

    with pytest.raises(CorruptVersionError, match=r"saved_model\.pb: "):
        store.verify("mnist", 1)


def test_a_signature_is_read_or_refused(version, put):
    """What lies there is not called missing."""
    put(version / "model.sig")

    with pytest.raises(SignatureError, match=r"model\.sig: is no signature .* cannot be read: "):
        verify_signature(version, [])


def test_a_key_is_read_or_refused(tmp_path, put):
    """The service reads keys when it starts."""
    with pytest.raises(KeyFileError, match=r"key\.pem: cannot be read: "):
        PublicKey.read(put(tmp_path / "key.pem"))


def test_a_lock_is_held_or_refused(store, version, put):
    """Publishing and cleaning end."""
    put(version.parent / ".publish.lock")

    try:
        assert 0 == store.clean("mnist")
    except StoreError as exc:
        assert "cannot clean up" in str(exc)  # noqa: PT017 - either is right


def test_what_is_no_entry_of_the_cache_is_fetched_again_or_refused(tmp_path, put):
    """Only a whole version is given out."""
    put(tmp_path / "cache" / "place" / "mnist" / "1")

    try:
        assert None is Cache(tmp_path / "cache").find("place/mnist/1", b"")
    except StoreError as exc:
        assert "cannot read the cache" in str(exc)  # noqa: PT017 - either is right


def test_the_cache_is_not_held_up_by_what_lies_in_its_entries(tmp_path, version, put):
    """A damaged entry is none."""
    entry = tmp_path / "cache" / "place" / "mnist" / "1"
    shutil.copytree(version, entry)
    manifest = (entry / "manifest.json").read_bytes()
    put(entry / "model.sig")
    cache = Cache(tmp_path / "cache")

    if cache.find("place/mnist/1", manifest) is not None:  # a large signature is a file, too
        cache.sign(entry, b"new")
        assert b"new" == (entry / "model.sig").read_bytes()


def test_a_link_to_a_file_is_followed_where_secrets_are_links(tmp_path):
    """As Kubernetes mounts them; the files of a version are no links."""
    (tmp_path / "real").write_bytes(b"content")
    (tmp_path / "link").symlink_to("real")

    assert b"content" == read_file(tmp_path / "link", 7)
    with (
        pytest.raises(OSError, match="symbolic links"),
        open_regular(tmp_path / "link", follow=False),
    ):
        pass


def test_a_file_without_a_size_is_bounded_too():
    """Those of /proc have content and no size."""
    with pytest.raises(OSError, match="it is 5 bytes long; at most 4 are read"):
        read_file(Path("/proc/self/status"), 4)


def test_there_is_one_reader_of_files():
    """What is opened elsewhere for reading could hold up whoever opens it."""
    reads = re.compile(r"\.read_bytes\(|\.read_text\(|open\(\"r|np\.load\(")
    found = {
        path.name
        for path in Path(model_store.__file__).parent.glob("*.py")
        if path.name != "files.py" and reads.search(path.read_text())
    }

    assert set() == found


def test_a_store_whose_root_is_a_pipe_is_empty_or_refused(tmp_path):
    """Looking there ends."""
    os.mkfifo(tmp_path / "models")

    assert [] == ModelStore(tmp_path / "models").models()
