"""The engine in several threads: a job has one answer, and a version its life, as with one thread.

A model that is held in the middle of a batch stands for a thread that is slower than the others.
"""

from __future__ import annotations

import contextlib
import queue
import threading

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from app.host.batching.batch_queue import BatchQueue
from app.host.batching.cost_model import BatchCostModel
from app.host.batching.engine import Engine
from app.host.batching.reply import Reply
from app.host.metrics import HostMetrics
from app.ipc.frames import Answer, Refusal
from tests.loaded_versions import loaded_version

CLASSES = ("circle", "square", "star")
SHAPE = (2, 2, 1)
COSTS = BatchCostModel({1: 0.001, 2: 0.001, 4: 0.001})
NEVER = 1e9
"""A deadline that no test reaches."""
SAFETY_S = 10
"""How long a thread may take before a test gives up; none takes that long."""


class Bench:
    """An engine whose batches, of up to four images, can be held and let go by a test.

    While small jobs come, it computes two of them at a time.
    """

    def __init__(self, clock, make_model) -> None:
        self.clock = clock
        self.make_model = make_model
        self.outcomes: queue.Queue[tuple[str, object]] = queue.Queue()
        self.retired: list[int] = []
        self.engine = self.make_engine()

    def make_engine(self) -> Engine:
        self.registry = CollectorRegistry()
        self.queue = BatchQueue(100, max_batch=4, core_sparing_streams=2)
        metrics = HostMetrics(self.registry, waiting=lambda: self.queue.waiting)
        engine = Engine(self.queue, metrics, clock=self.clock)
        engine.on_retired = lambda _model, version: self.retired.append(version)
        return engine

    def receive(self, outcomes) -> None:
        for name, outcome in outcomes:
            answered = isinstance(outcome, Answer)
            told = outcome.probabilities[:, 0].tolist() if answered else outcome.reason
            self.outcomes.put((name, told))

    def serve(self, number: int = 1):
        """Let a new version serve in the place of the one before; gives its model."""
        model = self.make_model()
        version = loaded_version("shapes", number, model, COSTS, CLASSES, SHAPE)
        self.engine.serve(version)
        if number > 1:
            self.engine.retire("shapes", number - 1)
        return model

    def ask(self, name: str, *marks: int, deadline: float = NEVER) -> None:
        """Submit images that are told apart by their first pixel."""
        images = np.zeros((len(marks), *SHAPE), np.uint8)
        images[:, 0, 0, 0] = marks
        reply_to = Reply(self, name)
        assert (
            self.engine.submit(len(marks), images.tobytes(), deadline, reply_to, model="shapes")
            is None
        )

    def dropped(self) -> dict[str, float]:
        """Count what was dropped, by reason."""
        name, reasons = "glyph_requests_dropped_total", ("abandoned", "expired", "failed")
        counts = {r: self.registry.get_sample_value(name, {"reason": r}) for r in reasons}
        return {reason: count for reason, count in counts.items() if count}

    @contextlib.contextmanager
    def held_batch(self, model):
        """Have a thread compute the next batch, and hold it in the model until the block ends."""
        begun, go_on = threading.Event(), threading.Event()

        def hold():
            model.before = lambda: None  # others pass
            begun.set()
            assert go_on.wait(SAFETY_S)

        model.before = hold
        thread = threading.Thread(target=self.engine.step)
        thread.start()
        try:
            assert begun.wait(SAFETY_S)
            yield
        finally:
            go_on.set()
            thread.join(SAFETY_S)
        assert not thread.is_alive()

    @contextlib.contextmanager
    def running(self, count: int = 2):
        """Run further streams until the block ends."""
        threads = [threading.Thread(target=self.engine.run) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.engine.stop()
            for thread in threads:
                thread.join(SAFETY_S)
        assert not any(thread.is_alive() for thread in threads)

    def wait_for(self, count: int) -> dict[str, object]:
        """Wait for so many outcomes, each of another job."""
        found = [self.outcomes.get(timeout=SAFETY_S) for _ in range(count)]
        assert count == len(dict(found))
        return dict(found)

    def told(self) -> list[tuple[str, object]]:
        """Return the outcomes that have arrived."""
        return [self.outcomes.get_nowait() for _ in range(self.outcomes.qsize())]


@pytest.fixture
def bench(clock, make_model) -> Bench:
    return Bench(clock, make_model)


def test_batches_are_computed_at_the_same_time(bench):
    """Whoever takes a batch wakes the next stream if another full one waits."""
    met = threading.Barrier(3)
    bench.serve().before = lambda: met.wait(SAFETY_S)
    with bench.running(2):
        for start in (0, 10, 20):
            bench.ask(f"from {start}", *range(start, start + 4))
        bench.engine.step()

        expected = {f"from {start}": list(range(start, start + 4)) for start in (0, 10, 20)}
        assert expected == bench.wait_for(3)


def test_small_jobs_are_computed_in_considerate_streams_only(bench):
    """As many as that work, again and again, and no more, whatever waits."""
    met, lock, at_work, seen = threading.Barrier(2), threading.Lock(), set(), []

    def compute():
        with lock:
            at_work.add(threading.get_ident())
            seen.append(len(at_work))
        met.wait(SAFETY_S)
        with lock:
            at_work.discard(threading.get_ident())

    bench.serve().before = compute
    for mark in range(1, 41):
        bench.ask(f"job {mark}", mark)
    with bench.running(3):
        for _ in range(5):
            bench.engine.step()
        assert 40 == len(bench.wait_for(40))
    assert 2 == max(seen)


def test_pieces_may_be_finished_in_any_order(bench):
    """They are joined in the order of the request."""
    model = bench.serve()
    bench.ask("bulk", *range(1, 9))
    with bench.held_batch(model):
        bench.engine.step()
        assert [] == bench.told()

    assert [[5, 6, 7, 8], [1, 2, 3, 4]] == model.batches
    assert [("bulk", list(range(1, 9)))] == bench.told()


def test_a_request_that_fails_twice_is_refused_once(bench):
    """Two of its pieces may fail in two threads."""
    model = bench.serve()
    model.classes = 2
    bench.ask("bulk", *range(1, 11))
    with bench.held_batch(model):
        bench.engine.step()
        assert [("bulk", Refusal.FAILED)] == bench.told()
        bench.ask("next", 50, 51, 52)

    assert [] == bench.told()
    assert {"failed": 1} == bench.dropped()
    assert 3 == bench.queue.waiting


@pytest.mark.parametrize("classes", [2, 3], ids=["fails", "succeeds"])
def test_a_request_that_expires_in_the_middle_is_refused_once(bench, classes):
    """However the piece that is being computed ends."""
    model = bench.serve()
    model.classes = classes
    bench.ask("bulk", *range(1, 11), deadline=bench.clock.now + 1)
    with bench.held_batch(model):
        bench.clock.tick(2)
        bench.engine.step()

    assert [("bulk", Refusal.EXPIRED)] == bench.told()
    assert {"expired": 1} == bench.dropped()


@pytest.mark.parametrize("size", [4, 10], ids=["the whole of it", "a piece"])
@pytest.mark.parametrize("classes", [2, 3], ids=["fails", "succeeds"])
def test_a_request_is_cancelled_while_it_is_computed(bench, size, classes):
    """No more of it is computed, nobody is answered, and it counts as abandoned."""
    model = bench.serve()
    model.classes = classes
    bench.ask("bulk", *range(1, 1 + size))
    with bench.held_batch(model):
        bench.engine.cancel([Reply(bench, "bulk")])
    bench.engine.step()

    assert [] == bench.told()
    assert [[1, 2, 3, 4]] == model.batches
    assert {"abandoned": 1} == bench.dropped()
    assert 0 == bench.queue.waiting


@pytest.mark.parametrize("cancelled", [False, True], ids=["wanted", "cancelled"])
def test_a_version_is_kept_while_a_thread_computes_with_it(bench, cancelled):
    """Whether anybody waits for what is computed or not."""
    model = bench.serve(1)
    bench.ask("early", 1)
    with bench.held_batch(model):
        bench.serve(2)
        if cancelled:
            bench.engine.cancel([Reply(bench, "early")])
        bench.ask("after", 2)
        bench.engine.step()
        assert [("after", [2])] == bench.told()
        assert [] == bench.retired

    assert ([] if cancelled else [("early", [1])]) == bench.told()
    assert [1] == bench.retired


def test_a_version_is_kept_until_its_last_answer_is_delivered(bench):
    """A web worker must still know the classes of the version that an answer names."""
    bench.serve(1)
    bench.ask("early", 1)
    receive = bench.receive

    def meanwhile(outcomes):
        bench.receive = receive
        bench.serve(2)
        bench.engine.step()
        assert [] == bench.retired
        receive(outcomes)

    bench.receive = meanwhile
    bench.engine.step()

    assert [("early", [1])] == bench.told()
    assert [1] == bench.retired


def test_what_is_computed_at_the_same_time_shares_it(bench):
    """Else the queue would take two streams for as slow as one, and refuse what it need not."""
    model = bench.serve()
    bench.ask("held", 1, 2, 3, 4)
    with bench.held_batch(model):
        model.before = lambda: bench.clock.tick(1.0)
        bench.ask("beside", 5, 6, 7, 8)
        bench.engine.step()
        bench.ask("waits", *range(10, 18))

        assert 1.0 == bench.queue.wait_s()


def test_the_oldest_batch_is_known(bench):
    """So that one that never ends is noticed."""
    model = bench.serve()
    bench.ask("held", 1, 2, 3, 4)
    with bench.held_batch(model):
        oldest = bench.engine.oldest()
        assert ["held"] == [piece.job.reply_to.request_id for piece in oldest.pieces]
        bench.ask("beside", 5)
        bench.engine.step()
        assert oldest is bench.engine.oldest()

    assert bench.engine.oldest() is None


def test_a_stream_leaves_less_than_a_full_batch_alone(bench):
    """It is for the thread that steps, however long that takes to come."""
    bench.serve()
    bench.ask("few", 1, 2, 3)
    with bench.running():
        pass

    assert [] == bench.told()
    bench.engine.step()
    assert [("few", [1, 2, 3])] == bench.told()


def test_a_bug_does_not_end_a_stream(bench, caplog):
    """It costs a line in the log, and the next request is answered."""
    bench.serve()
    receive = bench.receive

    def fail(_outcomes):
        bench.receive = receive
        raise ZeroDivisionError

    bench.receive = fail
    for mark in range(1, 9):
        bench.ask(f"job {mark}", mark)
    with bench.running(1):
        assert {f"job {mark}": [mark] for mark in range(5, 9)} == bench.wait_for(4)
    assert ["batch lost by an internal error"] == caplog.messages
    assert bench.engine.oldest() is None
