"""How often and how long each version was asked, as the protocol tells it."""

from __future__ import annotations

import pytest

from app.ipc.statistics import Duration, VersionStatistics
from app.web.http.errors import HostLostError

NOTHING = {"count": 0, "ns": 0}


@pytest.fixture
def told(channel, two_models) -> None:  # noqa: ARG001
    """Let version 3 of shapes have been asked, and one that is there no more."""
    of = VersionStatistics("shapes", 3, images=5, last_at=1_700_000_000.25)
    of.success, of.fail = Duration(3, 0.75), Duration(1, 0.125)
    of.queue, of.inference = Duration(3, 0.25), Duration(3, 0.5)
    of.batches = {4: Duration(1, 0.25), 1: Duration(2, 0.125)}
    channel.told = [of, VersionStatistics("gone", 1, images=9)]


@pytest.mark.usefixtures("told")
def test_a_version_tells_all(client, channel):
    """Durations are in nanoseconds, the last time in milliseconds, batches by their size."""
    response = client.get("/v2/models/shapes/versions/3/stats")

    (stats,) = response.json["model_stats"]
    durations = stats.pop("inference_stats")
    batches = stats.pop("batch_stats")
    expected = {
        "name": "shapes",
        "version": "3",
        "last_inference": 1_700_000_000_250,
        "inference_count": 5,
        "execution_count": 3,
    }
    assert expected == stats
    expected = {
        "success": {"count": 3, "ns": 750_000_000},
        "fail": {"count": 1, "ns": 125_000_000},
        "queue": {"count": 3, "ns": 250_000_000},
        "compute_input": {"count": 3, "ns": 0},
        "compute_infer": {"count": 3, "ns": 500_000_000},
        "compute_output": {"count": 3, "ns": 0},
        "cache_hit": NOTHING,
        "cache_miss": NOTHING,
    }
    assert expected == durations
    assert [(1, 2, 125_000_000), (4, 1, 250_000_000)] == [
        (of["batch_size"], of["compute_infer"]["count"], of["compute_infer"]["ns"])
        for of in batches
    ]
    assert {"count": 2, "ns": 0} == batches[0]["compute_input"] == batches[0]["compute_output"]
    assert [102.0] == channel.waits


@pytest.mark.parametrize(
    ("path", "versions"),
    [
        ("stats", [("shapes", "4"), ("shapes", "3"), ("wide", "1")]),
        ("shapes/stats", [("shapes", "4"), ("shapes", "3")]),
        ("empty/stats", []),
    ],
)
@pytest.mark.usefixtures("told")
def test_every_version_that_serves_is_told_of(client, path, versions):
    """Though nobody has asked it yet, and no other."""
    stats = client.get(f"/v2/models/{path}").json["model_stats"]

    assert versions == [(of["name"], of["version"]) for of in stats]


@pytest.mark.parametrize(
    ("path", "status"),
    [("none", 404), ("shapes/versions/9", 404), ("shapes/versions/5", 503)],
)
@pytest.mark.usefixtures("told")
def test_nothing_is_told_of_what_does_not_serve(client, path, status):
    """The sentence says why it does not."""
    response = client.get(f"/v2/models/{path}/stats")

    assert status == response.status_code
    assert "error" in response.json


def test_without_a_host_there_are_none(client, channel):
    """They are the host's."""
    channel.error = HostLostError("the model host is away")

    response = client.get("/v2/models/stats")

    assert 503 == response.status_code
    assert {"error": "the model host is away", "code": "host.lost"} == response.json
