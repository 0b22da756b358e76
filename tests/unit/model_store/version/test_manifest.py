"""A version whose files are not those of its manifest is refused by name."""

from __future__ import annotations

import hashlib
import json
import os
import re

import pytest

from model_store import CorruptVersionError, InvalidDocumentError, StoreError
from model_store.version.manifest import Manifest

ALL = (
    "saved_model.pb",
    "fingerprint.pb",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
    "report/curves.png",
    "assets.extra/golden.npz",
    "metadata.json",
    "manifest.json",
)
FIRST = "assets.extra/golden.npz"


@pytest.fixture
def version(store, publish):
    """Return the directory of a complete version."""
    return store.path("mnist", publish())


@pytest.fixture
def refusal(store, version):
    """Return a function that verifies, and returns the message, which must name a file."""

    def verify(name: str) -> str:
        with pytest.raises(StoreError, match=re.escape(f"{version / name}: ")) as caught:
            store.verify("mnist", 1)
        return str(caught.value).removeprefix(f"{version / name}: ")

    return verify


def rewrite(version, change) -> None:
    """Change the entries of a manifest, with a digest that agrees with them."""
    values = json.loads((version / "manifest.json").read_text())
    change(values["files"])
    lines = "".join(f"{e['sha256']} {e['size']} {e['path']}\n" for e in values["files"])
    values["digest"] = hashlib.sha256(lines.encode()).hexdigest()
    (version / "manifest.json").write_text(json.dumps(values))


def test_the_list_of_this_test_is_complete(version):
    """The damage below is done to every file that a version has."""
    assert set(ALL) == {str(p.relative_to(version)) for p in version.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ALL)
def test_a_flipped_byte_is_refused(version, refusal, name):
    """One bit in the middle of any file is enough."""
    content = bytearray((version / name).read_bytes())
    content[len(content) // 2] ^= 1
    (version / name).write_bytes(content)

    assert refusal(name)


def test_a_flipped_byte_anywhere_in_the_manifest_is_refused(version):
    """The manifest has no place where damage goes unnoticed."""
    path = version / "manifest.json"
    whole = path.read_bytes()
    for index in range(len(whole)):
        content = bytearray(whole)
        content[index] ^= 1
        path.write_bytes(content)
        with pytest.raises((InvalidDocumentError, CorruptVersionError)):
            Manifest.read(version).verify(version)


@pytest.mark.parametrize("name", ALL)
def test_a_truncated_file_is_refused(version, refusal, name):
    """Even if only the last byte is missing."""
    os.truncate(version / name, (version / name).stat().st_size - 2)

    assert refusal(name)


@pytest.mark.parametrize("name", ALL[:-1])
def test_a_missing_file_is_refused(version, refusal, name):
    """All that the manifest lists must be there."""
    (version / name).unlink()

    assert "is listed in the manifest but missing" == refusal(name)


@pytest.mark.parametrize("name", ["extra", "variables/extra", ".hidden", "new/extra"])
def test_an_additional_file_is_refused(version, refusal, name):
    """A version holds nothing that is not in the manifest."""
    (version / name).parent.mkdir(exist_ok=True)
    (version / name).touch()

    assert "is not listed in the manifest" == refusal(name)


@pytest.mark.parametrize("name", ["saved_model.pb", "manifest.json", "variables"])
def test_a_symbolic_link_is_refused(version, refusal, name, tmp_path):
    """A link to the very same content could point elsewhere tomorrow."""
    (version / name).rename(tmp_path / "elsewhere")
    (version / name).symlink_to(tmp_path / "elsewhere")

    assert "is neither a plain file nor a directory" == refusal(name)


def test_a_pipe_is_refused(version, refusal):
    """Opening it would wait for ever."""
    (version / "saved_model.pb").unlink()
    os.mkfifo(version / "saved_model.pb")

    assert "is neither a plain file nor a directory" == refusal("saved_model.pb")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "./x", "a//b", "a/", ""])
def test_an_entry_cannot_leave_the_version(version, refusal, path):
    """A path is relative, plain and inside, or the manifest is refused with it."""
    rewrite(version, lambda files: files[0].update(path=path))

    expected = "must be a relative path that stays inside the version"
    assert f"field files.0.path: {expected} (found {path!r})" == refusal("manifest.json")


def test_an_edited_entry_is_refused(version, refusal):
    """Whoever changes a file and its entry has changed the digest of the whole."""
    values = json.loads((version / "manifest.json").read_text())
    values["files"][0]["size"] += 1
    (version / "manifest.json").write_text(json.dumps(values))

    assert "the digest is not that of the listed files" == refusal("manifest.json")


def test_sizes_are_told_apart_from_contents(version, refusal):
    """A file of another length is refused with both lengths."""
    rewrite(version, lambda files: files[0].update(size=1))

    size = (version / FIRST).stat().st_size
    assert f"is {size} bytes long; the manifest says 1" == refusal(FIRST)


def test_an_unreadable_file_is_refused(refusal, monkeypatch):
    """A disk's error is the version's, with the file's name."""

    def fail(_stream, _algorithm):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(hashlib, "file_digest", fail)

    assert "cannot be read: Input/output error" == refusal(FIRST)


def test_a_signature_is_the_one_file_that_is_not_listed(store, version):
    """It covers the manifest, so it comes after it; only its own place is left out."""
    (version / "model.sig").write_text("anything")
    store.verify("mnist", 1)

    (version / "variables" / "model.sig").write_text("anything")
    with pytest.raises(CorruptVersionError, match=r"variables/model\.sig: is not listed"):
        store.verify("mnist", 1)


def test_a_signature_is_a_plain_file(store, version, tmp_path):
    """What it points at could be changed from outside the version."""
    (tmp_path / "elsewhere").write_text("anything")
    (version / "model.sig").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(CorruptVersionError, match=r"model\.sig: is neither a plain file"):
        store.verify("mnist", 1)
