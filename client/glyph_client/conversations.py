"""What is said to the service about models and images, and in which order."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from glyph_client.asking import Asker, Conversation, Pause
from glyph_client.errors import (
    DeadlineError,
    GlyphError,
    ImageError,
    NotFoundError,
    UnavailableError,
    UnreachableError,
)
from glyph_client.question import LONGEST_TIMEOUT_S, BatchSize, Question
from glyph_client.reading import (
    read_default_model,
    read_document,
    read_error,
    read_example,
    read_models,
    read_predictions,
    strange,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    import numpy as np
    from numpy.typing import NDArray

    from glyph_client.answers import Model, Prediction
    from glyph_client.batches import Batch

_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.1, 1.0
_OK, _TOO_LARGE = 200, 413


class Service:
    """What a client knows of the service it talks to."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None,
        model: str | None,
        timeout_s: float,
        retries: int,
        batch_size: int,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Check what the caller sets.

        Raises:
            ValueError: If any of it cannot be.
        """
        self._asker = Asker(
            url, api_key=api_key, timeout_s=timeout_s, retries=retries, clock=clock, jitter=jitter
        )
        self.url = self._asker.url
        self.batch_size = BatchSize(batch_size)
        self._root = "" if model is None else _below_models(model)
        self._name = model

    def route(self, question: Question) -> Conversation[str]:
        """Find the path that answers a question; asks for the default model's name if it must."""
        if question.version is None and question.label is None:
            return f"{self._root}/predict"
        if self._name is None:
            self._name = yield from self._default_model()
        root = _below_models(self._name)
        if question.version is not None:
            return f"{root}/versions/{question.version:d}/predict"
        return f"{root}/labels/{_quoted(question.label or '')}/predict"

    def predict(
        self, path: str, batch: Batch, first: int, question: Question
    ) -> Conversation[list[Prediction]]:
        """Ask about a batch; in parts, if the service takes no more.

        Args:
            path: What `route` gave.
            batch: The images.
            first: Number of the first one among all that the caller handed in.
            question: What is asked about them.

        Raises:
            GlyphError: If there is no answer; a note says for which images.
        """
        try:
            return (yield from self._predict(path, batch, first, question))
        except GlyphError as exc:
            if len(batch) > 1 and not hasattr(exc, "__notes__"):
                exc.add_note(f"in the request for images {first} to {first + len(batch) - 1}")
            raise

    def _predict(
        self, path: str, batch: Batch, first: int, question: Question
    ) -> Conversation[list[Prediction]]:
        began = self._asker.clock()
        body = batch.body()
        response = yield from self._asker.ask(
            "POST",
            path,
            params=question.parameters,
            content=body.content,
            images=len(batch),
            headers={"Content-Type": body.media_type},
        )
        if response.status_code == _TOO_LARGE and len(batch) > 1:
            self.batch_size.lower(len(batch), read_error(response).details.get("limit"))
            predictions: list[Prediction] = []
            while (start := len(predictions)) < len(batch):
                part = batch.part(start, start + self.batch_size.images)
                predictions += yield from self.predict(path, part, first + start, question)
            return predictions
        predictions = read_predictions(_good(response), self._asker.clock() - began)
        if len(predictions) == len(batch):
            return predictions
        if len(batch) == 1:
            raise ImageError(
                f"the array is one image by its shape, and the service found {len(predictions)};"
                " reshape it to images x rows x columns"
            )
        raise strange(response)

    def models(self) -> Conversation[tuple[Model, ...]]:
        """Ask what there is."""
        return read_models((yield from self._get("/models")))

    def example(self) -> Conversation[NDArray[np.uint8]]:
        """Ask for an image."""
        return read_example((yield from self._get(f"{self._root}/example")))

    def ready(self) -> Conversation[bool]:
        """Ask whether the model serves."""
        return (yield from self._trouble()) is None

    def wait_until_ready(self, timeout_s: float) -> Conversation[None]:
        """Ask again and again.

        Raises:
            DeadlineError: If it does not serve in time; the sentence says why.
        """
        end = self._asker.clock() + timeout_s
        pause = _FIRST_LOOK_S
        while True:
            trouble = yield from self._trouble(end - self._asker.clock())
            if trouble is None:
                return
            if self._asker.clock() + pause > end:
                raise DeadlineError(f"not ready within {timeout_s:g} s: {trouble}") from trouble
            yield Pause(pause)
            pause = min(pause * 1.5, _LONGEST_LOOK_S)

    def _trouble(self, most_s: float = LONGEST_TIMEOUT_S) -> Conversation[GlyphError | None]:
        """Say why the model does not serve; None if it does."""
        not_yet = (UnavailableError, UnreachableError, DeadlineError)
        try:
            response = _good((yield from self._asker.ask_once(self._root or "/readyz", most_s)))
        except not_yet as trouble:
            return trouble
        except NotFoundError as trouble:
            if self._root:
                return trouble  # a model may come later
            raise
        document = read_document(response)
        if document.get("ready") is True if self._root else document.get("status") == "ready":
            return None
        reason = document.get("reason")
        return UnavailableError(
            reason if reason and isinstance(reason, str) else "no version serves"
        )

    def _default_model(self) -> Conversation[str]:
        return read_default_model((yield from self._get("/models")))

    def _get(self, path: str) -> Conversation[httpx.Response]:
        return _good((yield from self._asker.ask("GET", path)))


def _good(response: httpx.Response) -> httpx.Response:
    if response.status_code != _OK:
        raise read_error(response)
    return response


def _below_models(name: str) -> str:
    return f"/models/{_quoted(name)}"


def _quoted(name: str) -> str:
    return quote(name, safe="")
