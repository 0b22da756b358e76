"""Real services, on stores of their own."""

from __future__ import annotations

import pytest
from playwright.sync_api import sync_playwright

from tests.browsing import CHROMIUM, FLAGS, Watch
from tests.service import PATIENT, Service
from tests.starter_store import StarterStore


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """Run one service with the starter model, for tests that leave it as it was."""
    place = tmp_path_factory.mktemp("service")
    with Service(place / "models", place / "log", **PATIENT) as running:
        yield running.ready()


@pytest.fixture(scope="module")
def browser():
    """Run Chromium while a module's tests want it: its driver has an event loop of its own."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, service):
    """Open the page, as often as asked; nothing may go wrong in it."""
    watch = Watch(browser, service.url)
    yield watch.open
    watch.close()
    assert [] == watch.wrong


@pytest.fixture
def start(tmp_path, store):
    """Start services that end with the test; they try no starter again, which takes long."""
    running = []

    def start(*, ready=True, **options):
        store.seed_as_passed()
        log = tmp_path / f"log-{len(running)}"
        service = Service(store.root, log, **PATIENT | options)
        running.append(service)
        service.__enter__()
        return service.ready() if ready else service.alive()

    yield start
    for service in running:
        service.__exit__()


@pytest.fixture
def store(tmp_path):
    """Open the store of the services that `start` starts."""
    return StarterStore(tmp_path / "models")
