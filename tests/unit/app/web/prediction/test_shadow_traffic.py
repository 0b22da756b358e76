"""Shadow traffic through a real engine: callers get what they got without it, as soon."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest

from app.host.batching.batch_queue import BatchQueue
from app.host.batching.cost_model import BatchCostModel
from app.host.batching.engine import Engine
from app.host.batching.reply import Reply
from app.host.shadow.metrics import ShadowMetrics
from app.host.shadow.shadow import Shadowing
from app.ipc.frames import Answer
from tests.loaded_versions import loaded_version

CLASSES = ("circle", "square", "star")
SHAPE = (2, 2, 1)
COSTS = BatchCostModel({1: 0.001, 2: 0.001, 4: 0.0012, 8: 0.0022})
"""Eight images make the best batch, which takes more than twice as long as that of one."""
NEVER = 1e9
CAPACITY = 40
PRIMARY, SHADOW, NEXT = 1, 2, 3
OUTCOMES = ("agreed", "disagreed", "failed", "skipped")
SAFETY_S = 10


class FakeObserver:
    """Remembers what is counted of requests."""

    def __init__(self) -> None:
        self.events: list[tuple] = []

    def batch(self, size, seconds):
        pass

    def waited(self, seconds):
        self.events.append(("waited", seconds))

    def predicted(self, _model, _classes, probabilities):
        self.events.append(("predicted", len(probabilities)))

    def dropped(self, reason):
        self.events.append(("dropped", reason))

    def failed(self, _model, version):
        self.events.append(("failed", version))


class Service:
    """An engine with a version that serves and another that shadows; nobody's time but its own."""

    def __init__(self, clock, make_model, registry) -> None:
        self.clock = clock
        self.make_model = make_model
        self.registry = registry
        self.observer = FakeObserver()
        self.delivered: list[tuple] = []
        self.computed: list[tuple[int, list[int]]] = []
        """Every batch: the version, and its images by their first pixel."""
        self.queue = BatchQueue(CAPACITY, max_batch=8)
        self.engine = Engine(self.queue, self.observer, clock=clock)
        self.chance = random.Random(3).random  # noqa: S311 - nothing is secret
        self.shadowing = Shadowing(
            self.engine.submit_to_background,
            self.engine.loaded,
            ShadowMetrics(registry),
            chance=self.chance,
        )
        self.engine.on_answered = self.shadowing.answered
        self.primary, self.shadow = self.serve(PRIMARY), self.serve(SHADOW, default=False)

    def receive(self, outcomes) -> None:
        self.delivered.extend(outcomes)

    def serve(self, number: int, *, default: bool = True):
        model = self.make_model()
        model.other: set[int] = set()
        right = model.predict

        def predict(parts):
            marks = np.concatenate(parts)[:, 0, 0, 0].tolist()
            self.computed.append((number, marks))
            probabilities = right(parts)
            other = [place for place, mark in enumerate(marks) if mark in model.other]
            probabilities[other, 1] = probabilities[other, 0] + 1
            return probabilities

        model.predict = predict
        loaded = loaded_version("shapes", number, model, COSTS, CLASSES, SHAPE)
        self.engine.serve(loaded, default=default)
        return model

    def ask(self, origin: object, *marks: int, deadline: float = NEVER):
        """Submit images that are told apart by their first pixel."""
        images = np.zeros((len(marks), *SHAPE), np.uint8)
        images[:, 0, 0, 0] = marks
        return self.engine.submit(
            len(marks), images.tobytes(), deadline, Reply(self, origin), model="shapes"
        )

    def run(self) -> None:
        """Compute until nothing waits, not even in the background."""
        while self.engine.step() is not None:
            pass

    def versions(self) -> list[int]:
        """Return the version that computed each batch."""
        return [version for version, _ in self.computed]

    @property
    def counts(self) -> dict[str, float]:
        """What is counted of the shadow, where it is not nothing."""
        name = "glyph_shadow_images_total"
        counts = {
            outcome: self.registry.get_sample_value(name, {"model": "shapes", "outcome": outcome})
            for outcome in OUTCOMES
        }
        return {outcome: count for outcome, count in counts.items() if count}


@pytest.fixture
def service(clock, make_model, registry) -> Service:
    service = Service(clock, make_model, registry)
    service.shadowing.configure("shapes", SHADOW, 100)
    return service


def test_the_counts_are_exact(service):
    """Two versions that differ on known images: as many disagreements, and no more."""
    service.shadow.other = set(range(3, 256, 7))
    requests = [[mark] for mark in range(1, 101)] + [list(range(n, n + 5)) for n in range(101, 201)]
    for number, marks in enumerate(requests):
        assert service.ask(number, *marks) is None
        service.run()

    asked = [mark for marks in requests for mark in marks]
    other = sum(mark in service.shadow.other for mark in asked)
    assert {"agreed": len(asked) - other, "disagreed": other} == service.counts
    given = {origin: answer.probabilities[:, 0].tolist() for origin, answer in service.delivered}
    assert dict(enumerate(requests)) == given


def test_a_caller_gets_the_same_answer_with_it_and_without(service):
    """The answer is the primary's, and is delivered before anything runs again."""
    service.shadow.other = {7}
    service.ask("a", 7)
    service.engine.step()
    ((origin, answer),) = service.delivered
    versions = service.versions()
    service.run()

    assert ("a", PRIMARY, [7.0, 0.0, 0.0]) == (
        origin,
        answer.version,
        answer.probabilities[0].tolist(),
    )
    assert ([PRIMARY], [PRIMARY, SHADOW]) == (versions, service.versions())
    assert 1 == len(service.delivered)


def test_nothing_runs_in_the_background_while_a_caller_waits(service):
    """However much waits in the background, and for however long."""
    for number in range(20):
        service.ask(number, number + 1)
        service.engine.step()
        service.ask(f"another {number}", number + 101)  # comes before there is time for more
    service.run()

    assert [PRIMARY] * 21 == service.versions()[:21]
    assert {SHADOW} == set(service.versions()[21:])
    assert {"agreed": 40} == service.counts


def test_a_burst_waits_for_no_more_than_the_background_batch_in_progress(service):
    """And that one takes at most twice as long as the shortest, however much waits."""
    for number in range(CAPACITY // 8):
        service.ask(number, *range(1, 9))
        service.engine.step()
    service.computed.clear()
    arriving = [f"burst {number}" for number in range(32)]

    def arrive():
        while arriving:
            assert service.ask(arriving.pop(), 9) is None

    service.shadow.before = arrive
    service.run()

    assert [SHADOW, *[PRIMARY] * 4, SHADOW] == service.versions()[:6]
    assert {4} == {len(marks) for version, marks in service.computed if version == SHADOW}


def test_a_steady_stream_of_callers_hardly_meets_the_background(service):
    """It has so little of the time that at most one caller in two hundred comes into its way."""
    service.primary.before = lambda: service.clock.tick(0.001)
    service.shadow.before = lambda: service.clock.tick(0.001)
    for number in range(1000):
        service.ask(number, 1)
        service.run()

    at_work = service.versions().count(SHADOW)
    service.clock.tick(1)
    service.run()
    assert 5 == at_work
    assert 1000 == sum(service.counts.values())


def test_the_shadows_time_is_no_reason_to_refuse(service):
    """However long it takes, a deadline that the primary meets is met."""
    service.primary.before = lambda: service.clock.tick(0.001)
    service.shadow.before = lambda: service.clock.tick(60)
    for number in range(50):
        service.ask(number, 1)
        service.run()

    assert service.ask("hurried", 1, deadline=service.clock.now + 0.1) is None
    assert [] == [event for event in service.observer.events if event[0] == "dropped"]


def test_a_full_background_is_no_reason_to_refuse(service):
    """It takes no room of the callers', who may fill the whole queue, and is bounded itself."""
    for number in range(CAPACITY + 10):
        service.ask(number, 1)
        service.engine.step()
        assert service.ask(f"another {number}", 2) is None
    service.engine.step()
    assert CAPACITY == service.queue.waiting_in_background

    for number in range(CAPACITY):
        assert service.ask(f"late {number}", 3) is None
    service.run()

    asked = 2 * (CAPACITY + 10) + CAPACITY
    assert asked == len(service.delivered)
    assert {"agreed": CAPACITY, "skipped": asked - CAPACITY} == service.counts


def test_requests_are_counted_as_without_a_shadow(service):
    """What runs again is no request, and no image that anybody asked about."""
    service.ask("a", 1, 2, 3)
    service.run()

    assert [("waited", 0.0), ("predicted", 3)] == service.observer.events


def test_a_failing_shadow_harms_nothing(service):
    """It is counted; callers get their answers, and nothing is counted as dropped."""
    service.shadow.poison = 2
    for mark in (1, 2, 3):
        service.ask(mark, mark)
    service.run()

    assert {1, 2, 3} == {origin for origin, _ in service.delivered}
    assert {"agreed": 2, "failed": 1} == service.counts
    assert {"waited", "predicted"} == {event[0] for event in service.observer.events}


def test_a_request_that_fails_is_not_run_again(service, caplog):
    """There is no answer to compare with, and that is no trouble."""
    service.primary.poison = 2
    service.ask("a", 2)
    service.run()

    assert {PRIMARY} == set(service.versions())
    assert ["shapes version 1 failed on a request"] == caplog.messages
    assert {} == service.counts


def test_the_shadow_may_change_while_work_is_under_way(service):
    """Every image that was to run again is counted once, as what became of it."""
    for number in range(6):
        service.ask(number, 1)
        service.engine.step()
        service.ask(f"another {number}", 1)
    service.engine.step()
    service.engine.step()  # four of the twelve
    service.serve(NEXT, default=False)
    service.shadowing.configure("shapes", NEXT, 100)
    service.ask("new", 1)
    service.run()

    assert {"agreed": 5, "skipped": 8} == service.counts


def test_a_shadow_that_retires_goes_when_its_work_is_done(service):
    """No work in the background keeps a version for ever, and no answer is lost."""
    retired: list[int] = []
    service.engine.on_retired = lambda _model, version: retired.append(version)
    service.ask("a", 1)
    service.engine.step()
    service.engine.retire("shapes", SHADOW)
    too_soon = list(retired)
    service.ask("b", 1)
    service.run()
    service.ask("c", 1)
    service.run()

    assert ([], [SHADOW]) == (too_soon, retired)
    assert {"agreed": 1, "skipped": 2} == service.counts


def test_what_runs_again_keeps_no_version_in_memory(service):
    """The primary may retire while its answers wait to be compared."""
    retired: list[int] = []
    service.engine.on_retired = lambda _model, version: retired.append(version)
    service.ask("a", 1)
    service.engine.step()
    service.serve(NEXT)
    service.engine.retire("shapes", PRIMARY)
    at_once = list(retired)
    service.run()

    assert [PRIMARY] == at_once
    assert {"agreed": 1} == service.counts


def test_many_threads_lose_no_count(service):
    """With two further streams and the shadow reconfigured throughout, every draw has its end."""
    service.shadow.other = {2}
    draws: list[int] = []

    def submit(model, version, images, origin) -> bool:
        draws.append(len(images))
        return service.engine.submit_to_background(model, version, images, origin)

    service.shadowing = Shadowing(
        submit, service.engine.loaded, service.shadowing._observer, chance=service.chance
    )
    service.engine.on_answered = service.shadowing.answered
    streams = [threading.Thread(target=service.engine.run) for _ in range(2)]
    for stream in streams:
        stream.start()
    asked = 0
    for number in range(300):
        service.shadowing.configure("shapes", SHADOW, 50 if number % 2 else 60)
        for part in range(3):
            asked += service.ask((number, part), *range(1, 1 + number % 8 + part)) is None
        service.engine.step()
    service.run()
    service.engine.stop()
    for stream in streams:
        stream.join(SAFETY_S)
    service.run()

    assert asked == len(service.delivered)
    assert all(isinstance(answer, Answer) for _, answer in service.delivered)
    assert sum(draws) == sum(service.counts.values())
