"""The client for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

import httpx

from glyph_client.options import (
    BATCH_SIZE,
    CONCURRENCY,
    RETRIES,
    TIMEOUT_S,
    URL,
    ClientOptions,
    PredictKeywords,
    PredictOptions,
    Prepare,
)
from glyph_client.protocol import Service
from glyph_client.response_body import ResponseBody
from glyph_client.transport import no_cookies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    import numpy as np
    from numpy.typing import NDArray

    from glyph_client.images import Either, Many, One
    from glyph_client.results import Model, Prediction, Predictions

    T = TypeVar("T")
    R = TypeVar("R")


class AsyncGlyph:
    """The same as `Glyph` for asyncio: methods are awaited, and a few requests are sent at once."""

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        model: str | None = None,
        timeout: float = TIMEOUT_S,
        retries: int = RETRIES,
        batch_size: int = BATCH_SIZE,
        concurrency: int = CONCURRENCY,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Create a client; nothing is sent yet.

        Arguments are those of `Glyph`, and `concurrency`: the most requests of one `predict` that
        are under way at once.

        Raises:
            ValueError: If an argument is out of its range.
        """
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}; at least 1 is expected")
        options = ClientOptions(
            url=url,
            api_key=api_key,
            model=model,
            timeout_s=timeout,
            retries=retries,
            batch_size=batch_size,
            clock=clock,
        )
        self._network = _AsyncNetwork(transport, sleep, concurrency)
        self._service = Service(options, self._network)

    @overload
    async def predict(self, images: Either, **options: Unpack[PredictKeywords]) -> Any: ...
    @overload
    async def predict(  # type: ignore[overload-overlap] # a str is an iterable of str, and one path
        self, images: One, **options: Unpack[PredictKeywords]
    ) -> Prediction: ...
    @overload
    async def predict(self, images: Many, **options: Unpack[PredictKeywords]) -> Predictions: ...
    async def predict(
        self,
        images: One | Many | Either,
        *,
        version: int | None = None,
        label: str | None = None,
        top_k: int | None = None,
        prepare: Prepare = "auto",
    ) -> Prediction | Predictions:
        """Return the predictions for images, as `Glyph.predict`; files are read in a thread."""
        options = PredictOptions(version, label, top_k, prepare)
        if isinstance(images, Iterator):
            images = list(images)  # a caller's generator does not run in the thread
        return await self._service.predict(images, options)

    async def models(self) -> tuple[Model, ...]:
        """Return the models of the service, with their versions."""
        return await self._service.models()

    async def example(self) -> NDArray[np.uint8]:
        """Return an image that the model knows: uint8, rows x columns, and channels if several."""
        return await self._service.example()

    async def ready(self) -> bool:
        """Return True if the model serves; False, too, if the service cannot be reached."""
        return await self._service.ready()

    async def wait_until_ready(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - also in Glyph
        """Wait until the model serves.

        Raises:
            DeadlineError: If it does not within so many seconds; its sentence says why.
        """
        await self._service.wait_until_ready(timeout)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._network.http.aclose()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_failure: object) -> None:
        """Close all connections."""
        await self.aclose()

    def __repr__(self) -> str:
        """Return the address, and no key."""
        return f"{type(self).__name__}({self._service.url!r})"


class _AsyncNetwork:
    """Sends and waits on the event loop, and has a few items worked on at once."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport | None,
        sleep: Callable[[float], Awaitable[None]],
        concurrency: int,
    ) -> None:
        self.http = httpx.AsyncClient(transport=transport, cookies=no_cookies())
        self._sleep = sleep
        self._concurrency = concurrency

    async def send(
        self, request: httpx.Request, timeout_s: float, max_bytes: int
    ) -> httpx.Response:
        async with (
            asyncio.timeout(timeout_s),
            aclosing(await self.http.send(request, stream=True)) as response,
        ):
            if response.is_stream_consumed:  # by a transport that does without a network
                return response
            body = ResponseBody(response, max_bytes)
            async for piece in response.aiter_raw():
                body.append(piece)
            return body.response()

    async def sleep(self, seconds: float) -> None:
        await self._sleep(seconds)

    async def map(self, work: Callable[[T], Coroutine[Any, Any, R]], items: Iterator[T]) -> list[R]:
        """Return the results; items are taken in a thread, and the first error ends all."""
        numbered = enumerate(items)
        reading = asyncio.Lock()
        results: dict[int, R] = {}

        async def worker() -> None:
            while True:
                async with reading:
                    next_ = await asyncio.to_thread(next, numbered, None)
                if next_ is None:
                    return
                number, item = next_
                results[number] = await work(item)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._concurrency):
                    group.create_task(worker())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [results[number] for number in sorted(results)]
