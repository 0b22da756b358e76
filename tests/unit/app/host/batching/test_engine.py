"""The engine: every admitted job is answered exactly once, whatever the model does."""

from __future__ import annotations

import numpy as np
import pytest

from app.host.batching.batch_queue import BatchQueue
from app.host.batching.cost_model import BatchCostModel
from app.host.batching.engine import Engine
from app.host.batching.reply import Reply
from app.host.batching.statistics import Statistics
from app.ipc.frame_limits import FrameBounds
from app.ipc.frames import Answer, Refusal, Refused
from app.ipc.statistics import STATISTICS, Duration, VersionStatistics
from tests.loaded_versions import loaded_version

CLASSES = ("circle", "square", "star")
SHAPE = (2, 2, 1)
COSTS = BatchCostModel({1: 0.001, 2: 0.001, 4: 0.001})
"""A batch costs the same at every size, so everything that fits goes into one."""
NEVER = 1e9
"""A deadline that no test reaches."""
SAFETY_S = 10
"""How long a thread may take before a test gives up; none takes that long."""


class FakeObserver:
    """Remembers what it was told, and can be told to fail at everything."""

    def __init__(self) -> None:
        self.events: list[tuple] = []
        self.problem: Exception | None = None

    def batch(self, size, seconds):
        self._note("batch", size, seconds)

    def waited(self, seconds):
        self._note("waited", seconds)

    def predicted(self, model, classes, probabilities):
        self._note("predicted", model, classes, probabilities[:, 0].tolist())

    def dropped(self, reason):
        self._note("dropped", reason)

    def failed(self, model, version):
        self._note("failed", model, version)

    def _note(self, *event):
        self.events.append(event)
        if self.problem is not None:
            raise self.problem


class Bench:
    """An engine with everything around it in reach; room for four images in a batch."""

    def __init__(self, clock, make_model) -> None:
        self.clock = clock
        self.make_model = make_model
        self.observer = FakeObserver()
        self.delivered: list[tuple] = []
        self.retired: list[int] = []
        self._statistics = Statistics(now=lambda: 1e9 + clock.now)
        self.engine = self.make_engine()

    def make_engine(self, *, wait_s: float = 0.0, capacity: int = 100) -> Engine:
        queue = BatchQueue(capacity, max_batch=4)
        engine = Engine(
            queue,
            self.observer,
            statistics=self._statistics,
            wait_s=wait_s,
            answer_misfit=FrameBounds(1024, 1024).answer_misfit,
            clock=self.clock,
        )
        engine.on_retired = lambda _model, version: self.retired.append(version)
        return engine

    def receive(self, outcomes) -> None:
        self.delivered.extend(outcomes)

    def cancel(self, *names: str) -> None:
        self.engine.cancel([Reply(self, name) for name in names])

    def aside(self, version: int, images, name: str = "aside") -> bool:
        """Submit images as background work."""
        return self.engine.submit_to_background("shapes", version, images, Reply(self, name))

    def serve(self, number: int = 1):
        """Let a new version serve in the place of the one before; gives its model."""
        model = self.make_model()
        version = loaded_version("shapes", number, model, COSTS, CLASSES, SHAPE)
        self.engine.serve(version)
        if number > 1:
            self.engine.retire("shapes", number - 1)
        return model

    def serve_beside(self, number: int):
        """Let a version serve whoever asks for it; gives its model."""
        model = self.make_model()
        version = loaded_version("shapes", number, model, COSTS, CLASSES, SHAPE)
        self.engine.serve(version, default=False)
        return model

    def ask(
        self, name: str, *marks: int, deadline: float = NEVER, **which: object
    ) -> Refused | None:
        """Submit images that are told apart by their first pixel."""
        images = np.zeros((len(marks), *SHAPE), np.uint8)
        images[:, 0, 0, 0] = marks
        pixels = images.tobytes()
        reply_to = Reply(self, name)
        return self.engine.submit(len(marks), pixels, deadline, reply_to, model="shapes", **which)

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.pause_s = self.engine.step()

    @property
    def statistics(self) -> dict[int, VersionStatistics]:
        told = STATISTICS.validate_json(self._statistics.render())
        return {of.version: of for of in told}

    @property
    def outcomes(self) -> dict[str, object]:
        """Return the result of each call: the marks of the answer, or the reason for none."""
        assert len(self.delivered) == len({reply_to for reply_to, _ in self.delivered})
        return {
            reply_to: outcome.probabilities[:, 0].tolist()
            if isinstance(outcome, Answer)
            else outcome.reason
            for reply_to, outcome in self.delivered
        }


@pytest.fixture
def bench(clock, make_model) -> Bench:
    return Bench(clock, make_model)


def test_every_job_gets_its_own_answer(bench):
    """Jobs that were computed in one batch are told apart again."""
    model = bench.serve()
    for reply_to, marks in {"a": [1], "b": [2, 3], "c": [4]}.items():
        assert bench.ask(reply_to, *marks) is None
    bench.steps(1)

    assert [[1, 2, 3, 4]] == model.batches
    assert {"a": [1], "b": [2, 3], "c": [4]} == bench.outcomes


def test_an_answer_tells_version_and_times(bench):
    """The wait ends with the first batch; the inference time is the batch's."""
    bench.serve(7).before = lambda: bench.clock.tick(0.5)
    bench.ask("a", 1)
    bench.clock.tick(2)
    bench.steps(1)

    ((_, answer),) = bench.delivered
    assert (7, 2.0, 0.5) == (answer.version, answer.queue_s, answer.inference_s)


def test_a_request_larger_than_a_batch_comes_back_whole_and_in_order(bench):
    """Its pieces are joined, its inference times added, and it is answered once."""
    bench.serve().before = lambda: bench.clock.tick(0.5)
    bench.ask("bulk", *range(1, 11))
    bench.ask("single", 99)
    bench.steps(2)
    too_soon = bench.outcomes
    bench.steps(2)

    assert {"single": [99]} == too_soon
    assert {"single": [99], "bulk": list(range(1, 11))} == bench.outcomes
    assert 1.5 == dict(bench.delivered)["bulk"].inference_s


def test_a_poisonous_request_fails_alone(bench, caplog):
    """A batch that raises is halved until only the request that the model cannot answer fails."""
    model = bench.serve()
    model.poison = 3
    for mark in (1, 2, 3, 4):
        bench.ask(f"job {mark}", mark)
    bench.steps(1)

    expected = {"job 1": [1], "job 2": [2], "job 3": Refusal.FAILED, "job 4": [4]}
    assert expected == bench.outcomes
    assert [[1, 2, 3, 4], [1, 2], [3, 4], [3], [4]] == model.batches
    assert ["shapes version 1 failed on a request"] == caplog.messages


def test_a_batch_without_memory_is_computed_in_parts(bench):
    """Only what cannot be computed alone fails."""
    model = bench.serve()

    def run_out():
        if len(model.batches) == 0:
            model.batches.append(["too large"])
            raise MemoryError

    model.before = run_out
    for mark in (1, 2):
        bench.ask(f"job {mark}", mark)
    bench.steps(1)

    assert {"job 1": [1], "job 2": [2]} == bench.outcomes


def test_a_request_without_memory_is_no_failure_of_the_version(bench):
    """It is told apart, so that no version is given up for what the machine lacks."""
    model = bench.serve()

    def run_out():
        raise MemoryError

    model.before = run_out
    bench.ask("a", 1)
    bench.aside(1, np.zeros((1, *SHAPE), np.uint8))
    bench.steps(2)

    assert {"a": Refusal.OVERLOADED, "aside": Refusal.OVERLOADED} == bench.outcomes
    assert "failed" not in [event[0] for event in bench.observer.events]


def test_a_failure_tells_no_internals(bench):
    """The caller learns that it was the model, and nothing of the exception."""
    bench.serve().poison = 1
    bench.ask("a", 1)
    bench.steps(1)

    failed = Refused(Refusal.FAILED, 0.0, "the model failed on this request")
    assert [("a", failed)] == bench.delivered


def test_the_rest_of_a_failed_request_is_not_run(bench):
    """A large request is refused at its first bad piece, and only once."""
    model = bench.serve()
    model.poison = 2
    bench.ask("bulk", *range(1, 11))
    bench.steps(1)
    bench.ask("next", 50)
    bench.steps(1)

    assert {"bulk": Refusal.FAILED, "next": [50]} == bench.outcomes
    assert [[1, 2, 3, 4], [50]] == model.batches


def test_a_request_may_fail_at_its_last_piece(bench):
    """What was answered of it before is not delivered."""
    bench.serve().poison = 6
    bench.ask("bulk", *range(1, 7))
    bench.steps(2)

    assert {"bulk": Refusal.FAILED} == bench.outcomes


def test_an_answer_of_the_wrong_shape_is_a_failure(bench, caplog):
    """The loop lives on, and a version with the right shape answers."""
    bench.serve(1).classes = 2
    bench.ask("a", 1)
    bench.steps(1)
    bench.serve(2)
    bench.ask("b", 2)
    bench.steps(1)

    assert {"a": Refusal.FAILED, "b": [2]} == bench.outcomes
    assert "the model gave (1, 2) for 1 images" in caplog.text


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_without_numbers_is_a_failure(bench, caplog, value):
    """Of the request alone; it would be an answer with the first class and no probability."""
    model = bench.serve()
    compute = model.predict

    def spoil(parts):
        probabilities = compute(parts).copy()
        marks = [int(image.flat[0]) for part in parts for image in part]
        probabilities[np.array(marks) == 3] = value
        return probabilities

    model.predict = spoil
    for mark in (1, 3, 4):
        bench.ask(f"job {mark}", mark)
    bench.steps(1)

    assert {"job 1": [1], "job 3": Refusal.FAILED, "job 4": [4]} == bench.outcomes
    assert ("failed", "shapes", 1) in bench.observer.events
    assert "the model gave NaN or infinity" in caplog.text


def test_expired_jobs_are_refused_and_never_run(bench):
    """Work whose deadline passed in the queue costs the model nothing."""
    model = bench.serve()
    bench.ask("late", 1, deadline=bench.clock.now + 1)
    bench.ask("live", 2)
    bench.clock.tick(1.5)
    bench.steps(1)

    assert {"late": Refusal.EXPIRED, "live": [2]} == bench.outcomes
    assert [[2]] == model.batches


def test_a_cancelled_job_is_neither_run_nor_answered(bench):
    """It is counted as abandoned, once, and those beside it get their answers."""
    model = bench.serve()
    for mark in (1, 2, 3):
        bench.ask(f"job {mark}", mark)
    bench.cancel("job 2", "job 2", "stranger")
    bench.steps(1)

    assert {"job 1": [1], "job 3": [3]} == bench.outcomes
    assert [[1, 3]] == model.batches
    assert 1 == bench.observer.events.count(("dropped", "abandoned"))


def test_the_rest_of_a_cancelled_request_is_not_run(bench):
    """What a batch has taken is done; what it was done for is let go."""
    model = bench.serve()
    bench.ask("bulk", *range(1, 11))
    bench.steps(1)
    bench.cancel("bulk")
    bench.ask("next", 50)
    bench.steps(1)

    assert {"next": [50]} == bench.outcomes
    assert [[1, 2, 3, 4], [50]] == model.batches


def test_a_cancelled_job_whose_deadline_has_passed_has_expired(bench):
    """Whoever asked has waited as long as it would."""
    bench.serve()
    bench.ask("late", 1, deadline=bench.clock.now + 1)
    bench.clock.tick(2)
    bench.cancel("late")

    assert [("dropped", "expired")] == bench.observer.events


def test_an_answered_job_cannot_be_cancelled(bench):
    """The two may cross on their way."""
    bench.serve()
    bench.ask("a", 1)
    bench.steps(1)
    bench.cancel("a")

    assert {"a": [1]} == bench.outcomes
    assert ("dropped", "abandoned") not in bench.observer.events


def test_whoever_waits_is_known(bench):
    """So that all that one web worker asked can be cancelled."""
    bench.serve()
    bench.ask("bulk", 1, 2, 3, 4, 5)
    bench.ask("single", 6)
    bench.steps(1)

    assert [Reply(bench, "bulk")] == bench.engine.pending_replies()


def test_a_cancelled_job_lets_the_old_version_go(bench):
    """Nothing of it is left to be computed."""
    bench.serve(1)
    bench.ask("early", 1)
    bench.serve(2)
    bench.cancel("early")
    bench.steps(1)

    assert [1] == bench.retired


def test_a_step_may_find_only_expired_jobs(bench):
    """They are answered although there is nothing to run."""
    model = bench.serve()
    bench.ask("late", 1, deadline=bench.clock.now + 1)
    bench.clock.tick(1.5)
    bench.steps(1)

    assert [("late", Refused(Refusal.EXPIRED, 0.0, "the deadline passed"))] == bench.delivered
    assert [] == model.batches


def test_a_swap_divides_the_jobs(bench):
    """Jobs that came before it are the old version's, later ones the new one's."""
    old = bench.serve(1)
    bench.ask("early", *range(1, 7))
    new = bench.serve(2)
    bench.ask("after", 50)
    bench.steps(3)

    assert {"early": 1, "after": 2} == {o: answer.version for o, answer in bench.delivered}
    assert ([[1, 2, 3, 4], [5, 6]], [[50]]) == (old.batches, new.batches)


def test_the_old_version_goes_with_its_last_answer(bench):
    """It is kept while any of its jobs is unanswered, and let go once."""
    bench.serve(1)
    bench.ask("early", *range(1, 7))
    bench.serve(2)
    bench.ask("after", 50)
    bench.steps(2)
    too_soon = list(bench.retired)
    bench.steps(1)

    assert ([], [1]) == (too_soon, bench.retired)


def test_an_idle_version_goes_at_the_swap(bench):
    """No request is needed to let go of a version that has nothing to do."""
    bench.serve(1)
    bench.serve(2)
    bench.steps(1)

    assert [1] == bench.retired


@pytest.mark.parametrize("end", ["fails", "expires"])
def test_a_refusal_lets_the_old_version_go_as_well(bench, end):
    """Its last job need not have succeeded."""
    bench.serve(1).poison = 1
    bench.ask("early", 1, deadline=bench.clock.now + 1)
    bench.serve(2)
    if end == "expires":
        bench.clock.tick(2)
    bench.steps(1)

    assert [1] == bench.retired


def test_versions_may_come_faster_than_they_go(bench):
    """Three versions are in memory where two of them still have work; all of it is answered."""
    for number in (1, 2, 3):
        bench.serve(number)
        bench.ask(f"job {number}", number)
    bench.steps(3)

    assert {"job 1": [1], "job 2": [2], "job 3": [3]} == bench.outcomes
    assert [1, 2] == bench.retired


def test_a_swap_is_announced_before_it_has_jobs(bench):
    """While it is announced nothing is admitted, so nobody gets an answer of a stranger."""
    bench.serve(1)
    announced = []
    bench.engine.on_routed = lambda model: announced.append(
        (bench.engine.routes[model].default, bench.engine._lock.locked())
    )
    version = loaded_version("shapes", 2, bench.make_model(), COSTS, CLASSES, SHAPE)
    bench.engine.serve(version)

    assert [(2, True)] == announced


def test_without_a_version_nothing_is_admitted(bench):
    """The caller is told to come again."""
    expected = Refused(Refusal.NOT_READY, 1.0, "no version of shapes is loaded")

    assert expected == bench.ask("a", 1)
    assert [("dropped", "not_ready")] == bench.observer.events


@pytest.mark.parametrize(
    ("rows", "size"), [(2, 4), (1, 5), (0, 0), (2**32 - 1, 4)], ids="{}".format
)
def test_pixels_that_do_not_fit_are_not_admitted(bench, rows, size):
    """The host does not trust the web worker's count: the shape is the serving version's."""
    bench.serve()
    expected = Refused(Refusal.MISFIT, 0.0, f"{size} bytes are not {rows} images of (2, 2, 1)")

    assert expected == bench.engine.submit(
        rows, bytes(size), NEVER, Reply(bench, "a"), model="shapes"
    )
    assert [("dropped", "misfit")] == bench.observer.events


def test_what_comes_after_its_deadline_is_not_admitted(bench):
    """It is late, which is another thing than that it would be."""
    bench.serve()
    expected = Refused(Refusal.EXPIRED, 0.0, "the deadline passed")

    assert expected == bench.ask("a", 1, deadline=bench.clock.now - 1)
    assert bench.ask("b", 1, deadline=bench.clock.now) is None
    assert [("dropped", "expired")] == bench.observer.events


def test_a_full_queue_refuses(bench):
    """The queue's sentence and its estimate are handed on."""
    bench.engine = bench.make_engine(capacity=2)
    bench.serve().before = lambda: bench.clock.tick(0.5)
    bench.ask("measured", 1)
    bench.steps(1)
    bench.ask("fits", 1, 2)

    expected = Refused(Refusal.OVERLOADED, 1.0, "2 images are waiting; the limit is 2")
    assert expected == bench.ask("refused", 3)
    assert ("dropped", "overloaded") == bench.observer.events[-1]


def test_the_observer_is_told_of_every_batch(bench):
    """Its size, its time, how long each request waited for its first batch, and the answers."""
    bench.serve().before = lambda: bench.clock.tick(0.5)
    bench.ask("bulk", *range(1, 6))
    bench.clock.tick(1)
    bench.steps(2)

    assert [
        ("waited", 1.0),
        ("predicted", "shapes", CLASSES, [1, 2, 3, 4]),
        ("batch", 4, 0.5),
        ("predicted", "shapes", CLASSES, [5]),
        ("batch", 1, 0.5),
    ] == bench.observer.events


def test_the_observer_is_told_of_refusals(bench):
    """By their reason, so that they can be counted."""
    bench.serve().poison = 1
    bench.ask("late", 2, deadline=bench.clock.now + 1)
    bench.clock.tick(2)
    bench.ask("poisonous", 1)
    bench.steps(1)

    dropped = [event for event in bench.observer.events if event[0] == "dropped"]
    assert [("dropped", "expired"), ("dropped", "failed")] == dropped


def test_statistics_tell_of_answers(bench):
    """Requests and how long they took, and batches by their size."""
    bench.serve().before = lambda: bench.clock.tick(0.5)
    bench.ask("bulk", *range(1, 6))
    bench.clock.tick(1)
    bench.ask("single", 9)
    bench.steps(3)

    expected = VersionStatistics("shapes", 1, images=6, last_at=1e9 + bench.clock.now)
    expected.success, expected.queue = Duration(2, 2.5 + 0.5), Duration(2, 1.5)
    expected.inference = Duration(2, 1.0 + 0.5)
    expected.batches = {1: Duration(2, 1.0), 4: Duration(1, 0.5)}
    assert {1: expected} == bench.statistics


def test_statistics_tell_of_requests_without_an_answer(bench):
    """Whether refused, given up, too late or failed; of how long those waited that were let in."""
    bench.engine = bench.make_engine(capacity=3)
    bench.serve().poison = 1
    bench.ask("given up", 2)
    bench.ask("late", 3, deadline=bench.clock.now + 1)
    bench.ask("poisonous", 1)
    bench.ask("refused", 4)
    bench.clock.tick(2)
    bench.cancel("given up")
    bench.steps(1)

    assert Duration(4, 6.0) == bench.statistics[1].fail
    assert (0, Duration()) == (bench.statistics[1].images, bench.statistics[1].success)


def test_statistics_tell_nothing_of_the_background(bench):
    """Nobody asked for it."""
    bench.serve(1)
    bench.serve_beside(2)
    images = np.ones((1, *SHAPE), np.uint8)
    assert bench.aside(2, images, "shadow")
    bench.steps(1)

    assert (["shadow"], {}) == (list(bench.outcomes), bench.statistics)


def test_statistics_go_with_their_version(bench):
    """They stay until its last answer has gone."""
    bench.serve(1)
    bench.ask("a", 1)
    bench.steps(1)
    bench.ask("b", 2)
    bench.serve(2)
    bench.ask("c", 3)

    assert [1] == list(bench.statistics)
    bench.steps(2)
    assert [2] == list(bench.statistics)


def test_an_observer_cannot_end_the_loop(bench, caplog):
    """One that raises at everything costs a line in the log; the answers are delivered."""
    bench.observer.problem = ZeroDivisionError()
    bench.serve()
    bench.ask("a", 1)
    bench.steps(1)

    assert {"a": [1]} == bench.outcomes
    assert {"observer callback failed"} == set(caplog.messages)


def test_a_full_batch_does_not_wait_for_company(bench):
    """The window is for batches that have room."""
    bench.engine = bench.make_engine(wait_s=3600)
    bench.serve()
    bench.ask("a", 1, 2, 3, 4)
    bench.steps(1)

    assert {"a": [1, 2, 3, 4]} == bench.outcomes


def test_the_window_ends_when_the_batch_is_full(bench):
    """Jobs that come within the window are in the same batch as the one that opened it."""
    bench.engine = bench.make_engine(wait_s=3600)
    model = bench.serve()
    bench.ask("first", 1)
    bench.steps(1)
    assert 3600 == bench.pause_s
    for mark in (2, 3, 4):
        bench.ask(f"job {mark}", mark)
    bench.steps(1)

    assert [[1, 2, 3, 4]] == model.batches
    assert bench.pause_s is None


def test_the_window_ends_when_its_time_is_over(bench):
    """A lone job is computed alone after the wait, which began when it came."""
    bench.engine = bench.make_engine(wait_s=5)
    model = bench.serve()
    bench.ask("lone", 1)
    bench.clock.tick(3)
    bench.steps(1)
    assert 2 == bench.pause_s
    bench.clock.tick(2)
    bench.steps(1)

    assert [[1]] == model.batches


def test_a_version_that_gains_nothing_by_batches_gets_none(bench):
    """Its measured limit goes before the largest batch, and no window is kept open for company."""
    bench.engine = bench.make_engine(wait_s=3600)
    model = bench.make_model()
    slow = loaded_version("shapes", 1, model, BatchCostModel({1: 1.0, 4: 4.0}), CLASSES, SHAPE)
    bench.engine.serve(slow)
    bench.ask("a", 1)
    bench.ask("b", 2)
    bench.steps(2)

    assert [[1], [2]] == model.batches


def test_a_step_tells_when_to_come_again(bench):
    """At once where more waits; when something comes where nothing does."""
    bench.serve()
    bench.ask("five", 1, 2, 3, 4, 5)
    bench.steps(1)
    assert 0 == bench.pause_s
    bench.steps(1)

    assert bench.pause_s is None
    assert {"five": [1, 2, 3, 4, 5]} == bench.outcomes


def test_versions_serve_side_by_side(bench):
    """A request gets the one that it asks for, or the default one."""
    bench.serve(1)
    bench.serve_beside(2)
    for reply_to, version in {"default": 0, "first": 1, "second": 2}.items():
        assert bench.ask(reply_to, 1, version=version) is None
    bench.steps(2)

    versions = {reply_to: outcome.version for reply_to, outcome in bench.delivered}
    assert {"default": 1, "first": 1, "second": 2} == versions


def test_another_version_is_made_the_default(bench):
    """What was admitted before goes to the one that was it then."""
    bench.serve(1)
    bench.serve_beside(2)
    bench.ask("before", 1)
    bench.engine.make_default("shapes", 2)
    bench.ask("after", 2)
    bench.steps(2)

    versions = {reply_to: outcome.version for reply_to, outcome in bench.delivered}
    assert {"before": 1, "after": 2} == versions
    assert [] == bench.retired


@pytest.mark.parametrize("or_default", [False, True])
def test_a_version_that_does_not_serve_is_not_found(bench, or_default):
    """Whoever said that the default one will do gets that."""
    bench.serve(1)
    refused = bench.ask("a", 5, version=7, or_default=or_default)
    bench.steps(1)

    if or_default:
        assert (None, {"a": [5]}) == (refused, bench.outcomes)
    else:
        assert Refused(Refusal.NOT_FOUND, 0.0, "shapes version 7 does not serve") == refused


def test_a_version_that_retires_takes_no_jobs(bench):
    """Though it is there until its last answer."""
    bench.serve(1)
    bench.ask("early", 1)
    bench.serve(2)
    refused = bench.ask("late", 2, version=1)

    assert Refusal.NOT_FOUND == refused.reason
    bench.steps(1)
    assert ({"early": [1]}, [1]) == (bench.outcomes, bench.retired)


def test_a_version_that_retired_may_come_back(bench):
    """A rollback loads it again, before its last answer has gone too."""
    bench.serve(1)
    bench.ask("early", 1)
    bench.serve(2)
    bench.serve_beside(1)
    bench.steps(1)
    bench.ask("back", 3, version=1)
    bench.steps(1)

    assert ({"early": [1], "back": [3]}, []) == (bench.outcomes, bench.retired)


def test_models_do_not_meet(bench):
    """Each has its versions, its default and its shape of an image."""
    bench.serve(1)
    other = loaded_version("dots", 1, bench.make_model(), COSTS, CLASSES, (1, 1, 1))
    bench.engine.serve(other)
    assert bench.engine.submit(1, bytes([9]), NEVER, Reply(bench, "dot"), model="dots") is None
    assert bench.ask("shape", 5) is None
    bench.steps(2)

    assert {"dot": [9], "shape": [5]} == bench.outcomes
    bench.engine.retire("dots", 1)
    assert (
        Refusal.NOT_READY
        == bench.engine.submit(1, bytes(1), NEVER, Reply(bench, "a"), model="dots").reason
    )
    assert bench.ask("again", 6) is None


def test_the_background_waits_for_a_lull(bench):
    """Its answers are delivered like others; they count neither as predictions nor as waits."""
    bench.serve(1)
    aside = bench.serve_beside(2)
    images = np.full((2, *SHAPE), 8, np.uint8)
    assert bench.aside(2, images)
    bench.ask("a", 1)
    bench.steps(1)
    first = bench.outcomes
    bench.steps(1)

    assert {"a": [1]} == first
    assert ({"a": [1], "aside": [8, 8]}, [[8, 8]]) == (bench.outcomes, aside.batches)
    told = [event for event in bench.observer.events if event[0] in {"predicted", "waited"}]
    assert ["waited", "predicted"] == [event[0] for event in told]


def test_a_step_comes_back_for_the_background(bench):
    """Though nobody waits."""
    bench.serve(1)
    bench.aside(1, np.zeros((1, *SHAPE), np.uint8))
    bench.ask("a", 1)
    bench.steps(1)
    assert 0.0 == bench.pause_s
    bench.steps(1)
    assert bench.pause_s is None


def test_a_failure_in_the_background_harms_nobody(bench):
    """Whoever asked is told; it is no request that got no answer."""
    bench.serve(1).poison = 0
    bench.aside(1, np.zeros((1, *SHAPE), np.uint8))
    bench.steps(1)

    assert {"aside": Refusal.FAILED} == bench.outcomes
    assert ["batch"] == [event[0] for event in bench.observer.events]


def test_nothing_is_taken_to_the_background_for_a_version_that_is_not_there(bench):
    """Nor for one that retires."""
    bench.serve(1)
    bench.ask("a", 1)
    bench.serve(2)
    images = np.zeros((1, *SHAPE), np.uint8)

    taken = [bench.aside(n, images, "b") for n in (1, 2, 3)]
    assert [False, True, False] == taken


def test_a_version_is_kept_for_its_work_in_the_background(bench):
    """It goes with the last of it."""
    bench.serve(1)
    bench.aside(1, np.zeros((1, *SHAPE), np.uint8))
    bench.serve(2)
    too_soon = list(bench.retired)
    bench.steps(1)

    assert ([], [1]) == (too_soon, bench.retired)


def test_answers_are_told_of_once_they_have_gone(bench):
    """Refusals are not, nor what was computed in the background."""
    told = []
    model = bench.serve(1)
    model.poison = 7
    bench.engine.on_answered = lambda job, answer: told.append(
        (job.reply_to.request_id, answer.probabilities[:, 0].tolist(), len(bench.delivered))
    )
    bench.aside(1, np.zeros((1, *SHAPE), np.uint8))
    bench.ask("a", 1)
    bench.ask("b", 7)
    bench.steps(2)

    assert [("a", [1], 2)] == told


def test_a_failed_request_is_told_with_its_version(bench):
    """For whoever watches a new version."""
    bench.serve(3).poison = 1
    bench.ask("a", 1)
    bench.steps(1)

    assert ("failed", "shapes", 3) in bench.observer.events


def test_an_answer_that_would_be_too_large_is_not_computed(bench, make_model):
    """The caller is told how many images may be sent; fewer are answered."""
    classes = ("",) * 2**20
    model = make_model(classes=len(classes))
    version = loaded_version("wide", 1, model, COSTS, classes, (1, 1, 1))
    bench.engine.serve(version)
    refused = bench.engine.submit(9, bytes(9), NEVER, Reply(bench, "a"), model="wide")

    assert Refusal.TOO_LARGE == refused.reason
    assert refused.sentence.startswith("the probabilities of 9 images in 1048576 classes are ")
    assert refused.sentence.endswith(": send at most 8 images in one request")
    assert bench.engine.submit(1, bytes(1), NEVER, Reply(bench, "b"), model="wide") is None
    bench.steps(1)
    assert [1] == [len(batch) for batch in model.batches]
