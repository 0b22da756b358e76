"""Judges replies: which version gave an answer and whose it is, or whether a refusal is documented.

A judge's words are `answer 7 good-1` (version 7 is named, and the probabilities are those of the
variant good-1), `refusal 503`, or `wrong: <sentence>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.benchmarks.scenarios.wire import Reply

ANSWER, REFUSAL, WRONG = "answer", "refusal", "wrong:"
REFUSALS = {408: False, 429: True, 503: True, 504: False}
"""What a correct prediction request may be refused with, and whether it has a Retry-After."""
FRONTS = ("JSON", "raw", "v1", "v2")
OK = 200
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class FrontJudge:
    """Judges the replies of one front."""

    front: str
    variants: tuple[str, ...]
    expected: NDArray[np.float32]
    """Shape (variants, requests, classes)."""

    def __call__(self, request: int, reply: Reply) -> str:
        """Return the words for a reply to one of the stream's requests."""
        try:
            if reply.status == OK:
                return self._answer(request, reply)
            return judge_refusal(reply)
        except (ValueError, KeyError, TypeError, IndexError) as exc:
            return f"{WRONG} {reply.status} of another shape than documented: {exc!r}"

    def _answer(self, request: int, reply: Reply) -> str:
        version, probabilities = read_answer(self.front, reply)
        expected = self.expected[:, request]
        if probabilities.shape != expected[0].shape:
            return f"{WRONG} version {version} gives probabilities of {probabilities.shape}"
        fits = np.abs(expected - probabilities).max(axis=1) < _TOLERANCE
        if fits.sum() != 1:
            return f"{WRONG} version {version} answers as no published version does"
        return f"{ANSWER} {version} {self.variants[int(fits.argmax())]}"


def read_answer(front: str, reply: Reply) -> tuple[int, NDArray[np.float32]]:
    """Return the version that an answer names, and the first image's probabilities.

    Raises:
        ValueError, KeyError, TypeError, IndexError: If it is not of the front's shape.
    """
    document: dict[str, Any] = orjson.loads(reply.body)
    if front == "v1":
        version, found = int(reply.header("Glyph-Version") or ""), document["predictions"][0]
    elif front == "v2":
        version, found = int(document["model_version"]), document["outputs"][0]["data"]
    else:
        version = document["model"]["version"]
        found = document["predictions"][0]["probabilities"]
    return version, np.asarray(found, np.float32)


def judge_refusal(reply: Reply) -> str:
    """Return the words for a reply that is no answer.

    Raises:
        ValueError, KeyError, TypeError: If its body is not `{"error": "<sentence>"}`.
    """
    if reply.status not in REFUSALS:
        return f"{WRONG} {reply.status} to a correct request: {reply.body[:120]!r}"
    sentence = orjson.loads(reply.body)["error"]
    if not isinstance(sentence, str) or not sentence:
        raise ValueError(f"error is {sentence!r}; a sentence is expected")
    retry_after = reply.header("Retry-After")
    if retry_after is None and REFUSALS[reply.status]:
        return f"{WRONG} {reply.status} without Retry-After: {sentence}"
    if retry_after is not None and not (retry_after.isdecimal() and int(retry_after)):
        return f"{WRONG} {reply.status} with Retry-After {retry_after!r}"
    return f"{REFUSAL} {reply.status}"
