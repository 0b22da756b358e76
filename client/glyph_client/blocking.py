"""The blocking client."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

import httpx

from glyph_client.deadlines import bound_by_deadline, check_deadline, deadline_in
from glyph_client.options import (
    BATCH_SIZE,
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
    from collections.abc import Callable, Coroutine, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from glyph_client.images import Either, Many, One
    from glyph_client.results import Model, Prediction, Predictions

    T = TypeVar("T")
    R = TypeVar("R")


class Glyph:
    """A client that waits for each response.

    It keeps its connections, so keep one of it; threads may share it. Leaving a `with` block closes
    it.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        model: str | None = None,
        timeout: float = TIMEOUT_S,
        retries: int = RETRIES,
        batch_size: int = BATCH_SIZE,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Create a client; nothing is sent yet.

        Args:
            url: Address of the service.
            api_key: Sent with every request.
            model: Name of a model; by default the service's default model.
            timeout: Seconds for each request, with all its retries; the service is told, too.
            retries: How often a request is sent again that was refused for now, or found no
                connection.
            batch_size: The most images in a request. More are sent in several requests; a service
                that takes fewer is sent fewer.
            transport: Replaces httpx's transport, for tests and for TLS settings.
            clock: Monotonic seconds.
            sleep: Waits for some seconds.

        Raises:
            ValueError: If an argument is out of its range.
        """
        options = ClientOptions(
            url=url,
            api_key=api_key,
            model=model,
            timeout_s=timeout,
            retries=retries,
            batch_size=batch_size,
            clock=clock,
        )
        self._network = _BlockingNetwork(transport, sleep)
        self._service = Service(options, self._network)

    @overload
    def predict(self, images: Either, **options: Unpack[PredictKeywords]) -> Any: ...
    @overload
    def predict(  # type: ignore[overload-overlap] # a str is an iterable of str, and one path
        self, images: One, **options: Unpack[PredictKeywords]
    ) -> Prediction: ...
    @overload
    def predict(self, images: Many, **options: Unpack[PredictKeywords]) -> Predictions: ...
    def predict(
        self,
        images: One | Many | Either,
        *,
        version: int | None = None,
        label: str | None = None,
        top_k: int | None = None,
        prepare: Prepare = "auto",
    ) -> Prediction | Predictions:
        """Return the predictions for images.

        Args:
            images: One image, or many. A picture is a path, the bytes of a PNG, JPEG, WebP or BMP
                file, or a PIL image. An array or a nested list holds whole numbers from 0, the
                background, to 255, the ink. Rows x columns, the same with channels (1, 3 or 4), or
                all pixels in a row are one image; with a further axis before them it is many.
            version: Version that is to answer.
            label: Label whose version is to answer, such as "stable".
            top_k: How many of the most probable classes to name in `top`.
            prepare: "auto" prepares pictures as the version was trained; where it was trained on
                pixels, one of the model's size is taken as it is, and "always" prepares it too.
                "never" takes all as they are. "digit", "fit" and "exact" name another way.

        Returns:
            A prediction for one image, predictions for many.

        Raises:
            ImageError: If one of the images cannot be sent.
            GlyphError: If there is no prediction; the class says why.
            OSError: If a file cannot be read.
        """
        return _run(self._service.predict(images, PredictOptions(version, label, top_k, prepare)))

    def models(self) -> tuple[Model, ...]:
        """Return the models of the service, with their versions."""
        return _run(self._service.models())

    def example(self) -> NDArray[np.uint8]:
        """Return an image that the model knows: uint8, rows x columns, and channels if several."""
        return _run(self._service.example())

    def ready(self) -> bool:
        """Return True if the model serves; False, too, if the service cannot be reached."""
        return _run(self._service.ready())

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Wait until the model serves.

        Raises:
            DeadlineError: If it does not within so many seconds; its sentence says why.
        """
        _run(self._service.wait_until_ready(timeout))

    def close(self) -> None:
        """Close all connections."""
        self._network.http.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_failure: object) -> None:
        """Close all connections."""
        self.close()

    def __repr__(self) -> str:
        """Return the address, and no key."""
        return f"{type(self).__name__}({self._service.url!r})"


class _BlockingNetwork:
    """Sends and waits in the caller's thread: its coroutines end without ever suspending."""

    def __init__(
        self, transport: httpx.BaseTransport | None, sleep: Callable[[float], None]
    ) -> None:
        self.http = httpx.Client(transport=transport, cookies=no_cookies())
        bound_by_deadline(self.http)
        self._sleep = sleep

    async def send(
        self, request: httpx.Request, timeout_s: float, max_bytes: int
    ) -> httpx.Response:
        with deadline_in(timeout_s), closing(self.http.send(request, stream=True)) as response:
            if response.is_stream_consumed:  # by a transport that does without a network
                return response
            body = ResponseBody(response, max_bytes)
            for piece in response.iter_raw():
                body.append(piece)
                check_deadline()
            return body.response()

    async def sleep(self, seconds: float) -> None:
        self._sleep(seconds)

    async def map(self, work: Callable[[T], Coroutine[Any, Any, R]], items: Iterator[T]) -> list[R]:
        return [await work(item) for item in items]


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("a blocking network has suspended")
