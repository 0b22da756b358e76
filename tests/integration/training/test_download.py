"""Downloads from mirrors on the loopback interface."""

from __future__ import annotations

import gzip
import hashlib
import socket
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from training.data import download
from training.data.sources import load
from training.errors import DataError

FILES = ("train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a directory, and counts instead of printing."""

    served: list[str]

    def log_message(self, *_):
        """Log nothing."""

    def do_GET(self):
        """Note the path, then serve it."""
        self.served.append(self.path)
        super().do_GET()


class Mirror:
    """A web server with a directory of files."""

    def __init__(self, directory):
        directory.mkdir()
        for name in FILES:
            (directory / name).write_bytes(gzip.compress(name.encode()))
        self.directory = directory
        self.served: list[str] = []
        handler = type("Handler", (QuietHandler,), {"served": self.served})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=directory))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def mirror(tmp_path):
    mirror = Mirror(tmp_path / "mirror")
    yield mirror
    mirror.close()


@pytest.fixture
def nobody() -> str:
    """Return the address of a mirror that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}/"


@pytest.fixture
def use(monkeypatch):
    """Return a function that sets the mirrors of mnist."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(download, "_RETRIES", 0)
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in FILES}
    remote = download.Remote((), compressed=dict.fromkeys(FILES), uncompressed=digests)

    def set_mirrors(*urls: str) -> None:
        monkeypatch.setitem(download.REMOTES, "mnist", replace(remote, mirrors=urls))

    return set_mirrors


def test_files_are_downloaded_once(use, mirror, tmp_path):
    """The second time, the cache has them."""
    use(mirror.url)

    first = download.fetch("mnist", tmp_path / "cache")
    second = download.fetch("mnist", tmp_path / "cache")

    assert tmp_path / "cache" / "mnist" == first == second
    assert set(FILES) == {path.name for path in first.iterdir()}
    assert sorted(f"/{name}" for name in FILES) == sorted(mirror.served)


def test_the_next_mirror_helps_out(use, mirror, nobody, tmp_path):
    """A mirror that cannot be reached is passed over."""
    use(nobody, mirror.url)

    assert set(FILES) == {p.name for p in download.fetch("mnist", tmp_path / "cache").iterdir()}


def test_without_a_network_the_error_says_what_to_do(use, nobody, monkeypatch, tmp_path):
    """The reason, the option for files of one's own and the data set that needs none."""
    use(nobody)
    monkeypatch.setattr(download.pooch, "os_cache", lambda name: tmp_path / name)

    with pytest.raises(DataError) as caught:
        load("mnist", None)

    assert (
        f"mnist could not be downloaded ({FILES[0]} from {nobody}: Connection refused). Without a "
        "network, give a directory that holds its four files with --data-dir, or train on --data "
        "digits, which needs none"
    ) == str(caught.value)


def test_a_file_that_is_not_there_is_named(use, mirror, tmp_path):
    """A mirror that answers 404 is quoted."""
    (mirror.directory / FILES[1]).unlink()
    use(mirror.url)

    with pytest.raises(DataError, match=rf"{FILES[1]} from {mirror.url}: 404 Client Error"):
        download.fetch("mnist", tmp_path / "cache")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (gzip.compress(b"something else"), "the bytes inside have SHA-256 "),
        (gzip.compress(FILES[0].encode())[:-9], "Compressed file ended "),
    ],
    ids=["other bytes", "truncated"],
)
def test_wrong_bytes_are_refused_and_not_kept(use, mirror, tmp_path, content, problem):
    """A bad download does not stay in the cache, where it would be found again and again."""
    (mirror.directory / FILES[0]).write_bytes(content)
    use(mirror.url)

    with pytest.raises(DataError, match=f"{FILES[0]}.*: {problem}"):
        download.fetch("mnist", tmp_path / "cache")

    assert not (tmp_path / "cache" / "mnist" / FILES[0]).exists()


def test_compression_does_not_matter(use, mirror, tmp_path):
    """The same bytes, compressed harder, are the same data."""
    content = gzip.compress(FILES[0].encode(), compresslevel=1, mtime=1)
    (mirror.directory / FILES[0]).write_bytes(content)
    use(mirror.url)

    assert content == (download.fetch("mnist", tmp_path / "cache") / FILES[0]).read_bytes()
