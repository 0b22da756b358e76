"""The client for asyncio: it sends and waits; what, is decided in conversations."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

import httpx

from glyph_client.answers import Model, Prediction, Predictions, collect
from glyph_client.asking import Conversation, Pause, Send, no_cookies
from glyph_client.conversations import Service
from glyph_client.images import numbered, read_images
from glyph_client.question import (
    BATCH_SIZE,
    CONCURRENCY,
    RETRIES,
    TIMEOUT_S,
    URL,
    Prepare,
    Question,
)
from glyph_client.receiving import Receiving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from glyph_client.images import Either, Many, One
    from glyph_client.retries import Outcome

    T = TypeVar("T")


class AsyncGlyph:
    """The same for asyncio: its methods are awaited, and a few requests are under way at once."""

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
        """Prepare to ask; nothing is sent yet.

        Args are those of `Glyph`, and:

        Args:
            url: Where the service is.
            api_key: Sent with every request.
            model: Which one to ask; the service's default model, unless it is given.
            timeout: Seconds for each request, with all its retries; the service is told, too.
            retries: How often a request is sent again.
            batch_size: The most images in a request.
            concurrency: The most requests of one `predict` that are under way at once.
            transport: How requests travel.
            clock: Monotonic seconds.
            sleep: Waits for some seconds.

        Raises:
            ValueError: If any of it cannot be.
        """
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}; at least 1 is expected")
        self._service = Service(
            url,
            api_key=api_key,
            model=model,
            timeout_s=timeout,
            retries=retries,
            batch_size=batch_size,
            clock=clock,
        )
        self._http = httpx.AsyncClient(transport=transport, cookies=no_cookies())
        self._concurrency = concurrency
        self._sleep = sleep

    @overload
    async def predict(
        self,
        images: Either,
        *,
        version: int | None = None,
        label: str | None = None,
        top_k: int | None = None,
        prepare: Prepare = "auto",
    ) -> Any: ...
    @overload
    async def predict(  # type: ignore[overload-overlap] # as above
        self,
        images: One,
        *,
        version: int | None = None,
        label: str | None = None,
        top_k: int | None = None,
        prepare: Prepare = "auto",
    ) -> Prediction: ...
    @overload
    async def predict(
        self,
        images: Many,
        *,
        version: int | None = None,
        label: str | None = None,
        top_k: int | None = None,
        prepare: Prepare = "auto",
    ) -> Predictions: ...
    async def predict(
        self,
        images: One | Many | Either,
        *,
        version: int | None = None,
        label: str | None = None,
        top_k: int | None = None,
        prepare: Prepare = "auto",
    ) -> Prediction | Predictions:
        """Have images classified, as `Glyph.predict` has it; files are read in a thread."""
        question = Question(version, label, top_k, prepare)
        if isinstance(images, Iterator):
            images = list(images)  # the thread is to run nothing of the caller's
        single, batches = read_images(images, lambda: self._service.batch_size.images)
        path = await self._hold(self._service.route(question))
        ahead = numbered(batches)
        reading = asyncio.Lock()
        answers: dict[int, list[Prediction]] = {}

        async def work() -> None:
            while True:
                async with reading:
                    next_ = await asyncio.to_thread(next, ahead, None)
                if next_ is None:
                    return
                first, batch = next_
                talk = self._service.predict(path, batch, first, question)
                answers[first] = await self._hold(talk)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._concurrency):
                    group.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return collect(single, [one for first in sorted(answers) for one in answers[first]])

    async def models(self) -> tuple[Model, ...]:
        """Tell which models there are, with their versions."""
        return await self._hold(self._service.models())

    async def example(self) -> NDArray[np.uint8]:
        """Give an image that the model knows: uint8, rows x columns, and channels if several."""
        return await self._hold(self._service.example())

    async def ready(self) -> bool:
        """Tell whether the model serves; a service that cannot be reached does not."""
        return await self._hold(self._service.ready())

    async def wait_until_ready(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - as above
        """Wait until the model serves.

        Raises:
            DeadlineError: If it does not within so many seconds; the sentence says why.
        """
        await self._hold(self._service.wait_until_ready(timeout))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Give the client."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections."""
        await self.aclose()

    def __repr__(self) -> str:
        """Show the address, and no key."""
        return f"{type(self).__name__}({self._service.url!r})"

    async def _hold(self, conversation: Conversation[T]) -> T:
        outcome = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as end:
                answer: T = end.value
                return answer
            outcome = await self._do(step)

    async def _do(self, step: Send | Pause) -> Outcome | None:
        if isinstance(step, Pause):
            await self._sleep(step.seconds)
            return None
        try:
            async with asyncio.timeout(step.timeout_s):
                return await self._send(step)
        except Exception as exc:  # noqa: BLE001 - transports raise much, and callers get one family
            return exc

    async def _send(self, step: Send) -> httpx.Response:
        response = await self._http.send(step.request, stream=True)
        async with aclosing(response):
            if response.is_stream_consumed:  # by a transport that does without a network
                return response
            receiving = Receiving(response, step.most_bytes)
            async for piece in response.aiter_raw():
                receiving.take(piece)
            return receiving.whole()
