"""The client that blocks: it sends and waits; what, is decided in conversations."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

import httpx

from glyph_client.answers import Model, Prediction, Predictions, collect
from glyph_client.asking import Conversation, Pause, Send, no_cookies
from glyph_client.conversations import Service
from glyph_client.deadlines import bound_by_deadline, check_deadline, deadline_in
from glyph_client.images import numbered, read_images
from glyph_client.question import BATCH_SIZE, RETRIES, TIMEOUT_S, URL, Prepare, Question
from glyph_client.receiving import Receiving

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from glyph_client.images import Either, Many, One
    from glyph_client.retries import Outcome

    T = TypeVar("T")


class Glyph:
    """Asks a service, and waits for its answers.

    Connections are kept and used again, so keep one of it; threads may share it. Leaving a `with`
    block closes it.
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
        """Prepare to ask; nothing is sent yet.

        Args:
            url: Where the service is.
            api_key: Sent with every request.
            model: Which one to ask; the service's default model, unless it is given.
            timeout: Seconds for each request, with all its retries; the service is told, too.
            retries: How often a request is sent again that was refused for now, or not answered
                because there was no connection.
            batch_size: The most images in a request. What is more goes in several; a service that
                takes fewer is given fewer.
            transport: How requests travel, for tests and for TLS of one's own.
            clock: Monotonic seconds.
            sleep: Waits for some seconds.

        Raises:
            ValueError: If any of it cannot be.
        """
        self._service = Service(
            url,
            api_key=api_key,
            model=model,
            timeout_s=timeout,
            retries=retries,
            batch_size=batch_size,
            clock=clock,
        )
        self._http = httpx.Client(transport=transport, cookies=no_cookies())
        bound_by_deadline(self._http)
        self._sleep = sleep

    @overload
    def predict(
        self,
        images: Either,
        *,
        version: int | None = None,
        label: str | None = None,
        top_k: int | None = None,
        prepare: Prepare = "auto",
    ) -> Any: ...
    @overload
    def predict(  # type: ignore[overload-overlap] # a str is an iterable of str, and one path
        self,
        images: One,
        *,
        version: int | None = None,
        label: str | None = None,
        top_k: int | None = None,
        prepare: Prepare = "auto",
    ) -> Prediction: ...
    @overload
    def predict(
        self,
        images: Many,
        *,
        version: int | None = None,
        label: str | None = None,
        top_k: int | None = None,
        prepare: Prepare = "auto",
    ) -> Predictions: ...
    def predict(
        self,
        images: One | Many | Either,
        *,
        version: int | None = None,
        label: str | None = None,
        top_k: int | None = None,
        prepare: Prepare = "auto",
    ) -> Prediction | Predictions:
        """Have images classified.

        Args:
            images: One image, or many. A picture is a path, the bytes of a PNG, JPEG, WebP or BMP
                file, or a PIL image. An array or a nested list holds whole numbers from 0, the
                background, to 255, the ink. Rows x columns, the same with channels (1, 3 or 4), or
                all pixels in a row are one image; with a further axis before them it is many.
            version: The version that is to answer.
            label: The label whose version is to answer, such as "stable".
            top_k: How many of the most probable classes to name in `top`.
            prepare: "always" makes of every picture what the model has learnt from, "never" takes
                pixels as they are, and "auto" prepares what has not the model's size.

        Returns:
            A prediction for one image, predictions for many.

        Raises:
            ImageError: If the images are none.
            GlyphError: If there is no answer; the class says why.
            OSError: If a file cannot be read.
        """
        question = Question(version, label, top_k, prepare)
        single, batches = read_images(images, lambda: self._service.batch_size.images)
        path = self._hold(self._service.route(question))
        predictions: list[Prediction] = []
        for first, batch in numbered(batches):
            predictions += self._hold(self._service.predict(path, batch, first, question))
        return collect(single, predictions)

    def models(self) -> tuple[Model, ...]:
        """Tell which models there are, with their versions."""
        return self._hold(self._service.models())

    def example(self) -> NDArray[np.uint8]:
        """Give an image that the model knows: uint8, rows x columns, and channels if several."""
        return self._hold(self._service.example())

    def ready(self) -> bool:
        """Tell whether the model serves; a service that cannot be reached does not."""
        return self._hold(self._service.ready())

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Wait until the model serves.

        Raises:
            DeadlineError: If it does not within so many seconds; the sentence says why.
        """
        self._hold(self._service.wait_until_ready(timeout))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Give the client."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections."""
        self.close()

    def __repr__(self) -> str:
        """Show the address, and no key."""
        return f"{type(self).__name__}({self._service.url!r})"

    def _hold(self, conversation: Conversation[T]) -> T:
        outcome = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as end:
                answer: T = end.value
                return answer
            outcome = self._do(step)

    def _do(self, step: Send | Pause) -> Outcome | None:
        if isinstance(step, Pause):
            self._sleep(step.seconds)
            return None
        try:
            with deadline_in(step.timeout_s):
                return self._send(step)
        except Exception as exc:  # noqa: BLE001 - transports raise much, and callers get one family
            return exc

    def _send(self, step: Send) -> httpx.Response:
        with closing(self._http.send(step.request, stream=True)) as response:
            if response.is_stream_consumed:  # by a transport that does without a network
                return response
            receiving = Receiving(response, step.most_bytes)
            for piece in response.iter_raw():
                receiving.take(piece)
                check_deadline()
            return receiving.whole()
