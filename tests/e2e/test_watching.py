"""What operators see: logs, metrics, and a real Prometheus that scrapes them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import requests

from tests.service import free_port, wait_until

CONFIG = """\
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: glyph
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def test_log_lines_are_json_with_request_ids(service):
    """A refused request is found in the log by the id that its caller got."""
    refused = service.get("/nowhere", headers={"X-Request-Id": "find-me"})

    assert "find-me" == refused.headers["X-Request-Id"]
    lines = [line for line in service.log_lines() if line.get("request_id") == "find-me"]
    assert [("INFO", 404, "unmatched")] == [(x["level"], x["status"], x["route"]) for x in lines]


def test_predictions_are_counted_by_class_over_all_workers(service):
    """The host counts every image once, whichever worker asked."""
    body = service.get("/example").json()
    before = service.metric("glyph_predictions_total", model="mnist", **{"class": "7"}) or 0

    for _ in range(10):
        service.predict(body)

    after = service.metric("glyph_predictions_total", model="mnist", **{"class": "7"})
    assert before + 10 == after


def test_the_host_is_told_to_be_up(service):
    """One scrape tells of the web workers and of the host."""
    assert 1 == service.metric("glyph_host_up")
    assert 1 == service.metric("glyph_model_version", model="mnist")


@pytest.fixture
def prometheus(service, tmp_path):
    """Run the real thing against the service; gives a function that queries it."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(port=service.port))
    command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml"]
    command += [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:

        def query(expression):
            url = f"http://127.0.0.1:{port}/api/v1/query"
            try:
                answer = requests.get(url, params={"query": expression}, timeout=10)
                answer.raise_for_status()
            except requests.RequestException:
                return None  # not up yet
            results = answer.json()["data"]["result"]
            return float(results[0]["value"][1]) if results else None

        yield query
        process.terminate()


def test_a_real_prometheus_scrapes_the_service(service, prometheus):
    """Counters of the web workers and of the host arrive with their values."""
    service.version()

    wait_until(lambda: prometheus('up{job="glyph"}') == 1, "Prometheus saw the service")
    answered = service.metric("glyph_http_requests_total", route="/predict", status="200")
    query = 'sum(glyph_http_requests_total{route="/predict",status="200"})'
    wait_until(lambda: prometheus(query) == answered, "the requests were scraped")
    assert 1 == prometheus('glyph_model_version{model="mnist"}')
