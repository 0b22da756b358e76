"""The service's HTTP API: which requests are made for a call, and what their responses mean."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from glyph_client.errors import (
    DeadlineError,
    GlyphError,
    ImageError,
    NotFoundError,
    UnavailableError,
    UnreachableError,
)
from glyph_client.images import numbered, read_images
from glyph_client.options import MAX_TIMEOUT_S, ClientOptions, PredictOptions
from glyph_client.parsing import (
    parse_default_model,
    parse_error,
    parse_example,
    parse_json,
    parse_models,
    parse_predictions,
    unexpected_response,
)
from glyph_client.results import Model, Prediction, Predictions, collect
from glyph_client.transport import Network, Transport

if TYPE_CHECKING:
    import httpx
    import numpy as np
    from numpy.typing import NDArray

    from glyph_client.batches import Batch

_FIRST_POLL_S, _MAX_POLL_S = 0.1, 1.0
_OK, _TOO_LARGE = 200, 413


class Service:
    """The service as a client sees it."""

    def __init__(self, options: ClientOptions, network: Network) -> None:
        """Send nothing yet."""
        self._network = network
        self._clock = options.clock
        self._transport = Transport(options, network)
        self.url = self._transport.url
        self._batch_size = options.batch_size
        """Lowered when the service takes fewer images in a request."""
        self._root = "" if options.model is None else _model_path(options.model)
        self._model = options.model

    async def predict(self, images: object, options: PredictOptions) -> Prediction | Predictions:
        """Return a prediction for one image, or predictions for many.

        Raises:
            ImageError: If one cannot be sent.
            GlyphError: If there is no prediction for one.
            OSError: If a file cannot be read.
        """
        single, batches = read_images(images, lambda: self._batch_size)
        path = await self._predict_path(options)
        parts = await self._network.map(
            lambda item: self._predict_batch(path, options, *item), numbered(batches)
        )
        return collect(single, [prediction for part in parts for prediction in part])

    async def models(self) -> tuple[Model, ...]:
        """Return the models of the service."""
        return parse_models(await self._get("/models"))

    async def example(self) -> NDArray[np.uint8]:
        """Return an image that the model knows."""
        return parse_example(await self._get(f"{self._root}/example"))

    async def ready(self) -> bool:
        """Return True if the model serves."""
        return await self._not_ready() is None

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Poll until the model serves.

        Raises:
            DeadlineError: If it does not in time; its sentence says why.
        """
        end = self._clock() + timeout_s
        pause = _FIRST_POLL_S
        while True:
            error = await self._not_ready(end - self._clock())
            if error is None:
                return
            if self._clock() + pause > end:
                raise DeadlineError(f"not ready within {timeout_s:g} s: {error}") from error
            await self._network.sleep(pause)
            pause = min(pause * 1.5, _MAX_POLL_S)

    async def _predict_path(self, options: PredictOptions) -> str:
        """Return the path for the options; asks for the default model's name if it is needed."""
        if options.version is None and options.label is None:
            return f"{self._root}/predict"
        if self._model is None:
            self._model = parse_default_model(await self._get("/models"))
        root = _model_path(self._model)
        if options.version is not None:
            return f"{root}/versions/{options.version:d}/predict"
        return f"{root}/labels/{_quoted(options.label or '')}/predict"

    async def _predict_batch(
        self, path: str, options: PredictOptions, first: int, batch: Batch
    ) -> list[Prediction]:
        """Return the predictions for a batch; in parts, if the service takes no more.

        Args:
            path: From `_predict_path`.
            options: The caller's.
            first: Number of the batch's first image among all that the caller handed in.
            batch: The images.

        Raises:
            GlyphError: If there are none; a note says for which images.
        """
        try:
            return await self._predict_parts(path, options, first, batch)
        except GlyphError as exc:
            if len(batch) > 1 and not hasattr(exc, "__notes__"):
                exc.add_note(f"in the request for images {first} to {first + len(batch) - 1}")
            raise

    async def _predict_parts(
        self, path: str, options: PredictOptions, first: int, batch: Batch
    ) -> list[Prediction]:
        began = self._clock()
        body = batch.body()
        response = await self._transport.request(
            "POST",
            path,
            params=options.query,
            content=body.content,
            images=len(batch),
            headers={"Content-Type": body.media_type},
        )
        if response.status_code == _TOO_LARGE and len(batch) > 1:
            self._lower_batch_size(len(batch), parse_error(response).details.get("limit"))
            predictions: list[Prediction] = []
            while (start := len(predictions)) < len(batch):
                part = batch.part(start, start + self._batch_size)
                predictions += await self._predict_batch(path, options, first + start, part)
            return predictions
        predictions = parse_predictions(_checked(response), self._clock() - began)
        if len(predictions) == len(batch):
            return predictions
        if len(batch) == 1:
            raise ImageError(
                f"the array is one image by its shape, and the service found {len(predictions)};"
                " reshape it to images x rows x columns"
            )
        raise unexpected_response(response)

    def _lower_batch_size(self, refused: int, limit: object) -> None:
        half = max(1, refused // 2)  # where the limit is one on bytes
        most = limit if isinstance(limit, int) and 1 <= limit < refused else half
        self._batch_size = min(self._batch_size, most)

    async def _not_ready(self, max_s: float = MAX_TIMEOUT_S) -> GlyphError | None:
        """Return why the model does not serve; None if it does."""
        not_yet = (UnavailableError, UnreachableError, DeadlineError)
        try:
            response = _checked(await self._transport.get_once(self._root or "/readyz", max_s))
        except not_yet as error:
            return error
        except NotFoundError as error:
            if self._root:
                return error  # a model may come later
            raise
        document = parse_json(response)
        if document.get("ready") is True if self._root else document.get("status") == "ready":
            return None
        reason = document.get("reason")
        return UnavailableError(
            reason if reason and isinstance(reason, str) else "no version serves"
        )

    async def _get(self, path: str) -> httpx.Response:
        return _checked(await self._transport.request("GET", path))


def _checked(response: httpx.Response) -> httpx.Response:
    if response.status_code != _OK:
        raise parse_error(response)
    return response


def _model_path(name: str) -> str:
    return f"/models/{_quoted(name)}"


def _quoted(name: str) -> str:
    return quote(name, safe="")
