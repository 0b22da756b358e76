"""A service on an object store."""

from __future__ import annotations

import os

import pytest

from model_store import open_store
from tests.benchmarks.scenarios.object_store import MIDWAY_BYTES
from tests.benchmarks.scenarios.publisher import publishing
from tests.benchmarks.scenarios.s3 import LOCATION, Gate, S3Server, credentials
from tests.benchmarks.scenarios.states import wait_for_default
from tests.benchmarks.scenarios.variants import publish
from tests.service import PATIENT, REST_S, Clients, Service, wait_until


@pytest.fixture
def server():
    """Run an S3 server with an empty bucket."""
    with S3Server() as server:
        yield server


@pytest.fixture
def gate(server):
    """Stand between the service and the server."""
    with Gate(server.port) as gate:
        yield gate


@pytest.fixture
def bucket(server, tmp_path):
    """Open the store, as a publisher does."""
    with credentials(server.url):
        yield open_store(LOCATION, tmp_path / "publisher")


@pytest.fixture
def service(bucket, gate, tmp_path):
    """Run a service on a version in the bucket."""
    publish(bucket, "mnist", "good-0")
    settings = PATIENT | {"cache_dir": tmp_path / "cache"}
    with credentials(gate.url), Service(LOCATION, tmp_path / "log", **settings) as service:
        yield service.ready()


def test_an_object_store_that_is_away_costs_no_answer(service, bucket, gate):
    """What is loaded serves on and is ready; what is published then is taken when it is back."""
    with Clients(service, 4, rest_s=REST_S) as clients:
        gate.shut()
        wait_until(lambda: service.metric("glyph_store_up") == 0, "the metric tells")
        newest = publish(bucket, "mnist", "good-1")
        clients.wait_for_more()
        ready = service.get("/readyz").status_code
        gate.open()
        wait_for_default(service, newest)
        clients.wait_for_more()

    assert 200 == ready
    assert [] == clients.failures
    assert 1 == service.metric("glyph_store_up")


def test_half_a_version_is_none(service, bucket, server):
    """A publisher that is killed midway leaves nothing to serve, and is in nobody's way."""
    with Clients(service, 4, rest_s=REST_S) as clients:
        with Gate(server.port, MIDWAY_BYTES) as narrow:
            environ = os.environ | {"AWS_ENDPOINT_URL": narrow.url}
            doomed = publishing(LOCATION, "mnist", "good-1", 1, **environ)
            assert narrow.held_back.wait(30)
            doomed.kill()
            doomed.communicate()
        versions = bucket.versions("mnist")
        newest = publish(bucket, "mnist", "good-2")
        wait_for_default(service, newest)

    assert [1] == versions
    assert [] == clients.failures
    assert {1, newest} >= set(clients.versions)
