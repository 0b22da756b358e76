"""Real services, on stores of their own."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import sync_playwright

from model_store import Description, ModelStore
from model_store.operations.starter import STARTER
from tests.browsing import CHROMIUM, FLAGS, Watch
from tests.service import Service


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """Run one service with the starter model, for tests that leave it as it was."""
    place = tmp_path_factory.mktemp("service")
    with Service(place / "models", place / "log") as running:
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
def start(tmp_path):
    """Start services that end with the test."""
    running = []

    def start(*, ready=True, **options):
        service = Service(tmp_path / "models", tmp_path / f"log-{len(running)}", **options)
        running.append(service)
        service.__enter__()
        return service.ready() if ready else service.alive()

    yield start
    for service in running:
        service.__exit__()


@pytest.fixture
def store(tmp_path):
    """Open the store of the services that `start` starts."""
    return ModelStore(tmp_path / "models")


@pytest.fixture
def publish_starter(store):
    """Publish the starter model once more, as the next version."""

    def publish():
        source = STARTER / "mnist" / "1"
        described = set(Description.model_fields)
        with store.draft("mnist") as draft:
            shutil.copytree(source, draft.path, dirs_exist_ok=True)
            for document in ("metadata.json", "manifest.json"):
                (draft.path / document).unlink()
            metadata = ModelStore(STARTER).metadata("mnist", 1)
            return draft.commit(Description(**{k: v for k, v in metadata if k in described}))

    return publish
