"""How much bodies take, counted from any thread."""

from __future__ import annotations

import pytest

from app.web.http import held_bodies as module
from app.web.http.errors import OverloadedError
from app.web.http.held_bodies import HeldBodies
from tests.unit.app.crowd import at_once


@pytest.fixture
def held(monkeypatch):
    """Make a count that is bounded at ten bytes."""
    monkeypatch.setattr(module, "_LIMIT", 10)
    return HeldBodies()


def test_what_a_request_holds_is_counted_until_it_is_released(held):
    """Piece by piece; once."""
    request = {}
    held.take(request, 3)
    held.take(request, 4)
    before = held.bytes
    held.release(request)
    held.release(request)

    assert (7, 0) == (before, held.bytes)


def test_a_request_that_holds_nothing_can_be_released(held):
    """As most are."""
    held.take(other := {}, 3)
    held.release({})

    assert 3 == held.bytes
    held.release(other)


def test_what_others_hold_bounds_a_request(held):
    """One may always hold all that it is; what is refused is not counted."""
    first, second = {}, {}
    held.take(first, 25)
    with pytest.raises(OverloadedError, match=r"^bodies of 25 bytes") as refused:
        held.take(second, 1)
    held.take(first, 5)

    assert (30, 1) == (held.bytes, refused.value.retry_after_s)
    held.release(first)
    held.take(second, 25)
    assert 25 == held.bytes


def test_a_body_is_held_while_a_thread_works_on_it(held):
    """Though its client has gone: the memory has not."""
    request = {}
    held.take(request, 6)
    with held.working(request):
        held.release(request)
        during = held.bytes

    assert (6, 0) == (during, held.bytes)


def test_what_is_taken_after_the_client_has_gone_is_forgotten_too(held):
    """Or a little would be lost with each such request, until all are refused."""
    request = {}
    held.take(request, 2)
    held.release(request)
    with held.working(request):
        held.take(request, 6)
        held.release(request)
        during = held.bytes

    assert (6, 0) == (during, held.bytes)


def test_a_thread_that_fails_holds_nothing(held):
    """As one that ends well."""
    request = {}

    def fail() -> None:
        with held.working(request):
            held.take(request, 6)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert 0 == held.bytes


def test_threads_count_on():
    """No byte is lost, and none is counted twice."""
    held = HeldBodies()

    def work() -> None:
        for _ in range(5000):
            request = {}
            held.take(request, 3)
            held.take(request, 4)
            held.release(request)

    at_once(work)
    assert 0 == held.bytes
