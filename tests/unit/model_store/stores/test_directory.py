"""Publishing, reading back and removing versions."""

from __future__ import annotations

import errno
import fcntl
import json
import os

import pytest

from model_store import CorruptVersionError, ModelStore, StoreError, VersionNotFoundError
from model_store.base import json_documents
from model_store.base.errors import PublishError


class FullDisk:
    """Stands in for fsync: the disk is full at the nth call, and has room again after it."""

    def __init__(self, nth: int) -> None:
        self._left = nth

    def __call__(self, _descriptor: int) -> None:
        self._left -= 1
        if self._left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def entries(store, model="mnist") -> set[str]:
    """Name all that lies in a model's directory, but for the lock."""
    return {path.name for path in (store.root / model).iterdir()} - {".publish.lock"}


def test_a_published_version_reads_back(store, publish):
    """What the publisher said comes back, with the number, the model and the time."""
    number = publish()

    metadata = store.metadata("mnist", number)
    assert (1, "mnist", 1) == (number, metadata.model, metadata.version)
    assert "2026-06-01T12:00:00+00:00" == metadata.created.isoformat()
    assert publish.description.model_dump().items() <= metadata.model_dump().items()


def test_a_published_version_verifies(store, publish):
    """The manifest lists every file but itself."""
    manifest = store.verify("mnist", publish())

    directory = store.path("mnist", 1)
    expected = {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()}
    assert expected - {"manifest.json"} == {entry.path for entry in manifest.files}


def test_numbers_go_up(store, publish):
    """Every publish takes the number after the greatest, even where older ones are gone."""
    assert [1, 2, 3] == [publish() for _ in range(3)]
    store.remove("mnist", 2)

    assert 4 == publish()
    assert ([1, 3, 4], 4) == (store.versions("mnist"), store.latest("mnist"))


def test_an_empty_store_has_nothing(store):
    """A store whose directory is not there yet is empty, not an error."""
    found = (
        store.models(),
        store.versions("mnist"),
        store.latest("mnist"),
        store.control("mnist").labels,
    )
    assert ([], [], None, {}) == found


def test_models_are_apart(store, publish):
    """Each model counts its own versions."""
    publish("letters")

    assert 1 == publish("digits")
    assert ["digits", "letters"] == store.models()


def test_only_whole_versions_are_listed(store, publish):
    """Foreign names, files and directories without a manifest are no versions."""
    publish()
    for name in ("02", "0", "-3", "v4", "5", ".draft-x", "٦"):  # the last is a digit, too
        (store.root / "mnist" / name).mkdir()

    assert ([1], [5]) == (store.versions("mnist"), store.unfinished("mnist"))
    assert 6 == publish()


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "-x", "mnist\n", "x" * 65])
def test_a_model_name_cannot_leave_the_store(store, name):
    """A name that is no plain file name is refused before it is used as a path."""
    with pytest.raises(VersionNotFoundError, match="is no model name"):
        store.metadata(name, 1)


def test_a_missing_version_is_answered_with_the_present_ones(store, publish):
    """The sentence says what there is."""
    publish()
    publish()

    with pytest.raises(VersionNotFoundError, match=r"mnist has no version 7 \(it has: 1, 2\)"):
        store.verify("mnist", 7)


def test_a_failed_publisher_leaves_nothing(store, publish):
    """An exception inside the block removes the draft."""

    def fail():
        with store.draft("mnist") as draft:
            publish.fill(draft.path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    assert set() == entries(store)


def test_a_draft_without_a_commit_leaves_nothing(store, publish):
    """Leaving the block is not publishing."""
    with store.draft("mnist") as draft:
        publish.fill(draft.path)

    assert set() == entries(store)


def test_a_living_publishers_draft_is_left_alone(store, publish):
    """A second publisher does not take the first one's draft for an abandoned one."""
    with store.draft("mnist") as slow:
        publish.fill(slow.path)
        assert 1 == publish()
        assert 2 == slow.commit(publish.description)

    store.verify("mnist", 2)


def test_an_abandoned_draft_is_removed_by_the_next_publisher(store, publish):
    """A draft that nobody holds a lock on is what a killed publisher left."""
    publish()
    abandoned = store.root / "mnist" / ".draft-killed"
    publish.fill(abandoned)

    publish()

    assert {"1", "2"} == entries(store)


@pytest.mark.parametrize("nth", range(1, 15))
def test_a_full_disk_is_a_sentence_and_the_commit_can_be_tried_again(
    store, publish, monkeypatch, nth
):
    """Whatever could not be written, no half file stays in the draft for the next manifest."""
    with store.draft("mnist") as draft:
        publish.fill(draft.path)
        monkeypatch.setattr(json_documents.os, "fsync", FullDisk(nth))
        with pytest.raises(StoreError, match="cannot publish the version: No space left"):
            draft.commit(publish.description)
        assert [] == store.versions("mnist")
        number = draft.commit(publish.description)

    assert {"1"} == entries(store)
    assert not any(e.path.startswith(".") for e in store.verify("mnist", number).files)


def test_a_number_taken_by_a_stranger_is_passed_over(store, publish, monkeypatch):
    """A version that appears between counting and renaming is not overwritten."""
    publish()
    monkeypatch.setattr(store, "_numbers", lambda _model: [])

    assert 2 == publish()
    assert 2 == store.metadata("mnist", 2).version
    store.verify("mnist", 2)


def test_a_removed_version_is_gone(store, publish):
    """Neither the version nor what it was moved aside to stays."""
    store.remove("mnist", publish())

    assert set() == entries(store)


def test_removing_waits_for_the_lock(store, publish, monkeypatch):
    """A version on its way out is not swept away as an abandoned draft by a publisher."""
    publish()
    held = []
    monkeypatch.setattr(fcntl, "flock", lambda *_: held.append(sorted(entries(store))))

    store.remove("mnist", 1)

    assert [["1"]] == held


def test_an_adopted_version_keeps_its_number(store, publish, tmp_path):
    """A copy from another store is verified and stays what it was."""
    publish()
    publish()
    other = ModelStore(tmp_path / "other")

    assert 2 == other.adopt(store.path("mnist", 2), "mnist")
    assert store.verify("mnist", 2) == other.verify("mnist", 2)


def test_a_taken_number_is_not_adopted(store, publish):
    """The version that is there stays."""
    publish()

    with pytest.raises(PublishError, match="mnist already has a version 1"):
        store.adopt(store.path("mnist", 1), "mnist")

    assert {"1"} == entries(store)


def test_a_store_below_a_file_is_a_sentence(tmp_path):
    """What the operating system refuses names the path."""
    (tmp_path / "file").touch()
    store = ModelStore(tmp_path / "file" / "models")

    with pytest.raises(StoreError, match=r"cannot open a draft: .*file/models/mnist: Not a dir"):
        store.draft("mnist").__enter__()


def test_a_store_that_may_not_be_read_is_a_sentence(store, publish, monkeypatch):
    """A missing right is neither an empty store nor a traceback."""
    publish()

    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)

    with pytest.raises(StoreError, match=r"cannot list the versions: .*mnist: Permission denied"):
        store.versions("mnist")


def test_a_version_that_may_not_be_read_does_not_hide_the_others(store, publish, monkeypatch):
    """It is listed, and whoever reads it is told why that fails."""
    publish()
    publish()

    def refuse(ask):
        def refused(path, *arguments, **options):
            if "mnist/2/" in str(path):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return ask(path, *arguments, **options)

        return refused

    monkeypatch.setattr(os, "stat", refuse(os.stat))
    monkeypatch.setattr(os, "open", refuse(os.open))

    assert [1, 2] == store.versions("mnist")
    assert 1 == store.metadata("mnist", 1).version
    with pytest.raises(StoreError, match=r"2/metadata\.json: cannot be read: Permission denied"):
        store.metadata("mnist", 2)


def test_a_file_system_without_locks_is_a_sentence(store, monkeypatch):
    """Some network file systems refuse flock."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)

    with pytest.raises(StoreError, match=r"cannot lock .*\.publish\.lock: No locks available"):
        store.draft("mnist").__enter__()


@pytest.mark.parametrize("change", ["content", "time", "more", "less"])
def test_a_stamp_tells_whether_files_have_changed(store, publish, change):
    """Without a look into them; where none has changed it is the same."""
    path = store.path("mnist", publish()) / "saved_model.pb"
    before = store.fingerprint("mnist", 1), store.fingerprint("mnist", 1)
    match change:
        case "content":
            path.write_bytes(b"longer than it was" * 10)
        case "time":
            os.utime(path, ns=(0, 0))
        case "more":
            path.with_name("another").touch()
        case "less":
            path.unlink()

    assert before[0] == before[1] != store.fingerprint("mnist", 1)


def test_a_version_that_may_not_be_looked_at_has_a_stamp(store, publish, monkeypatch):
    """Whoever loads it gets the reason; other versions are none the worse."""
    publish()

    def refuse(path, **_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("pathlib.Path.is_file", refuse)

    assert "Permission denied" in store.fingerprint("mnist", 1)


def test_a_draft_is_signed_when_all_but_its_place_is_done(store, publish):
    """Whoever signs sees the manifest and the number, and the signature comes with the version."""

    def sign_hook(directory):
        files = sorted(path.name for path in directory.glob("*.json"))
        number = json.loads((directory / "metadata.json").read_text())["version"]
        (directory / "model.sig").write_text(f"{files} {number}")

    publish()
    with store.draft("mnist") as draft:
        publish.fill(draft.path)
        number = draft.commit(publish.description, sign_hook)

    signature = (store.path("mnist", number) / "model.sig").read_text()
    assert "['manifest.json', 'metadata.json'] 2" == signature


def test_a_draft_that_cannot_be_signed_is_no_version(store, publish):
    """A version is there whole, with its signature, or not at all."""

    def sign_hook(_directory):
        raise StoreError("the key is gone")

    with store.draft("mnist") as draft:
        publish.fill(draft.path)
        with pytest.raises(StoreError, match="the key is gone"):
            draft.commit(publish.description, sign_hook)

    assert set() == entries(store)


def test_a_signature_can_be_added_and_replaced(store, publish):
    """A version that is there already gets one; nothing else of it changes."""
    publish()
    before = store.manifest("mnist", 1)

    for signature in (b"first", b"second"):
        fingerprint = store.fingerprint("mnist", 1)
        store.add_signature("mnist", 1, signature)
        assert fingerprint != store.fingerprint("mnist", 1)

    assert b"second" == (store.path("mnist", 1) / "model.sig").read_bytes()
    assert (before, {"1"}) == (store.verify("mnist", 1), entries(store))
    with pytest.raises(VersionNotFoundError, match="no version 2"):
        store.add_signature("mnist", 2, b"third")


def test_a_signature_that_cannot_be_written_leaves_the_one_before(store, publish, monkeypatch):
    """A full disk costs the new signature only."""
    publish()
    store.add_signature("mnist", 1, b"first")
    monkeypatch.setattr(os, "fsync", FullDisk(1))

    with pytest.raises(StoreError, match="cannot add the signature: No space left on device"):
        store.add_signature("mnist", 1, b"second")

    assert b"first" == (store.path("mnist", 1) / "model.sig").read_bytes()
    assert {"1"} == entries(store)


def put_bytes(directory, name: bytes) -> None:
    """Make a file whose name is no text."""
    os.close(os.open(os.fsencode(directory) + b"/" + name, os.O_CREAT | os.O_WRONLY))


def test_a_sentence_can_be_written_whatever_a_file_is_called(store, publish):
    """Into a log or as JSON, which take no bytes that are no UTF-8."""
    publish()
    put_bytes(store.path("mnist", 1), b"\xff.bin")

    with pytest.raises(CorruptVersionError) as caught:
        store.verify("mnist", 1)

    assert str(caught.value).encode().endswith(rb"1/\udcff.bin: is not listed in the manifest")


def test_a_store_has_a_place_that_can_be_written(tmp_path):
    """The status tells it."""
    store = ModelStore(tmp_path / os.fsdecode(b"\xff"))
    put_bytes(tmp_path, b"other")
    (store.root / "mnist").mkdir(parents=True)
    put_bytes(store.root / "mnist", b"\xfe")

    assert store.location.encode().endswith(rb"/\udcff")
    assert r"mnist/\udcfe" == store.find_trace("mnist")
