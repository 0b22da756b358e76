"""How a running service takes versions over, and refuses bad ones."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.service import GUNICORN, REST_S, SERVE, Clients, wait_until


def test_training_publishes_and_no_request_fails(start, store):
    """While clients predict, a trained version takes over."""
    service = start()
    command = [sys.executable, "-m", "app", "train", "--recipe", "softmax", "--data", "digits"]

    with Clients(service, 4, rest_s=REST_S) as clients:
        clients.wait_for_more()
        subprocess.run([*command, "--store", store.root], check=True, capture_output=True)
        wait_until(lambda: clients.answered(version=2), "an answer by version 2")
        clients.wait_for_more()

    assert [] == clients.failures
    assert {1, 2} == set(clients.versions)


def test_ten_versions_in_a_row_lose_no_request(start, store):
    """Versions that follow each other quickly are taken over one by one or skipped, never lost."""
    service = start()

    with Clients(service, 4, rest_s=REST_S) as clients:
        newest = [store.publish() for _ in range(10)][-1]
        wait_until(lambda: clients.answered(version=newest), f"an answer by version {newest}")

    assert [] == clients.failures
    assert newest == service.metric("glyph_model_version", model="mnist")


def test_a_damaged_version_is_refused_by_name(start, store, tmp_path):
    """A flipped byte is named on /readyz, logged and counted, and the older version serves on."""
    service = start()
    damaged = shutil.copytree(store.path("mnist", 1), tmp_path / "damaged")
    weights = damaged / "variables" / "variables.data-00000-of-00001"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)

    damaged.rename(store.path("mnist", 2))

    reason = wait_until(lambda: _refused(service), "version 2 refused")
    assert "variables.data-00000-of-00001: has SHA-256" in reason
    assert 1 == service.version()
    assert 1 == service.metric("glyph_model_loads_total", outcome="refused")
    assert any("version 2 is refused" in line["message"] for line in service.log_lines())


def test_a_store_with_nothing_to_serve_says_what_to_do(start):
    """Where nobody published the model, requests are refused at once with the way out."""
    service = start(ready=False, model="letters")

    wait_until(lambda: "being" not in _reason(service), "the store was looked at")
    refused = service.predict({"instances": []})

    assert 503 == refused.status_code
    assert "holds no version of letters; publish one with glyph train" in refused.json()["error"]
    assert "1" == refused.headers["Retry-After"]


@pytest.mark.parametrize("command", [SERVE, GUNICORN], ids=["glyph serve", "gunicorn"])
def test_both_ways_to_start_serve_alike(start, command):
    """Glyph serve and gunicorn with the deployed configuration are the same service."""
    assert 1 == start(command=command).version()


def test_runtimes_agree(start, service):
    """TensorFlow and OpenVINO give the same classes, and probabilities within the tolerance."""
    on_tensorflow = start(runtime="tensorflow")
    body = service.get("/example").json()

    one, other = (s.predict(body).json()["predictions"][0] for s in (service, on_tensorflow))

    assert one["label"] == other["label"]
    assert pytest.approx(one["probabilities"], abs=0.01) == other["probabilities"]
    versions = [s.get("/readyz").json()["versions"][0] for s in (service, on_tensorflow)]
    assert ["openvino", "tensorflow"] == [version["runtime"] for version in versions]


def _refused(service):
    versions = service.get("/readyz").json()["versions"]
    return next((v["reason"] for v in versions if v["state"] == "refused"), None)


def _reason(service):
    return service.get("/readyz").json()["error"]
