"""Every setting with values that can never be right: the start ends with one line that names it."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys
import time
from functools import partial

import pytest
from fsspec.registry import _registry

from app.config.loading import load_settings
from app.config.settings import Settings
from app.config.wrong_settings import WrongSettingError
from app.server.startup_checks import directories
from app.server.startup_checks.checks import check_start
from app.server.startup_checks.directories import check_cache_dir
from app.server.startup_checks.isolated_call import call_isolated
from tests.certificates import make_certificate
from tests.service import free_port

LONG = "x" * 300
CONTROL = ("a\nb", "a\rb", "a\x1bb", "a\x7f", "\udcff")
"""Characters that a slip leaves: ends of lines, escapes, and bytes that are no UTF-8."""
NO_NUMBER = ("many", "0x10", "1,5", "1 2", "--1", "true", "nan", "inf", "9" * 5000, "٣", *CONTROL)
FILE_KINDS = ("{fifo}", "/dev/zero", "{socket}")
FILES = ("{missing}", "{directory}", "{file}", "{file}/below", f"/{LONG}", " {file}", *FILE_KINDS)


def whole(least: int, most: int) -> tuple[str, ...]:
    """Return what is wrong for a whole number."""
    return (str(least - 1), str(most + 1), "1.5", *NO_NUMBER)


def real(least: float, most: float) -> tuple[str, ...]:
    """Return what is wrong for a number."""
    return (str(least - 0.01), str(most + 0.01), "-inf", "1e400", *NO_NUMBER)


def words(*right: str) -> tuple[str, ...]:
    """Return what is wrong where one of some words is expected."""
    return ("other", right[0].upper(), f"{right[0]} ", ",".join(right), "0", *CONTROL)


WRONG: dict[str, tuple[str, ...]] = {
    "store": (
        *("foo://", "foo://bucket", "file://", "file:///srv/models", "local://x", "://x", "s3://"),
        *("s3:/bucket", "s3:bucket", "file:/srv", "C:/models", "host:/export", "gs://bucket"),
        *("{file}", "{file}/models", f"/{LONG}", "{loop}", "{fifo}", "/dev/null", " ", " /srv"),
        *CONTROL,
    ),
    "cache_dir": (
        "{file}",
        "{file}/cache",
        f"/{LONG}",
        "{loop}",
        "{fifo}",
        " {directory}",
        *CONTROL,
    ),
    "cache_mib": whole(1, 2**24),
    "model": ("a/b", "../up", ".", "-a", "a b", "x" * 65, "mnist ", "ü", *CONTROL),
    "models": (
        "a/b",
        "mnist,",
        ",",
        "mnist;shapes",
        "mnist,mnist/1",
        "mnist,x y",
        *CONTROL,
    ),
    "version_policy": (
        "newest",
        "latest:0",
        "latest:-1",
        "2,",
        "0",
        "a/b=all",
        "all;all",
        "=",
        *CONTROL,
    ),
    "auto_rollback_s": real(0, 86_400),
    "public_keys": (",", ":", "{keys},{missing}", *FILES, *CONTROL),
    "bind": (
        *("8000", "localhost", ":8000", "h:65536", "::1:80", "256.1.1.1:0", "[::::]:0", "x y:1"),
        *(
            "no-such-host.invalid:0",
            f"{'x' * 64}:0",
            "192.0.2.1:0",
            "{in_use}",
            "unix:",
            "unix:{missing}/s",
            "unix:{file}",
            "unix:{file}/s",
            f"unix:/{LONG}",
            "127.0.0.1:0,{in_use}",
            "127.0.0.1:9999,127.0.0.1:9999",
            "0.0.0.0:{free},127.0.0.1:{free}",
            ",",
            *CONTROL,
        ),
    ),
    "web_workers": whole(0, 64),
    "runtime": words("openvino", "tensorflow"),
    "precision": words("f32", "bf16"),
    "runtime_threads": whole(1, 256),
    "runtime_streams": whole(0, 64),
    "max_batch": whole(1, 4096),
    "batch_wait_ms": real(0, 1000),
    "queue_limit": whole(1, 1_000_000),
    "max_images": ("5000", *whole(1, 100_000)),
    "max_body_bytes": whole(1024, 2**30),
    "request_timeout_ms": whole(1, 60_000),
    "poll_interval_s": real(0.05, 3600),
    "host_timeout_s": whole(2, 600),
    "host_memory_mib": ("1", "127", *whole(0, 2**24)),
    "trial_timeout_s": real(1, 3600),
    "trial_memory_mib": whole(256, 2**24),
    "graceful_timeout_s": whole(1, 600),
    "keepalive_s": whole(1, 3600),
    "fast_path": words("on", "off"),
    "admin_token": ("short", "x" * 257, "with a space in it", "ü" * 20, *CONTROL),
    "admin_token_file": (*FILES, *CONTROL),
    "api_keys_file": (*FILES, *CONTROL),
    "rate_limit": (
        "100",
        "0/minute",
        "-1/minute",
        "1/fortnight",
        "1 per day",
        "1/minute ",
        *CONTROL,
    ),
    "tls_cert": (*FILES, "{key}", *CONTROL),
    "tls_key": (*FILES, *CONTROL),
    "cors_origins": (
        *("app.example", "https://a.example/", "null", "*,https://a.example", "https://a.example,"),
        *("http://a.example:99999", "http://[::::]", "ftp://a.example", *CONTROL),
    ),
    "trusted_proxies": ("proxy.example", "10.0.0.1/8", "*", "10.0.0.1,", "300.1.1.1", *CONTROL),
    "canary": ("canary", "canary=0", "canary=101", "canary=-1", "=10", "canary=10:", *CONTROL),
    "shadow": ("next", "next=0", "next=101", "next=10:X-User", "a b=10", *CONTROL),
    "run_dir": (
        *(
            "{file}",
            "{file}/run",
            f"/{LONG}",
            "{directory}/" + "x" * 100,
            "{loop}",
            "{fifo}",
            "/proc/run",
        ),
        *(" {directory}", *CONTROL),
    ),
    "log_level": words("debug", "info"),
    "log_format": words("json", "text"),
    "access_log": words("all", "errors"),
}
"""Setting -> values; in braces is what `places` makes."""
CASES = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Make what the values name in braces."""
    root = tmp_path_factory.mktemp("p")
    for part in (root, *root.parents):
        if part == root or (part.owner() == getpass.getuser() and "pytest" in part.name):
            part.chmod(0o755)  # for another user, whom a test stands for
    (root / "file").write_text("nothing of use\n")
    (root / "directory").mkdir()
    (root / "closed").mkdir(mode=0o000)
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "fifo")
    cert, key = make_certificate(root)
    with socket.socket(socket.AF_UNIX) as listener, socket.create_server(("127.0.0.1", 0)) as port:
        listener.bind(str(root / "socket"))
        names = ("file", "directory", "closed", "loop", "fifo", "missing", "socket")
        yield {name: root / name for name in names} | {
            "cert": cert,
            "key": key,
            "keys": root / "file",
            "free": free_port(),
            "in_use": f"127.0.0.1:{port.getsockname()[1]}",
        }


class Start:
    """Starts as the master does, as far as the last check."""

    def __init__(self, monkeypatch, capsys, places) -> None:
        self._monkeypatch, self._capsys, self._places = monkeypatch, capsys, places

    def __call__(self, **settings: object) -> None:
        if {"tls_cert", "tls_key"} & set(settings):
            settings = {"tls_cert": "{cert}", "tls_key": "{key}"} | settings
        for name, value in ({"bind": "127.0.0.1:0"} | settings).items():
            text = str(value).format_map(self._places)
            self._monkeypatch.setenv(f"GLYPH_{name.upper()}", text)
        check_start(load_settings())

    def complaint(self, **settings: object) -> str:
        """Return what the start ends with."""
        with pytest.raises(SystemExit) as caught:
            self(**settings)
        out, err = self._capsys.readouterr()
        assert (2, "") == (caught.value.code, out)
        return err


@pytest.fixture
def start(monkeypatch, capsys, places):
    return Start(monkeypatch, capsys, places)


def test_every_setting_has_wrong_values():
    """A new setting comes with some."""
    assert set(Settings.model_fields) == set(WRONG)


@pytest.mark.parametrize(("name", "value"), CASES, ids=lambda text: ascii(text)[1:30])
def test_a_wrong_value_stops_the_start_with_one_line(start, name, value):
    """It names the setting; no process has been started."""
    line = start.complaint(**{name: value})

    assert 1 == len(line.splitlines())
    assert line.startswith(f"glyph: GLYPH_{name.upper()}")
    assert len(line) < 1000


@pytest.mark.parametrize(
    "settings",
    [
        {"store": "{missing}"},
        {"store": "{missing}/deep/models"},
        {"store": "{directory}"},
        {"store": "s3://bucket/models", "cache_dir": "{missing}/cache"},
        {"run_dir": "{missing}/run"},
        {"run_dir": "{directory}"},
        {"tls_cert": "{cert}", "tls_key": "{key}"},
        {"host_memory_mib": "0"},
        {"host_memory_mib": "128"},
        {"cors_origins": "http://[::1]:8080,https://a.example:65535"},
        {"bind": "localhost:0"},
        {"store": "relative/ünïcode"},
    ],
    ids=str,
)
def test_what_is_right_or_may_become_right_stops_no_start(start, settings):
    """A store that is away is a state, which /readyz tells."""
    start(**settings)


@pytest.mark.parametrize(
    ("runtime", "problem"),
    [
        ("tensorflow", "tensorflow is not installed; install it with pip install"),
        ("openvino", "openvino is not installed; "),
        ("auto", "openvino or tensorflow is not installed; "),
    ],
)
def test_a_runtime_that_is_not_installed_stops_the_start(start, monkeypatch, runtime, problem):
    """No version could ever be loaded."""
    monkeypatch.setattr("app.server.startup_checks.runtimes.find_spec", lambda _name: None)

    assert start.complaint(runtime=runtime).startswith(
        f"glyph: GLYPH_RUNTIME={runtime!r}: {problem}"
    )


def test_a_bucket_without_its_package_stops_the_start(start, monkeypatch):
    """It names what is missing; only installing it would help."""
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)  # another test's import

    assert (
        "glyph: GLYPH_STORE='s3://bucket/models': s3fs is not installed; pip install 'glyph[s3]'\n"
    ) == start.complaint(store="s3://bucket/models")


def test_a_store_that_hangs_holds_no_start(start, monkeypatch, places):
    """Such as a share whose server is away."""
    monkeypatch.setattr(directories, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(directories, "_problem_of_path", lambda _path: time.sleep(60))

    start(store=places["directory"])


def test_nothing_of_an_object_store_stays_in_the_master():
    """Every later process would inherit it."""
    code = (
        "import sys; from app.config.loading import load_settings\n"
        "from app.server.startup_checks.checks import check_start\n"
        "check_start(load_settings()); print(*{'s3fs', 'fsspec', 'tensorflow'} & {*sys.modules})"
    )
    environment = os.environ | {"GLYPH_STORE": "s3://bucket/models", "GLYPH_BIND": "127.0.0.1:0"}

    assert (
        ""
        == subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip()
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"run_dir": "{closed}/run"},
        {"admin_token_file": "{closed}/token"},
        {"api_keys_file": "{closed}/keys.json"},
        {"public_keys": "{closed}/key.pem"},
        {"tls_cert": "{closed}/cert.pem"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_what_this_user_may_not_use_stops_the_start(start, settings):
    """The line says so."""
    line = as_another_user(partial(start.complaint, **settings))

    assert line.startswith(f"glyph: GLYPH_{next(iter(settings)).upper()}=")
    assert "Permission denied" in line or "not writable for this user" in line


def test_a_cache_that_cannot_be_written_matters_where_the_store_is_a_url(places):
    """Nothing is written there otherwise."""
    cache = places["closed"] / "cache"

    def problem() -> str:
        check_cache_dir(cache, used=False)
        with pytest.raises(WrongSettingError) as caught:
            check_cache_dir(cache, used=True)
        return str(caught.value)

    found = as_another_user(problem)

    assert found.startswith(f"GLYPH_CACHE_DIR='{cache}': /")  # or a parent that it may not enter
    assert found.endswith(" is not writable for this user; choose another directory")


def test_a_store_that_this_user_may_not_read_stops_no_start(start):
    """It may be opened later; /readyz tells."""
    assert as_another_user(lambda: start(store="{closed}/models") or "started") == "started"


def as_another_user(call):
    """Call a function as a user for whom permissions count; gives what it gave."""

    def attempt() -> str:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        return call()

    return call_isolated(attempt, 20)
