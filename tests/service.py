"""A real service in a process of its own, and clients that put it under load."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import requests
from prometheus_client.parser import text_string_to_metric_families

SERVE = (sys.executable, "-m", "app", "serve")
GUNICORN = (sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "app.wsgi:app")
ROOT = Path(__file__).parent.parent
PATIENCE_S = 60
LOOK_EVERY_S = 0.05
"""More often, and looking would take the cores that what is waited for needs."""

PATIENT = {"request_timeout_ms": 60_000}
"""Settings for what is no test of deadlines: a busy machine takes long to start a process."""
REST_S = 0.02
"""Between an answer and a client's next request, where other work goes on meanwhile."""


def free_port():
    """Find a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what, patience_s=PATIENCE_S):
    """Ask again and again until a condition holds; gives what it gave."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(LOOK_EVERY_S)
    raise AssertionError(f"not within {patience_s} s: {what}")


class Service:
    """One running glyph serve; leaving the block stops it."""

    def __init__(self, store, log, command=SERVE, certificate=None, **settings):
        self.port = free_port()
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self.trusted = certificate.cert if certificate else None
        if certificate:
            settings |= {"tls_cert": certificate.cert, "tls_key": certificate.key}
        self.store = store
        self.log = log
        self.command = command
        values = {"store": store, "bind": f"127.0.0.1:{self.port}", "graceful_timeout_s": 10}
        values["web_workers"] = 2  # on any machine, so that one can be lost
        self.environ = {f"GLYPH_{k.upper()}": str(v) for k, v in (values | settings).items()}
        """Variables for the service, over those that there are; may be changed before it starts."""

    def __enter__(self):
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=os.environ | self.environ, stdout=out, stderr=out
            )
        return self

    def __exit__(self, *_exc):
        self.close()

    def close(self):
        """End the service where it runs."""
        if self.process.poll() is None:
            self.stop()

    def stop(self):
        """End the service as an orchestrator does; gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def alive(self):
        """Wait until requests are answered."""
        wait_until(lambda: self._answers("/healthz"), "alive")
        return self

    def ready(self):
        """Wait until a version serves."""
        wait_until(lambda: self._answers("/readyz"), "ready")
        return self

    def get(self, path, **options):
        """GET a path."""
        url = self.url + path
        return requests.get(url, timeout=PATIENCE_S, verify=self.trusted, **options)

    def predict(self, body, **options):
        """POST a document to /predict."""
        return self.post("/predict", body, **options)

    def post(self, path, body, **options):
        """POST a document to a path."""
        url = self.url + path
        return requests.post(url, json=body, timeout=PATIENCE_S, verify=self.trusted, **options)

    def version(self):
        """Return the version that answers the example."""
        return self.predict(self.get("/example").json()).json()["model"]["version"]

    def metric(self, name, **labels):
        """Read one sample from /metrics; None where there is none."""
        for family in text_string_to_metric_families(self.get("/metrics").text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return None

    def pids(self):
        """Find every process of the service."""
        return [self.process.pid, *self._family()]

    def host_pid(self):
        """Find the model host: the arbiter's child, which holds the runtime once it has a model.

        A trial's process, which is the host's child, holds it before.
        """
        below = (pid for child in _children(self.process.pid) for pid in _children(child))
        return next(pid for pid in below if b"openvino" in _maps(pid))

    def arbiter_pid(self):
        """Find gunicorn's dirty arbiter, which supervises the host."""
        return _parent(self.host_pid())

    def worker_pids(self):
        """Find the web workers: the master's children that are not the arbiter."""
        return [pid for pid in _children(self.process.pid) if pid != self.arbiter_pid()]

    def log_lines(self):
        """Parse the log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def _answers(self, path):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get(path).status_code == 200
        except requests.ConnectionError:
            return False

    def _family(self, pid=None):
        children = _children(pid or self.process.pid)
        return children + [pid for child in children for pid in self._family(child)]


class Clients:
    """Clients that predict one after another, each over a connection of its own.

    With `rest_s` they pause after each answer: what goes on beside them needs a core, too. With
    `leave_when_closed` a client ends when the service closes its connection after an answer,
    as a load balancer moves on from a service that is going down.
    """

    def __init__(
        self,
        service,
        count,
        *,
        leave_when_closed=False,
        rest_s=0.0,
        body=None,
        path="/predict",
        headers=None,
    ):
        self._rest_s = rest_s
        self._leave_when_closed = leave_when_closed
        self._service = service
        self._body = body or service.get("/example").json()
        self._path = path
        self._headers = headers
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]
        self.versions = Counter()
        self.classes = Counter()
        """By version and class of the first image."""
        self.failures = []

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def answered(self, version=None):
        """Count the answers, of one version or of all."""
        return self.versions.total() if version is None else self.versions[version]

    def wait_for_more(self, count=200):
        """Wait until so many more answers have come."""
        target = self.answered() + count
        wait_until(lambda: self.answered() >= target, f"{count} more answers")

    def _run(self):
        url = f"{self._service.url}{self._path}"
        options = {"json": self._body, "headers": self._headers, "timeout": PATIENCE_S}
        with requests.Session() as session:
            while not self._stopping.is_set():
                try:
                    answer = session.post(url, **options)
                    if not answer.ok:
                        raise requests.HTTPError(f"{answer.status_code}: {answer.text}")
                    said = answer.json()
                    version = said["model"]["version"]
                    self.versions[version] += 1
                    self.classes[version, said["predictions"][0]["class"]] += 1
                    if self._leave_when_closed and answer.headers["Connection"] == "close":
                        return
                except requests.RequestException as exc:
                    self.failures.append(exc)
                self._stopping.wait(self._rest_s)


def _children(pid):
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(c) for task in tasks for c in (task / "children").read_text().split()]
    except OSError:
        return []


def _parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _maps(pid):
    try:
        return Path(f"/proc/{pid}/maps").read_bytes()
    except OSError:
        return b""
