"""What may differ from the description is no more than is said."""

from __future__ import annotations

import pytest

from tests.benchmarks.scenarios.contract_terms import ACCEPTED, accepted

UNDECLARED = "Wrong response to undeclared method"


@pytest.mark.parametrize(
    ("method", "path", "title", "status"),
    [
        ("PUT", "/v1/models/{name}", UNDECLARED, 200),
        ("PUT", "/v1/models/{name}", "Server error", 400),
        ("PUT", "/v2/models/{name}", UNDECLARED, 400),
        ("GET", "/models/{name}/example", UNDECLARED, 401),
    ],
    ids=["status", "title", "path", "method"],
)
def test_another_failure_is_a_failure(method, path, title, status):
    """One that differs in anything."""
    assert accepted(method, path, title, status) is None


def test_what_is_meant_has_a_reason():
    """Each is found by itself."""
    assert all(case.why == accepted(case.method, *case[1:4]) for case in ACCEPTED)
