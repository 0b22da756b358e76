"""The metrics of both kinds of process: every count where Prometheus looks for it."""

from __future__ import annotations

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Histogram, values
from prometheus_client.parser import text_string_to_metric_families

from app.host.batching.cost_model import BatchCostModel
from app.host.metrics import HostMetrics
from app.telemetry.bulk_histogram import TalliedHistogram
from app.web.middleware.metrics import WebMetrics
from tests.unit.app.crowd import THREADS, at_once


class Host:
    """The host's metrics, and the value of a sample."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.waiting = 0
        self.now = 100.0
        self.metrics = HostMetrics(
            self.registry, waiting=lambda: self.waiting, clock=lambda: self.now
        )

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def host() -> Host:
    return Host()


def test_a_batch_is_observed(host):
    """Its size in images and its time in the runtime."""
    host.metrics.batch(3, 0.5)
    host.metrics.batch(5, 0.25)

    assert (2, 8) == (
        host.value("glyph_batch_size_images_count"),
        host.value("glyph_batch_size_images_sum"),
    )
    assert 1 == host.value("glyph_batch_size_images_bucket", le="4.0")
    assert 0.75 == host.value("glyph_inference_seconds_sum")


def test_a_wait_is_observed(host):
    """From arrival to the first batch."""
    host.metrics.waited(0.004)

    assert 0.004 == host.value("glyph_queue_wait_seconds_sum")
    assert 1 == host.value("glyph_queue_wait_seconds_bucket", le="0.005")


def test_the_queue_is_read_when_asked(host):
    """The gauge is what waits at the time of the scrape."""
    host.waiting = 7

    assert 7 == host.value("glyph_queue_images")


def test_predictions_are_counted_by_class(host):
    """The most probable class of every image of a batch."""
    probabilities = np.array([[0.6, 0.4, 0], [0.1, 0.9, 0], [0.8, 0.1, 0.1]], np.float32)
    host.metrics.predicted("shapes", ("circle", "square", "star"), probabilities)

    counts = {
        name: host.value("glyph_predictions_total", model="shapes", **{"class": name})
        for name in ("circle", "square", "star")
    }
    assert {"circle": 2, "square": 1, "star": None} == counts


@pytest.mark.parametrize("reason", ["overloaded", "expired", "failed", "not_ready", "misfit"])
def test_drops_are_counted_by_reason(host, reason):
    """Every reason has its series from the start, so that a first drop is a rise from zero."""
    before = host.value("glyph_requests_dropped_total", reason=reason)
    host.metrics.dropped(reason)

    assert (0, 1) == (before, host.value("glyph_requests_dropped_total", reason=reason))


def test_loads_are_counted_by_outcome(host):
    """With how long a good one took."""
    host.metrics.refused("shapes")
    host.metrics.loaded("shapes", 12, 0.75, BatchCostModel({1: 0.25}))

    assert (1, 1) == (
        host.value("glyph_model_loads_total", model="shapes", outcome="refused"),
        host.value("glyph_model_loads_total", model="shapes", outcome="served"),
    )
    assert 0.75 == host.value("glyph_model_load_seconds_sum")


def test_what_batches_cost_is_told(host):
    """As it was measured at the last load: the seconds at every size, and the limit."""
    host.metrics.loaded("shapes", 1, 0.75, BatchCostModel({1: 9, 2: 9, 4: 9, 8: 9}))
    host.metrics.loaded("shapes", 2, 0.75, BatchCostModel({1: 0.25, 2: 0.5, 4: 1}))

    assert (0.25, 0.5, 1, None) == tuple(
        host.value("glyph_batch_seconds", model="shapes", size=n) for n in ("1", "2", "4", "8")
    )
    assert 1 == host.value("glyph_batch_limit_images", model="shapes")


def test_the_default_version_is_told(host):
    """A first one is no swap; of a model without any there is no series, of its batches neither."""
    host.metrics.loaded("shapes", 1, 0.75, BatchCostModel({1: 0.25}))
    host.metrics.defaulted("shapes", 1, swap=False)
    host.metrics.defaulted("shapes", 12, swap=True)
    told = host.value("glyph_model_version", model="shapes")
    host.metrics.defaulted("shapes", None, swap=False)

    assert (12, 1) == (told, host.value("glyph_model_swaps_total", model="shapes"))
    assert host.value("glyph_model_version", model="shapes") is None
    assert host.value("glyph_batch_seconds", model="shapes", size="1") is None


def test_versions_are_counted_by_model(host):
    """Those in memory and those not to be loaded; what may happen to one is a rise from zero."""
    host.metrics.counted("shapes", loaded=2, refused=1)
    before = host.value("glyph_model_rollbacks_total", model="shapes")
    host.metrics.rolled_back("shapes")

    assert (2, 1) == (
        host.value("glyph_model_versions_loaded", model="shapes"),
        host.value("glyph_model_versions_refused", model="shapes"),
    )
    assert (0, 1) == (before, host.value("glyph_model_rollbacks_total", model="shapes"))
    assert 0 == host.value("glyph_model_swaps_total", model="shapes")
    for outcome in ("served", "refused"):
        assert 0 == host.value("glyph_model_loads_total", model="shapes", outcome=outcome)


@pytest.mark.parametrize("up", [True, False])
def test_it_is_told_whether_the_store_can_be_read(host, up):
    """As a number that an alert can be set on."""
    host.metrics.store(up=up)

    assert up == host.value("glyph_store_up")


def test_the_age_of_the_last_look_grows_until_the_next_one(host):
    """It is computed when it is asked for, so that a watcher that hangs shows."""
    host.now = 160.0
    before = host.value("glyph_store_last_look_age_seconds")
    host.metrics.polled()
    host.now = 161.5

    assert (60, 1.5) == (before, host.value("glyph_store_last_look_age_seconds"))


def test_the_host_tells_of_its_process(host):
    """Memory and CPU under a name that no web worker's process has."""
    names = {f.name for f in text_string_to_metric_families(host.metrics.exposition().decode())}

    assert {"glyph_host_process_resident_memory_bytes", "glyph_host_restarts"} <= names


def test_there_are_no_series_of_creation_times(host):
    """Prometheus does not need them, and they would be half of all series."""
    host.metrics.dropped("failed")

    assert b"_created" not in host.metrics.exposition()


def test_the_workers_metrics_are_added_up(tmp_path, monkeypatch):
    """Whoever answers /metrics speaks for all web workers."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for pid in (101, 102, 102):
        worker = values.MultiProcessValue(process_identifier=lambda pid=pid: pid)
        monkeypatch.setattr(values, "ValueClass", worker)
        metrics = WebMetrics(CollectorRegistry())
        metrics.began()
        metrics.began()
        metrics.ended("/predict", "POST", 200, 0.25)
        metrics.write()

    families = text_string_to_metric_families(metrics.exposition().decode())
    found = {s.name: s.value for family in families for s in family.samples}
    assert (3, 0.75) == (
        found["glyph_http_requests_total"],
        found["glyph_http_request_seconds_sum"],
    )
    assert 2 == found["glyph_http_requests_in_progress"]  # a process tells what it has now


@pytest.mark.parametrize("reason", ["full", "unsent", "held", "pictures"])
def test_what_a_worker_refuses_by_itself_is_counted(reason):
    """Every reason has its series from the start, so that a first one is a rise from zero."""
    registry = CollectorRegistry()
    metrics = WebMetrics(registry)

    def count():
        return registry.get_sample_value("glyph_requests_shed_total", {"reason": reason})

    before = count()
    metrics.shed(reason)
    metrics.shed(reason)
    assert [0, 2, 2] == [before, count(), count()]


def test_observations_at_once_are_as_many_one_by_one():
    """In every bucket, at its bounds too."""
    amounts = [0.0, 0.5, 0.5, 0.75, 1.0, 3.0, 5.0, 100.0]
    registries = CollectorRegistry(), CollectorRegistry()
    once = TalliedHistogram("h", "", ["x"], registry=registries[0], buckets=(0.5, 1, 5))
    singly = Histogram("h", "", ["x"], registry=registries[1], buckets=(0.5, 1, 5))
    once.labels("a").observe_all(amounts)
    for amount in amounts:
        singly.labels("a").observe(amount)

    at_once, one_by_one = ([f.samples for f in r.collect()] for r in registries)
    created = {"h_created"}
    assert [[s for s in f if s.name not in created] for f in one_by_one] == [
        [s for s in f if s.name not in created] for f in at_once
    ]


def test_what_is_not_written_yet_is_bounded():
    """A worker that is never given time still writes."""
    metrics = WebMetrics(CollectorRegistry())
    kept = 0
    for _ in range(25_000):
        metrics.began()
        metrics.ended("/predict", "POST", 200, 0.25)
        kept = max(kept, len(metrics._ended))

    assert kept < 10_000


def test_threads_lose_no_count(registry):
    """Requests end in many of them, while one writes what was gathered."""
    metrics = WebMetrics(registry)

    def work() -> None:
        for _ in range(500):
            metrics.began()
            metrics.refused("limit")
            metrics.ended("/predict", "POST", 200, 0.25)
            metrics.write()

    at_once(work)
    labels = {"route": "/predict", "method": "POST", "status": "200"}

    assert THREADS * 500 == registry.get_sample_value("glyph_http_requests_total", labels)
    refused = registry.get_sample_value("glyph_requests_refused_total", {"reason": "limit"})
    assert (THREADS * 500, 0) == (
        refused,
        registry.get_sample_value("glyph_http_requests_in_progress"),
    )
