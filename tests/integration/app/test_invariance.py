"""Whatever company a request is computed in, its answer is the one it gets alone."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from app.host.batching.batch_queue import BatchQueue
from app.host.batching.cost_model import BatchCostModel
from app.host.batching.engine import Engine
from app.host.batching.reply import Reply
from app.host.metrics import HostMetrics
from app.host.runtimes.candidates import candidates
from app.ipc.frames import Answer
from tests.loaded_versions import loaded_version

MIXES = 200
NEVER = 1e9
SHAPE = (28, 28, 1)
SIZES = (1, 2, 4, 8, 16)
COSTS = BatchCostModel({size: 0.0001 + 0.0001 * size for size in SIZES})
"""Cuts some backlogs and pads others, up to the largest size."""
TOLERANCE = 1e-5


@pytest.fixture(params=[1, 3], ids="{} streams".format)
def streams(request):
    """Return how many batches are computed at the same time."""
    return request.param


@pytest.fixture
def model(starter, streams):
    (candidate,) = candidates("openvino", "f32", threads=1, streams=streams)
    model = candidate.load(starter)
    model.prepare(SIZES)
    return model


@pytest.fixture
def pool(golden):
    """Return images between two golden ones each, which the model is uncertain about."""
    mixed = [golden.images // 2 + np.roll(golden.images, by, axis=0) // 2 for by in range(1, 8)]
    return np.concatenate(mixed)


class Mixes:
    """An engine with one version; requests come from several threads while batches are computed."""

    def __init__(self, model, streams: int) -> None:
        self.streams = streams
        self.answers: dict[int, np.ndarray] = {}
        queue = BatchQueue(10_000, SIZES[-1])
        metrics = HostMetrics(CollectorRegistry(), waiting=lambda: queue.waiting)
        self.engine = Engine(queue, metrics)
        classes = tuple("0123456789")
        version = loaded_version("mnist", 1, model, COSTS, classes, SHAPE)
        self.engine.serve(version)

    def ask_at_once(self, requests: dict[int, np.ndarray]) -> None:
        """Submit from a thread per request, computing all the while, until all are answered."""
        threads = [
            threading.Thread(target=self._submit, args=request) for request in requests.items()
        ]
        for thread in threads:
            thread.start()
        threads += [
            threading.Thread(target=self._compute, args=(requests,)) for _ in range(self.streams)
        ]
        for thread in threads[-self.streams :]:
            thread.start()
        for thread in threads:
            thread.join()

    def _compute(self, requests: dict[int, np.ndarray]) -> None:
        while not requests.keys() <= self.answers.keys():
            self.engine.step()

    def _submit(self, number: int, images: np.ndarray) -> None:
        reply_to = Reply(self, number)
        assert (
            self.engine.submit(len(images), images.tobytes(), NEVER, reply_to, model="mnist")
            is None
        )

    def receive(self, outcomes) -> None:
        for number, outcome in outcomes:
            assert isinstance(outcome, Answer)
            assert number not in self.answers
            self.answers[number] = outcome.probabilities


@pytest.fixture
def mixes(model, streams) -> Mixes:
    return Mixes(model, streams)


def test_every_answer_in_a_mix_is_the_answer_alone(mixes, model, pool):
    """Requests of one to forty images, in random company: within 1e-5, and each its own."""
    rng = np.random.default_rng(7)
    alone = np.concatenate([model.predict([image[np.newaxis]]) for image in pool])
    assert len(np.unique(alone.round(4), axis=0)) > len(pool) * 0.9  # a stranger's would be seen
    number = 0
    for _ in range(MIXES):
        picks = {}
        for _ in range(rng.integers(1, 13)):
            size = int(rng.choice([1, 1, 1, 2, 3, 5, 9, 17, 40]))
            picks[number] = rng.integers(len(pool), size=size)
            number += 1
        mixes.ask_at_once({n: pool[pick] for n, pick in picks.items()})
        for n, pick in picks.items():
            assert (len(pick), 10) == mixes.answers[n].shape
            assert np.abs(mixes.answers[n] - alone[pick]).max() <= TOLERANCE
