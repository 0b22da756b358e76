"""The client for asyncio: what differs from the one that blocks."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest

from client.tests.fakes import FakeService, FakeTime, refusal, stack
from glyph_client import AsyncGlyph, DeadlineError, ImageError, RefusedError

IMAGE = stack(3)[2]


@pytest.fixture
def service():
    return FakeService()


@pytest.fixture
def time():
    return FakeTime()


@pytest.fixture
def ask(service, time):
    """Make a client of the service."""

    def make(handler=service.later, **options):
        transport = httpx.MockTransport(handler)
        return AsyncGlyph(transport=transport, clock=time.clock, sleep=time.sleep_later, **options)

    return make


def test_every_method_is_there(ask):
    """And gives what the other client gives."""

    async def talk():
        async with ask() as glyph:
            await glyph.wait_until_ready()
            assert await glyph.ready()
            assert ["shapes"] == [model.name for model in await glyph.models()]
            assert "square" == (await glyph.predict(await glyph.example())).label
            assert ["circle", "square"] == (await glyph.predict(stack(2))).labels

    asyncio.run(talk())


def test_a_few_requests_are_under_way_at_once(ask, service):
    """As many as are allowed, and never more; the order is that of the images."""
    under_way = []

    async def held(request):
        released = asyncio.Event()
        under_way.append(released)
        await released.wait()
        return service(request)

    async def settle(count):
        while len(under_way) < count:
            await asyncio.to_thread(int)
        for _ in range(20):  # time for one more, if it may come
            await asyncio.to_thread(int)
        assert count == len(under_way)

    async def talk():
        asked = asyncio.create_task(ask(held, batch_size=2, concurrency=3).predict(stack(10)))
        for left in (3, 3, 3, 2, 1):
            await settle(left)
            under_way.pop().set()  # the last one first
        return await asked

    predictions = asyncio.run(talk())

    assert [[4, 5], [6, 7], [8, 9], [2, 3], [0, 1]] == service.images
    assert [n % 3 for n in range(10)] == predictions.classes.tolist()


def test_the_first_error_ends_the_others(ask):
    """It comes as itself, not in a group, and says for which images it is."""
    ended = []

    async def refuse(request):
        if b"\x02\x02" in request.content:
            return refusal(400, "no")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(RefusedError, match="no") as refused:
        asyncio.run(ask(refuse, batch_size=2).predict(stack(4)))

    assert ["in the request for images 2 to 3"] == refused.value.__notes__
    assert [True] == ended


def test_no_wait_is_longer_than_the_callers(ask):
    """Even if the service never answers."""

    async def never(_request):
        await asyncio.Event().wait()

    with pytest.raises(DeadlineError, match=r"did not answer within 0\.01 s"):
        asyncio.run(ask(never, timeout=0.01).predict(IMAGE))


def test_a_busy_service_is_asked_again(ask, service, time):
    """By the same policy."""
    service.script = [refusal(503, headers={"Retry-After": "2"})]

    asyncio.run(ask().predict(IMAGE))

    assert 2 <= time.pauses[0] < 2.2


def test_files_are_read_beside_the_event_loop(ask):
    """A slow disk holds nobody else up; what the caller wrote runs where the caller is."""
    threads = []

    class Slow:
        def __fspath__(self):
            threads.append(threading.current_thread())
            return "none.png"

    def paths():
        assert threading.main_thread() is threading.current_thread()
        yield Slow()

    with pytest.raises(FileNotFoundError):
        asyncio.run(ask().predict(paths()))

    assert threads
    assert threading.main_thread() not in threads


def test_nothing_is_no_image(ask):
    """There is nothing to ask."""
    with pytest.raises(ImageError, match="there are no images"):
        asyncio.run(ask().predict([]))


def test_at_least_one_request_is_under_way(ask):
    """Else nothing would ever be asked."""
    with pytest.raises(ValueError, match="concurrency is 0; at least 1 is expected"):
        ask(concurrency=0)


def test_printing_it_shows_no_key(ask):
    """Only the address."""
    assert "AsyncGlyph('http://127.0.0.1:8000')" == repr(ask(api_key="geheim"))
