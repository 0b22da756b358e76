"""The description and the service, compared with made-up requests."""

from __future__ import annotations

from tests.benchmarks.scenarios.contract import SETTINGS, prepare, run


def test_the_service_keeps_to_its_description(start):
    """Whatever is asked: no failure, no undescribed status, no answer of another form."""
    service = start(**SETTINGS)
    prepare(service)
    found = run(service, 100, 1, "--phases", "examples,fuzzing")

    assert {} == found.failures, found.output
    assert 100 <= found.cases
    assert 20 <= found.answers[200]
