"""How the cost of a request's stages is told."""

from __future__ import annotations

from tests.benchmarks.request_cost import measure


class ScriptedStage:
    """Takes what it was told to, round after round."""

    def __init__(self, *seconds):
        self._seconds = list(seconds)

    def __call__(self, _count):
        return self._seconds.pop(0)


def test_the_median_per_request_is_given_in_microseconds():
    """The first round warms up and does not count."""
    stages = {"slow": ScriptedStage(9.0, 0.3, 0.1, 0.2), "fast": ScriptedStage(9.0, 0.0, 0.0, 0.0)}

    assert {"slow": 200.0, "fast": 0.0} == measure(stages, rounds=3, requests=1000)
