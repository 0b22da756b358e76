"""Versions in a bucket of a real S3 server: several publishers, and a server that goes away."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from model_store.operations import labels_and_traffic

pytest.importorskip("s3fs")
pytest.importorskip("moto")
pytest.importorskip("flask_cors")

from model_store import CorruptVersionError, StoreError, VersionNotFoundError
from model_store.stores import objects as objects_module
from model_store.stores.bucket import ABANDONED_AFTER, ObjectStore
from model_store.stores.objects import Objects
from tests.integration.model_store.object_publisher import publish
from tests.integration.model_store.publisher import DESCRIPTION

SERVER = Path(__file__).with_name("s3_server.py")
ROOT = Path(__file__).parents[3]
PUBLISHER = "tests.integration.model_store.object_publisher"
VERSIONS = 4
PUBLISHERS = 3
PAGE, MANY = 50, 120
"""Names in one answer to a listing; AWS gives a thousand."""


class S3Server:
    """The server, in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE)},
            text=True,
        )
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().strip()}"

    def make_bucket(self) -> str:
        name = f"bucket-{uuid.uuid4()}"
        Objects(f"s3://{name}")._fs.mkdir(name)
        return name

    def tell(self, word: str) -> str:
        print(word, file=self._process.stdin, flush=True)
        return self._process.stdout.readline().strip()

    @contextlib.contextmanager
    def away(self):
        """Close the door for a while: connections are refused."""
        self.tell("away")
        try:
            yield
        finally:
            self.tell("back")

    @contextlib.contextmanager
    def frozen(self):
        """Stop the process for a while: connections are made, and nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def counting(self, requests: int):
        """Check how many requests a block needs; asking for their number is none."""
        before = int(self.tell("count"))
        yield
        assert requests == int(self.tell("count")) - before

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def shared_server():
    """Start a server once: that takes seconds, and each test has a bucket of its own."""
    with contextlib.closing(S3Server()) as server:
        yield server


@pytest.fixture
def server(shared_server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", shared_server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anybody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    return shared_server


@pytest.fixture
def url(server) -> str:
    """Make a bucket and give a place in it."""
    return f"s3://{server.make_bucket()}/some/models"


@pytest.fixture
def store(url, tmp_path) -> ObjectStore:
    return ObjectStore(url, tmp_path / "cache")


class Publishers:
    """Processes that publish, and begin at the same time."""

    def __init__(self, url: str, cache: Path, count: int, *args: object) -> None:
        command = [sys.executable, "-m", PUBLISHER, url, cache, *map(str, args)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.each = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(count)]
        for process in self.each:
            assert process.stdout.readline().startswith("ready")
        for process in self.each:
            print(file=process.stdin, flush=True)

    def close(self) -> None:
        for process in self.each:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


@pytest.fixture
def start(url, tmp_path):
    """Return a function that starts publishers; those that live at the end are killed."""
    with contextlib.ExitStack() as started:

        def start(*args: object) -> list[subprocess.Popen]:
            publishers = Publishers(url, tmp_path / "publishers", *args)
            return started.enter_context(contextlib.closing(publishers)).each

        yield start


def test_publishers_at_once_get_different_numbers(store, start):
    """No number is given twice, none is left out, and every version is whole."""
    publishers = start(PUBLISHERS, VERSIONS)
    numbers = [int(process.stdout.readline()) for process in publishers for _ in range(VERSIONS)]

    everything = list(range(1, PUBLISHERS * VERSIONS + 1))
    assert everything == sorted(numbers) == store.versions("mnist")
    for process in publishers:
        for number in numbers[:VERSIONS]:
            assert process.pid == store.metadata("mnist", number).seed
            store.fetch("mnist", number)
        del numbers[:VERSIONS]


def test_changes_at_once_are_all_made(store, url, tmp_path):
    """Two machines change the same control document in turns that nobody arranged."""
    publish(store)
    other = ObjectStore(url, tmp_path / "other")
    inner = iter(range(3))

    def edit(control, name="a"):
        for n in inner:  # others' changes come first, three times
            labels_and_traffic.label(other, "mnist", f"other-{n}", 1, force=True)
            break
        return control.model_copy(update={"labels": control.labels | {name: 1}})

    store.change("mnist", "label", edit, by="ada")

    assert {"a", "other-0", "other-1", "other-2"} == set(other.control("mnist").labels)
    assert [1, 2, 3, 4] == [change.generation for change in store.history("mnist")]


@pytest.mark.parametrize("moment", ["reserved", "half", "uploaded"])
def test_a_killed_publisher_leaves_no_version(store, start, moment):
    """Its number is taken, readers ignore it, and once it is old `clean` removes it."""
    [killed] = start(1, 1, moment)
    assert "stopped\n" == killed.stdout.readline()
    killed.kill()
    killed.wait()

    assert ([], [1]) == (store.versions("mnist"), store.unfinished("mnist"))
    with pytest.raises(VersionNotFoundError, match="mnist/1: has no manifest"):
        store.fetch("mnist", 1)
    assert (2, [2]) == (publish(store), store.versions("mnist"))
    assert (0, [1]) == (store.clean("mnist"), store.unfinished("mnist"))

    store._now = lambda: datetime.now(UTC) + ABANDONED_AFTER + timedelta(minutes=1)
    assert (1, [], [2]) == (
        store.clean("mnist"),
        store.unfinished("mnist"),
        store.versions("mnist"),
    )


def test_publishers_killed_at_random_leave_no_broken_version(store, start):
    """Whatever is listed can be fetched, and what a publisher said it published is listed."""
    publishers = start(PUBLISHERS, 100)
    said = []
    for n, publisher in enumerate(publishers, 1):
        said += [int(publisher.stdout.readline()) for _ in range(n)]
        publisher.kill()

    versions = store.versions("mnist")
    assert set(said) <= set(versions)
    for version in versions:
        assert version == store.metadata("mnist", version).version
        store.fetch("mnist", version)


def test_a_server_away_is_a_sentence_and_comes_back(store, server, url):
    """The same instance works again; what was fetched before is not fetched again."""
    publish(store)
    directory = store.fetch("mnist", 1)

    with server.away():
        for ask in (store.models, lambda: store.control("mnist"), lambda: publish(store)):
            with pytest.raises(StoreError, match=f"^cannot list {url}.*: Could not connect"):
                ask()
        with pytest.raises(StoreError, match=f"^cannot read {url}/mnist/1/manifest"):
            store.fetch("mnist", 1)

    with server.counting(2):  # the manifest and whether there is a signature
        assert directory == store.fetch("mnist", 1)
    assert 2 == publish(store)


def test_a_silent_server_is_a_sentence(server, url, tmp_path, monkeypatch):
    """Nobody waits for it longer than the timeouts say."""
    config = objects_module._S3_OPTIONS["config_kwargs"] | {"read_timeout": 0.2}
    monkeypatch.setattr(objects_module, "_S3_OPTIONS", {"config_kwargs": config})
    store = ObjectStore(url, tmp_path / "cache")
    publish(store)

    with server.frozen(), pytest.raises(StoreError, match=r"^cannot list .*[Tt]imeout"):
        store.versions("mnist")

    assert [1] == store.versions("mnist")


def test_a_publisher_whose_server_goes_away_can_try_again(store, server):
    """The draft is whole still; the number it had reserved is left to `clean`."""
    upload = store._objects.upload

    def lose_server(files):
        server.tell("away")
        upload(files)

    with store.draft("mnist") as draft:
        (draft.path / "saved_model.pb").write_bytes(b"anything")
        store._objects.upload = lose_server
        with pytest.raises(StoreError, match=r"^cannot write "):
            draft.commit(DESCRIPTION)
        server.tell("back")
        store._objects.upload = upload
        assert 2 == draft.commit(DESCRIPTION)

    assert ([2], [1]) == (store.versions("mnist"), store.unfinished("mnist"))


def test_a_lost_answer_makes_no_second_change(store, server):
    """The second attempt finds what the first has written, and knows it for its own."""
    publish(store)
    labels_and_traffic.label(store, "mnist", "stable", 1, force=True)
    genuine = store._objects._create

    def create(key, data):
        server.tell("lose")
        return genuine(key, data)

    store._objects._create = create
    labels_and_traffic.label(store, "mnist", "canary", 1, force=True)

    assert ["label"] * 2 == [change.action for change in store.history("mnist")]
    assert {"stable": 1, "canary": 1} == store.control("mnist").labels


def test_a_changed_object_is_refused(store, url, tmp_path):
    """With bytes of the same number; whoever has the right ones goes on serving them."""
    publish(store)
    entry = store.fetch("mnist", 1)
    right = (entry / "variables" / "3.bin").read_bytes()
    Objects(url).put("mnist/1/variables/3.bin", bytes(64))

    with pytest.raises(CorruptVersionError, match=rf"^{url}/mnist/1/variables/3\.bin: has SHA-256"):
        ObjectStore(url, tmp_path / "other").fetch("mnist", 1)

    assert right == (store.fetch("mnist", 1) / "variables" / "3.bin").read_bytes()


def test_a_half_uploaded_version_is_refused(store, url):
    """Somebody copied it with another tool, and the manifest came before the rest."""
    publish(store)
    Objects(url).remove("mnist/1/variables/3.bin")

    with pytest.raises(CorruptVersionError, match=r"3\.bin: is listed in the manifest but missing"):
        store.fetch("mnist", 1)


@pytest.mark.usefixtures("server")
def test_a_missing_bucket_is_a_sentence(tmp_path):
    """A wrong name does not look like an empty store."""
    with pytest.raises(StoreError, match="cannot list s3://nowhere/models: The specified bucket"):
        ObjectStore("s3://nowhere/models", tmp_path).models()


def test_many_versions_are_listed_cheaply(store, server, url):
    """A request for each page of names, once their manifests have been seen."""
    objects = Objects(url)
    for version in range(1, MANY + 1):
        objects.put(f"mnist/{version}/manifest.json", json.dumps({"n": version}).encode())
    assert list(range(1, MANY + 1)) == store.versions("mnist")

    with server.counting(3):
        assert MANY == store.latest("mnist")
    with server.counting(4):
        store.models(), store.versions("mnist")
