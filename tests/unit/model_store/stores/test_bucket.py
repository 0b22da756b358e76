"""Versions below a URL, with a bucket in memory."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from datetime import UTC, datetime, timedelta

import pytest

from model_store.operations import labels_and_traffic

pytest.importorskip("fsspec")

from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from model_store import (
    CorruptVersionError,
    InvalidDocumentError,
    ModelStore,
    StoreError,
    VersionNotFoundError,
    open_store,
)
from model_store.base.errors import PublishError
from model_store.operations.starter import seed
from model_store.stores.bucket import ABANDONED_AFTER, ObjectStore
from model_store.stores.cache import default_cache
from model_store.stores.objects import Objects

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_empty_folders(monkeypatch):
    """Make memory what a bucket is: folders are only parts of names."""
    monkeypatch.setattr(MemoryFileSystem, "makedirs", lambda *_, **__: None)


class Counted:
    """Stands before a file system and counts what is asked of it."""

    def __init__(self, fs) -> None:
        self._fs = fs
        self.asked = []

    def __getattr__(self, name):
        found = getattr(self._fs, name)
        if callable(found):
            self.asked.append(name)
        return found


class Overwriting:
    """Stands before a file system that knows no conditional writes."""

    def __init__(self, fs) -> None:
        self._fs = fs

    def __getattr__(self, name):
        return getattr(self._fs, name)

    def pipe_file(self, path, data, **_):
        self._fs.pipe_file(path, data)


@pytest.fixture
def url(request) -> str:
    """Return a unique location in the memory of this process."""
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    return f"memory://{name}/models"


@pytest.fixture
def store(url, tmp_path) -> ObjectStore:
    """Return an empty store in which it is always noon."""
    return ObjectStore(url, tmp_path / "cache", now=lambda: NOON)


@pytest.fixture
def objects(url) -> Objects:
    """Return the bucket as other clients see it."""
    return Objects(url)


@pytest.fixture
def another(url, tmp_path):
    """Return a function that opens the store as another machine does, or at another time."""

    def another(now=NOON) -> ObjectStore:
        return ObjectStore(url, tmp_path / "other", now=lambda: now)

    return another


def kept(store) -> list:
    """Name the entries of the cache."""
    return sorted(path.parent.name for path in store._cache.root.glob("[!.]*/*/*/manifest.json"))


def test_a_published_version_reads_back(store, publish, another):
    """Another machine sees what was published, and the same digest."""
    number = publish()

    found = another()
    assert ([1], 1, ["mnist"]) == (found.versions("mnist"), number, found.models())
    assert publish.description.recipe == found.metadata("mnist", 1).recipe
    assert store.verify("mnist", 1) == found.manifest("mnist", 1)


def test_numbers_go_up(store, publish):
    """Every publish takes the number after the greatest, even where older ones are gone."""
    assert [1, 2, 3] == [publish() for _ in range(3)]
    store.remove("mnist", 2)

    assert 4 == publish()
    assert ([1, 3, 4], 4) == (store.versions("mnist"), store.latest("mnist"))


def test_a_number_taken_by_another_publisher_is_passed_over(store, publish, monkeypatch):
    """A version that appears between counting and reserving is not overwritten."""
    publish()
    monkeypatch.setattr(store, "_numbers", lambda _model: [])

    assert 2 == publish()
    assert 2 == store.metadata("mnist", 2).version
    store.verify("mnist", 1)


def test_an_empty_store_has_nothing(store):
    """A bucket without models is empty, not an error."""
    found = store.models(), store.versions("mnist"), store.latest("mnist")
    assert ([], [], None) == found
    assert {} == store.control("mnist").labels


def test_models_are_apart(publish, store):
    """Each model counts its own versions; foreign names are no models."""
    publish("letters")
    store._objects.put("-x/1/manifest.json", b"{}")

    assert 1 == publish("digits")
    assert ["digits", "letters"] == store.models()


def test_only_whole_versions_are_listed(store, publish, objects):
    """Foreign names and numbers without a manifest are no versions, but the numbers are taken."""
    publish()
    for name in ("02", "0", "-3", "v4", "5", "٦"):
        objects.put(f"mnist/{name}/saved_model.pb", b"x")

    assert ([1], [5]) == (store.versions("mnist"), store.unfinished("mnist"))
    assert 6 == publish()


def test_a_version_is_there_when_its_manifest_is(store, publish, objects):
    """A copy that takes its time becomes a version with its last object, the manifest."""
    publish()
    manifest = objects.read("mnist/1/manifest.json")
    objects.remove("mnist/1/manifest.json")
    late = ObjectStore(store.location, store._cache.root)
    assert [] == late.versions("mnist")

    objects.put("mnist/1/manifest.json", manifest)

    assert [1] == late.versions("mnist")


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "-x", "mnist\n", "x" * 65])
def test_a_model_name_cannot_leave_the_store(store, name):
    """A name that is no plain folder name is refused before it is used as a key."""
    for ask in (store.versions, store.control, lambda name: store.fetch(name, 1)):
        with pytest.raises(VersionNotFoundError, match="is no model name"):
            ask(name)


def test_a_missing_version_is_answered_with_the_present_ones(store, publish):
    """The sentence says what there is."""
    publish()
    publish()

    for ask in (store.fetch, store.verify, store.metadata, store.manifest, store.remove):
        with pytest.raises(VersionNotFoundError, match=r"mnist has no version 7 \(it has: 1, 2\)"):
            ask("mnist", 7)


def test_a_number_without_a_manifest_is_no_version(store, objects):
    """The sentence tells it from a number that was never taken."""
    objects.put("mnist/3/saved_model.pb", b"x")

    with pytest.raises(VersionNotFoundError, match=r"/mnist/3: has no manifest\.json"):
        store.fetch("mnist", 3)


def test_a_look_is_cheap(store, publish):
    """Once known, all versions are one listing, and the control document another."""
    for _ in range(3):
        publish()
    labels_and_traffic.label(store, "mnist", "stable", 1, force=True)
    store.versions("mnist"), store.control("mnist")
    store._objects._fs = counted = Counted(store._objects._fs)

    looks = store.models(), store.versions("mnist"), store.control("mnist").labels

    assert (["mnist"], [1, 2, 3], {"stable": 1}) == looks
    assert ["ls", "ls", "ls"] == counted.asked


def test_a_version_removed_elsewhere_is_forgotten(store, publish, another):
    """What is known of a version does not outlive it."""
    publish()
    publish()
    assert [1, 2] == store.versions("mnist")

    another().remove("mnist", 1)

    assert [2] == store.versions("mnist")


def test_a_fetched_version_is_whole(store, publish):
    """The directory holds every file, and is found again without another download."""
    publish()
    directory = store.fetch("mnist", 1)
    store._objects.download = None

    assert store.manifest("mnist", 1) == ModelStore(directory.parents[1]).verify("mnist", 1)
    assert directory == store.fetch("mnist", 1)


@pytest.mark.parametrize(
    "harm",
    [
        lambda entry: (entry / "saved_model.pb").write_bytes(b"saved_model.pB" * 10),
        lambda entry: (entry / "saved_model.pb").write_bytes(b""),
        lambda entry: (entry / "saved_model.pb").unlink(),
        lambda entry: (entry / "stranger").touch(),
        lambda entry: (entry / "manifest.json").write_bytes(b"{"),
        lambda entry: (entry / "manifest.json").unlink(),
    ],
    ids=["bit", "truncated", "missing", "stranger", "manifest", "no manifest"],
)
def test_a_damaged_entry_is_fetched_again(store, publish, harm):
    """The cache is checked every time it is used, not only when it is filled."""
    publish()
    harm(store.fetch("mnist", 1))

    directory = store.fetch("mnist", 1)

    assert store.manifest("mnist", 1) == ModelStore(directory.parents[1]).verify("mnist", 1)
    assert ["1"] == kept(store)


def test_an_entry_mended_by_another_process_is_left_alone(store, publish, monkeypatch):
    """Between seeing the damage and removing it, somebody else may have done both."""
    publish()
    entry = store.fetch("mnist", 1)
    (entry / "saved_model.pb").unlink()
    discard = store._cache._discard

    def others_first(*args):
        monkeypatch.undo()
        ObjectStore(store.location, store._cache.root).fetch("mnist", 1)
        inode = entry.stat().st_ino
        discard(*args)
        assert inode == entry.stat().st_ino

    monkeypatch.setattr(store._cache, "_discard", others_first)

    assert entry == store.fetch("mnist", 1)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("saved_model.pb", b"saved_model.pB" * 10, "saved_model.pb: has SHA-256 "),
        ("saved_model.pb", b"short", "saved_model.pb: is 5 bytes long; the manifest says 140"),
        ("metadata.json", b"{}", "metadata.json: is 2 bytes long"),
        ("variables/x", b"", "variables/x: is not listed in the manifest"),
    ],
    ids=["bit", "truncated", "metadata", "stranger"],
)
def test_a_changed_object_is_refused(  # noqa: PLR0917 - cases
    store, publish, objects, name, content, problem
):
    """It is named by its URL, and nothing of it stays in the cache."""
    publish()
    objects.put(f"mnist/1/{name}", content)

    for ask in (store.fetch, store.verify):
        with pytest.raises(CorruptVersionError, match=f"^{store.location}/mnist/1/{problem}"):
            ask("mnist", 1)
    assert [] == kept(store)


def test_a_lost_object_is_refused(store, publish, objects):
    """A manifest is a promise that all others are there."""
    publish()
    objects.remove("mnist/1/variables/variables.index")

    with pytest.raises(CorruptVersionError, match=r"index: is listed in the manifest but missing"):
        store.fetch("mnist", 1)


def test_a_lost_metadata_object_is_named(store, publish, objects):
    """Likewise where only the metadata is asked for."""
    publish()
    objects.remove("mnist/1/metadata.json")

    with pytest.raises(CorruptVersionError, match=r"mnist/1/metadata\.json: is missing"):
        store.metadata("mnist", 1)


@pytest.mark.parametrize(
    ("text", "kind", "problem"),
    [
        (b"{", InvalidDocumentError, "Invalid JSON"),
        (b"", InvalidDocumentError, "Invalid JSON"),
        (b" " * (4 * 2**20 + 1), InvalidDocumentError, "is longer than the 4194304 bytes"),
        (
            json.dumps({"files": [], "digest": "0" * 64}).encode(),
            CorruptVersionError,
            "the digest is not that of the listed files",
        ),
    ],
    ids=["broken", "empty", "huge", "inconsistent"],
)
def test_a_broken_manifest_is_refused(  # noqa: PLR0917 - cases
    store, publish, objects, text, kind, problem
):
    """The sentence names its URL."""
    publish()
    objects.put("mnist/1/manifest.json", text)

    with pytest.raises(kind, match=rf"{store.location}/mnist/1/manifest\.json: .*{problem}"):
        store.fetch("mnist", 1)


def test_another_version_of_the_same_number_is_refused(store, publish, another):
    """A version never changes: what is cached is compared with what is there."""
    publish()
    entry = store.fetch("mnist", 1)
    other = another()
    other.remove("mnist", 1)
    with other.draft("mnist") as draft:
        publish.fill(draft.path)
        (draft.path / "saved_model.pb").write_bytes(b"another")
        assert 1 == draft.commit(publish.description)

    with pytest.raises(CorruptVersionError, match=f"never changes .remove {entry} to take it"):
        store.fetch("mnist", 1)

    assert entry.is_dir()
    assert b"another" == (other.fetch("mnist", 1) / "saved_model.pb").read_bytes()


def test_the_longest_unused_go(store, publish, another):
    """The cache is bounded, and whatever is fetched counts as used."""
    for _ in range(5):
        publish()
    entry = another().fetch("mnist", 1)
    size = sum(path.stat().st_size for path in entry.rglob("*") if path.is_file())
    bounded = ObjectStore(store.location, store._cache.root, cache_bytes=4 * size + 100)
    for version in (1, 2, 3, 4, 1, 4, 3, 5):
        bounded.fetch("mnist", version)

    assert ["1", "3", "4", "5"] == kept(bounded)


def test_what_was_given_out_last_stays(store, publish):
    """However small the cache: one version serves while the next is tried."""
    for _ in range(4):
        publish()
    small = ObjectStore(store.location, store._cache.root, cache_bytes=1)

    for version in (1, 2, 3, 4):
        small.fetch("mnist", version)

    assert ["2", "3", "4"] == kept(small)


def test_what_another_process_holds_stays(store, publish):
    """An entry that was given to a process must not vanish while it reads it."""
    publish()
    publish()
    holder = ObjectStore(store.location, store._cache.root)
    held = holder.fetch("mnist", 1)

    small = ObjectStore(store.location, store._cache.root, cache_bytes=1)
    small.fetch("mnist", 2)

    assert held.is_dir()


def test_an_entry_that_does_not_stay_is_an_error(store, publish, monkeypatch):
    """A cache that loses whatever is put in does not make fetching endless."""
    publish()
    monkeypatch.setattr(store._cache, "keep", lambda *_: None)

    with pytest.raises(StoreError, match="does not stay"):
        store.fetch("mnist", 1)


def test_a_cache_that_cannot_be_written_is_a_sentence(store, publish, tmp_path):
    """The sentence names the directory."""
    publish()
    (tmp_path / "file").touch()
    hindered = ObjectStore(store.location, tmp_path / "file" / "cache")

    with pytest.raises(StoreError, match=r"cannot .* the cache: .*/file/cache/.*: Not a dir"):
        hindered.fetch("mnist", 1)


def test_the_default_cache_is_the_users(monkeypatch, tmp_path):
    """Where caches belong, and elsewhere if the environment says so."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path / ".cache" / "glyph" / "versions" == default_cache()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert tmp_path / "x" / "glyph" / "versions" == default_cache()


def test_a_signature_travels_with_its_version(store, publish, another):
    """One made with the version, one put beside it later, and one that is gone."""
    with store.draft("mnist") as draft:
        publish.fill(draft.path)
        draft.commit(publish.description, lambda path: (path / "model.sig").write_bytes(b"one"))
    entry = another().fetch("mnist", 1)
    assert b"one" == (entry / "model.sig").read_bytes()

    store.add_signature("mnist", 1, b"two")
    assert entry == another().fetch("mnist", 1)
    assert b"two" == (entry / "model.sig").read_bytes()

    store._objects.remove("mnist/1/model.sig")
    another().fetch("mnist", 1)
    assert not (entry / "model.sig").exists()


def test_a_changed_signature_changes_the_stamp(store, publish):
    """So does every other object; nothing is read for it."""
    publish()
    before = store.fingerprint("mnist", 1), store.fingerprint("mnist", 1)

    store.add_signature("mnist", 1, b"x")

    assert before[0] == before[1] != store.fingerprint("mnist", 1)


def test_changes_make_a_history(store, publish, another):
    """Every change is there, oldest first, and other machines see the newest."""
    publish()
    labels_and_traffic.label(store, "mnist", "stable", 1, by="ada", force=True)
    another().change("mnist", "unload", lambda c: c.model_copy(update={"unloaded": True}), by="bob")

    assert [(1, "ada"), (2, "bob")] == [(c.generation, c.by) for c in store.history("mnist")]
    assert ({"stable": 1}, True) == (store.control("mnist").labels, store.control("mnist").unloaded)


def test_the_mirror_is_the_base_where_there_is_no_generation(store, publish, objects):
    """And it follows every change, for tools that read nothing else."""
    publish()
    objects.put("mnist/labels.json", b'{"canary": 1}')
    assert {"canary": 1} == store.control("mnist").labels

    labels_and_traffic.label(store, "mnist", "stable", 1, force=True)

    mirror = json.loads(objects.read("mnist/labels.json"))
    assert {"canary": 1, "stable": 1} == mirror


def test_no_change_is_lost(store, publish, another):
    """Whoever finds the generation taken applies the edit to the newest document."""
    publish()
    other = another()
    others = iter([lambda: labels_and_traffic.label(other, "mnist", "canary", 1, force=True)])

    def edit(control):
        next(others, lambda: None)()
        return control.model_copy(update={"labels": control.labels | {"stable": 1}})

    change = store.change("mnist", "label", edit, by="ada")

    assert (2, {"canary": 1, "stable": 1}) == (change.generation, change.control.labels)


def test_a_mirror_that_cannot_be_written_fails_no_change(store, publish, monkeypatch, caplog):
    """The change is made by then; the mirror is only for other tools."""
    publish()

    def refuse(*_):
        raise StoreError("away")

    monkeypatch.setattr(store._objects, "put", refuse)

    assert 1 == store.change("mnist", "pin", lambda control: control, by="ada").generation
    assert "could not be updated with the newest labels: away" in caplog.text


def test_a_model_unknown_cannot_be_changed(store):
    """A typing error makes no model."""
    with pytest.raises(VersionNotFoundError, match="has no model 'mnits'"):
        store.change("mnits", "pin", lambda control: control, by="ada")


def test_a_broken_generation_is_named(store, publish, objects):
    """By its URL, and the field."""
    publish()
    objects.put("mnist/control/00000001.json", b'{"generation": 1}')

    with pytest.raises(InvalidDocumentError, match=r"control/00000001\.json: field at: Field requ"):
        store.control("mnist")


def test_a_generation_that_goes_while_it_is_read_is_named(store, publish, monkeypatch):
    """Nothing ever removes one."""
    publish()
    labels_and_traffic.label(store, "mnist", "stable", 1, force=True)
    monkeypatch.setattr(store._objects, "read_all", lambda keys: [None] * len(keys))

    with pytest.raises(InvalidDocumentError, match="is gone"):
        store.history("mnist")


def test_a_labelled_version_is_not_removed(store, publish, monkeypatch):
    """Nor one that was labelled in the very moment: it comes back."""
    publish()
    labels_and_traffic.label(store, "mnist", "stable", 1, force=True)
    with pytest.raises(StoreError, match="mnist version 1 is labelled stable; it stays"):
        store.remove("mnist", 1)

    labelled = store.control("mnist")
    answers = iter([labelled.model_copy(update={"labels": {}}), labelled])
    monkeypatch.setattr(store, "control", lambda _model: next(answers))
    with pytest.raises(StoreError, match="labelled stable"):
        store.remove("mnist", 1)
    assert [1] == store.versions("mnist")


def test_a_removed_version_leaves_nothing(store, publish, objects):
    """Every object of it goes."""
    store.remove("mnist", publish())

    assert {} == objects.find("mnist/1")


def test_what_a_killed_publisher_left_goes_when_it_is_old(store, publish, objects, another):
    """Not before, and never a whole version."""
    publish()
    objects.put("mnist/2/metadata.json", b"{}")
    objects.put("mnist/2/variables/x", b"")
    now = objects.modified("mnist/2/metadata.json")
    assert (0, [2]) == (another(now).clean("mnist"), store.unfinished("mnist"))

    later = another(now + ABANDONED_AFTER + timedelta(minutes=1))

    assert (1, [], [1]) == (
        later.clean("mnist"),
        store.unfinished("mnist"),
        store.versions("mnist"),
    )


@pytest.mark.parametrize("nth", [1, 2])
def test_a_failed_upload_leaves_nothing(store, publish, objects, monkeypatch, nth):
    """The number is free again and the draft can be committed once more."""
    calls, method = [], ("upload", "find")[nth - 1]
    genuine = getattr(store._objects, method)

    def fail_once(*args):
        calls.append(args)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return genuine(*args)

    monkeypatch.setattr(store._objects, method, fail_once)
    with store.draft("mnist") as draft:
        publish.fill(draft.path)
        with pytest.raises(KeyboardInterrupt):
            draft.commit(publish.description)
        assert {} == objects.find("mnist")
        assert 1 == draft.commit(publish.description)

    store.verify("mnist", 1)


def test_a_version_finished_by_somebody_else_is_an_error(store, publish, objects):
    """A manifest is never overwritten."""
    genuine = store._objects.create

    def create(key, data):
        if key.endswith("manifest.json"):
            objects.put(key, b"{}")
        return genuine(key, data)

    store._objects.create = create

    with pytest.raises(PublishError, match="mnist/1 was finished by somebody else"):
        publish()

    assert b"{}" == objects.read("mnist/1/manifest.json")


def test_a_draft_leaves_nothing_on_this_machine(store, publish):
    """Neither one that was published nor one that was not."""
    publish()
    with store.draft("mnist") as draft:
        publish.fill(draft.path)

    assert [".lock"] == [path.name for path in store._cache.root.iterdir()]


def test_an_adopted_version_keeps_its_number(store, publish, tmp_path):
    """A copy from a directory is verified and stays what it was; a taken number is refused."""
    publish()
    publish()
    local = store.fetch("mnist", 2)
    elsewhere = ObjectStore(f"{store.location}/elsewhere", tmp_path / "cache")

    assert 2 == elsewhere.adopt(local, "mnist")
    assert store.verify("mnist", 2) == elsewhere.verify("mnist", 2)
    with pytest.raises(PublishError, match="mnist already has a version 2"):
        elsewhere.adopt(local, "mnist")


def test_an_empty_store_can_be_seeded(store):
    """The starter model goes to a bucket as to a directory."""
    assert (1, None) == (seed(store, "mnist"), seed(store, "mnist"))
    store.verify("mnist", 1)


def test_a_server_that_overwrites_is_refused(store, publish):
    """Two publishers would get the same number; readers need no conditional writes."""
    publish()
    careless = ObjectStore(store.location, store._cache.root)
    careless._objects._fs = Overwriting(careless._objects._fs)
    careless._objects.remove(".created-only-once")

    with pytest.raises(StoreError, match="must obey If-None-Match"):
        labels_and_traffic.label(careless, "mnist", "stable", 1, force=True)
    assert [1] == careless.versions("mnist")


class AnsweredError(OSError):
    """What s3fs raises: the server's answer is the cause."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.__cause__ = Exception()
        self.__cause__.response = {"Error": {"Code": code}}


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_a_refused_creation_is_understood(objects, monkeypatch, code):
    """Not every server says it as AWS does, and one may say that the name is just being taken."""
    objects.create("other", b"")

    def refuse(*_, **__):
        raise AnsweredError(code)

    monkeypatch.setattr(objects._fs, "pipe_file", refuse)

    assert not objects.create("key", b"")


@pytest.mark.parametrize("kind", ["control", "manifest.json"])
def test_a_creation_whose_answer_got_lost_was_made(store, publish, monkeypatch, kind):
    """It was sent again, and what it found was its own."""
    genuine = store._objects.create

    def create(key, data):
        made = genuine(key, data)
        return made and kind not in key

    monkeypatch.setattr(store._objects, "create", create)

    publish()
    labels_and_traffic.label(store, "mnist", "stable", 1, force=True)

    assert ([1], [1]) == (store.versions("mnist"), [c.generation for c in store.history("mnist")])


@pytest.mark.parametrize("error", [OSError("gone\nwith details"), ValueError("gone")])
def test_trouble_is_a_sentence(store, publish, monkeypatch, error):
    """Whatever a file system raises, the sentence names what was asked for, on one line."""
    publish()

    def fail(*_, **__):
        raise error

    for name in ("ls", "find", "cat_ranges", "pipe_file", "put", "get", "rm_file"):
        monkeypatch.setattr(store._objects._fs, name, fail)

    for ask in (
        store.models,
        publish,
        lambda: store.fetch("mnist", 1),
        lambda: store.clean("mnist"),
    ):
        with pytest.raises(StoreError, match=r"^cannot \w+ memory://\S+: gone$"):
            ask()


def test_a_missing_bucket_is_no_empty_store(objects, monkeypatch):
    """Otherwise a wrong name would look like a store without models."""

    def refuse(*_, **__):
        raise type("Refused", (AnsweredError, FileNotFoundError), {})("NoSuchBucket")

    monkeypatch.setattr(objects._fs, "ls", refuse)
    monkeypatch.setattr(objects._fs, "cat_ranges", lambda *_, **__: [_raised(refuse)])

    for ask in (objects.listing, lambda: objects.read("key")):
        with pytest.raises(StoreError, match="NoSuchBucket"):
            ask()


def _raised(refuse) -> Exception:
    try:
        refuse()
    except FileNotFoundError as exc:
        return exc


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("file:///models", "name a directory without file://"),
        ("s3://", "names no bucket"),
        ("nowhere://models", "Protocol not known: nowhere"),
    ],
)
def test_a_wrong_url_is_a_sentence(location, problem):
    """It is told when the store is opened."""
    with pytest.raises(StoreError, match=re.escape(f"{location}: {problem}")):
        open_store(location)


def test_a_missing_package_is_named(monkeypatch):
    """Each kind of bucket has a package of its own, which may not be there."""
    monkeypatch.delitem(_registry, "s3", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)

    with pytest.raises(StoreError, match=r"^s3://bucket/models: s3fs is not installed"):
        open_store("s3://bucket/models")
