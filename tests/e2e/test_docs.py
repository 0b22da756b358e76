"""The pages at /docs, in a real browser: read, and tried on the service."""

from __future__ import annotations

import json

import pytest

from tests.browsing import CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


def test_what_is_described_is_shown_and_can_be_tried(opened, service):
    """Every operation; a prediction with the example that stands there; nothing from elsewhere."""
    page = opened()
    page.goto(f"{service.url}/docs")
    predict = page.locator("#operations-Predictions-predict")

    predict.locator(".opblock-summary-control").click()
    predict.locator(".execute").click()
    answer = predict.locator(".live-responses-table .response").first
    answer.wait_for()

    assert "200" == answer.locator(".response-col_status").inner_text().strip()
    said = json.loads(answer.locator(".highlight-code pre").first.inner_text())
    assert "7" == said["predictions"][0]["label"]
    paths = service.get("/openapi.json").json()["paths"].values()
    assert sum(len(item) for item in paths) == page.locator(".opblock").count()
