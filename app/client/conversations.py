"""What is said to the service and in which order, without sending it.

A conversation is a generator. It yields what is to be done: a request to send, answered by its
outcome, or a pause. So the client that blocks and the one that does not differ only in how they do
these two things.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import httpx

from app.client.answers import (
    Model,
    Prediction,
    read_document,
    read_error,
    read_example,
    read_models,
    read_predictions,
    strange,
)
from app.client.errors import (
    DeadlineError,
    FailedError,
    GlyphError,
    ImageError,
    NotFoundError,
    UnavailableError,
    UnreachableError,
)
from app.client.question import LONGEST_TIMEOUT_S, BatchSize, Question
from app.client.retries import Outcome, wait_before_retry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.client.images import Batch

T = TypeVar("T")

_SHARE_OF_SERVICE = 0.95  # of the time that is left; the rest is for the way there and back
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.1, 1.0
_OK, _TOO_LARGE = 200, 413


@dataclass(frozen=True)
class Send:
    """A request to send; its outcome is to be given back."""

    request: httpx.Request
    timeout_s: float


@dataclass(frozen=True)
class Pause:
    """Seconds to wait."""

    seconds: float


Conversation = Generator[Send | Pause, Outcome | None, T]


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
        address = httpx.URL(url)
        if address.scheme not in ("http", "https") or not address.host:
            raise ValueError(f"url is {url!r}; one such as http://127.0.0.1:8000 is expected")
        if not 0 < timeout_s <= LONGEST_TIMEOUT_S:
            raise ValueError(f"timeout is {timeout_s}; up to {LONGEST_TIMEOUT_S:g} s are expected")
        if batch_size < 1 or retries < 0:
            raise ValueError(f"batch_size is {batch_size} and retries {retries}; 1 and 0 are least")
        self.url = url.rstrip("/")
        self._root = "" if model is None else _below_models(model)
        self._name = model
        self.batch_size = BatchSize(batch_size)
        self._timeout_s = timeout_s
        self._retries = retries
        self._clock = clock
        self._jitter = jitter
        self._headers = {"User-Agent": "glyph-client"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"

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
        began = self._clock()
        body = batch.body()
        build = partial(
            self._request,
            "POST",
            path,
            params=question.parameters,
            content=body.content,
            headers={"Content-Type": body.media_type},
        )
        response = yield from self._ask(build)
        if response.status_code == _TOO_LARGE and len(batch) > 1:
            self.batch_size.lower(len(batch), read_error(response).details.get("limit"))
            predictions: list[Prediction] = []
            while (start := len(predictions)) < len(batch):
                part = batch.part(start, start + self.batch_size.images)
                predictions += yield from self.predict(path, part, first + start, question)
            return predictions
        predictions = read_predictions(_good(response), self._clock() - began)
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
        return (yield from self._trouble(self._timeout_s)) is None

    def wait_until_ready(self, timeout_s: float) -> Conversation[None]:
        """Ask again and again.

        Raises:
            DeadlineError: If it does not serve in time; the sentence says why.
        """
        end = self._clock() + timeout_s
        pause = _FIRST_LOOK_S
        while True:
            left = max(end - self._clock(), 0.001)
            trouble = yield from self._trouble(min(left, self._timeout_s))
            if trouble is None:
                return
            if self._clock() + pause > end:
                raise DeadlineError(f"not ready within {timeout_s:g} s: {trouble}") from trouble
            yield Pause(pause)
            pause = min(pause * 1.5, _LONGEST_LOOK_S)

    def _trouble(self, timeout_s: float) -> Conversation[GlyphError | None]:
        """Say why the model does not serve; None if it does."""
        build = partial(self._request, "GET", self._root or "/readyz")
        not_yet = (UnavailableError, UnreachableError, DeadlineError)
        try:
            response = _good((yield from self._ask(build, retries=0, timeout_s=timeout_s)))
        except not_yet as trouble:
            return trouble
        except NotFoundError as trouble:
            if self._root:
                return trouble  # a model may come later
            raise
        document = read_document(response)
        if document.get("ready") if self._root else document.get("status") == "ready":
            return None
        return UnavailableError(document.get("reason") or "no version serves")

    def _default_model(self) -> Conversation[str]:
        response = yield from self._get("/models")
        name = read_document(response).get("default")
        if not isinstance(name, str):
            raise strange(response)
        return name

    def _get(self, path: str) -> Conversation[httpx.Response]:
        return _good((yield from self._ask(partial(self._request, "GET", path))))

    def _request(self, method: str, path: str, left: float, **options: Any) -> httpx.Request:
        """Build a request that says how long its caller will wait."""
        deadline = {"X-Request-Timeout-Ms": str(max(1, int(left * 1000 * _SHARE_OF_SERVICE)))}
        headers = self._headers | deadline | options.pop("headers", {})
        extensions = {"timeout": httpx.Timeout(left).as_dict()}
        return httpx.Request(
            method, self.url + path, headers=headers, extensions=extensions, **options
        )

    def _ask(
        self,
        build: Callable[..., httpx.Request],
        *,
        retries: int | None = None,
        timeout_s: float | None = None,
    ) -> Conversation[httpx.Response]:
        """Send a request until it is answered, may not be sent again, or the time is up."""
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        retries = self._retries if retries is None else retries
        deadline = self._clock() + timeout_s
        outcomes: list[Outcome] = []
        left = timeout_s
        while True:
            outcome = yield Send(build(left=left), left)
            assert outcome is not None  # noqa: S101 - for the type checker; a Send has an outcome
            outcomes.append(outcome)
            if isinstance(outcome, httpx.Response) and outcome.status_code == _OK:
                return outcome
            wait = wait_before_retry(outcomes, retries, self._jitter())
            left = deadline - self._clock()
            if wait is None or wait >= left:
                if isinstance(outcome, httpx.Response):
                    return outcome
                raise self._no_answer(outcome, timeout_s) from outcome
            if wait:
                yield Pause(wait)
            left = max(deadline - self._clock(), 0.001)

    def _no_answer(self, failure: httpx.TransportError, timeout_s: float) -> GlyphError:
        connected = not isinstance(failure, httpx.ConnectTimeout)
        if isinstance(failure, httpx.TimeoutException) and connected:
            return DeadlineError(f"{self.url} did not answer within {timeout_s:g} s")
        if isinstance(failure, httpx.TimeoutException | httpx.NetworkError | httpx.ProtocolError):
            return UnreachableError(
                f"no connection to {self.url}: {str(failure) or type(failure).__name__}"
            )
        return FailedError(f"{self.url} cannot be asked: {failure}")


def _good(response: httpx.Response) -> httpx.Response:
    if response.status_code != _OK:
        raise read_error(response)
    return response


def _below_models(name: str) -> str:
    return f"/models/{_quoted(name)}"


def _quoted(name: str) -> str:
    return quote(name, safe="")
