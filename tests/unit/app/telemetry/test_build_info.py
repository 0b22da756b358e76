"""What is running, as a metric."""

from __future__ import annotations

import platform
from importlib.metadata import version

from prometheus_client.parser import text_string_to_metric_families

from app.telemetry.build_info import REVISION, build_info


def labels():
    (family,) = text_string_to_metric_families(build_info().decode())
    (sample,) = family.samples
    assert ("glyph_build_info", 1) == (sample.name, sample.value)
    return sample.labels


def test_the_versions_are_those_that_run(monkeypatch):
    """The package's and Python's; outside an image nobody knows the revision."""
    monkeypatch.delenv(REVISION, raising=False)

    expected = {"version": version("glyph"), "python": platform.python_version(), "revision": ""}
    assert expected == labels()


def test_the_revision_is_the_environments(monkeypatch):
    """Whatever it holds."""
    monkeypatch.setenv(REVISION, 'a"b')

    assert 'a"b' == labels()["revision"]
