"""Shadow traffic: what is sampled, what is compared, and that no caller notices."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from app.host.batching.jobs import BatchKey, Job
from app.host.shadow.metrics import ShadowMetrics
from app.host.shadow.shadow import Shadowing
from app.ipc.frames import Answer, Refusal, Refused
from imaging.preparation import Preparation
from tests.loaded_versions import loaded_version

if TYPE_CHECKING:
    from app.host.batching.loaded_version import LoadedVersion
    from app.host.batching.reply import BackgroundTask

SHAPE = (2, 2, 1)
CLASSES = ("circle", "square", "star")
ANSWERED, SHADOW = 1, 2
SURE = {"circle": [0.9, 0.1, 0.0], "square": [0.1, 0.9, 0.0], "star": [0.0, 0.1, 0.9]}


class Host:
    """Shadowing with fakes around it: a background with some room, and versions in memory."""

    def __init__(self, registry) -> None:
        self.registry = registry
        self.versions = {number: loaded(number) for number in (ANSWERED, SHADOW)}
        self.room = 1000
        self.submitted: list[tuple[str, int, int]] = []
        self.errands: list[BackgroundTask] = []
        self.chance = lambda: 0.0
        self.shadowing = Shadowing(
            self._submit,
            lambda _model, version: self.versions.get(version),
            ShadowMetrics(registry),
            chance=self._roll,
        )

    def answer(self, *rows, version: int = ANSWERED, model: str = "shapes", seconds=0.25) -> None:
        """Answer a request, of one image if nothing else is said, with these probabilities."""
        answer = result(*rows or [SURE["star"]], version=version, seconds=seconds)
        images = np.zeros((len(answer.probabilities), *SHAPE), np.uint8)
        self.shadowing.answered(Job(images, BatchKey(model, version), 0.0, 1.0, "caller"), answer)

    def settle(self, outcome) -> None:
        """Let this be the outcome of what was submitted first of all that has none."""
        self.errands.pop(0).answered(outcome)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"glyph_shadow_{name}", {"model": "shapes"} | labels)

    @property
    def counts(self) -> dict[str, float]:
        """What is counted, where it is not nothing."""
        outcomes = ("agreed", "disagreed", "failed", "skipped")
        counts = {name: self.value("images_total", outcome=name) for name in outcomes}
        return {name: count for name, count in counts.items() if count}

    def _submit(self, model, version, images, reply_to) -> bool:
        if len(images) > self.room:
            return False
        self.submitted.append((model, version, len(images)))
        self.errands.append(reply_to.receiver)
        return True

    def _roll(self) -> float:
        return self.chance()


def loaded(version: int, **changes) -> LoadedVersion:
    """Make a version in memory that nobody computes with."""
    facts = {"classes": CLASSES, "shape": SHAPE} | changes
    return loaded_version("shapes", version, None, None, **facts)


@pytest.fixture
def host(registry) -> Host:
    return Host(registry)


def result(*rows, version: int = SHADOW, seconds: float = 0.5) -> Answer:
    """Make the answer of a version."""
    return Answer(version, 0.0, seconds, np.array(rows, np.float32))


FAILED = Refused(Refusal.FAILED, 0.0, "the model failed on this request")


def test_nothing_runs_again_by_default(host):
    """Shadow traffic is there for whoever asks for it."""
    host.answer()

    assert [] == host.submitted


def test_an_answered_request_runs_again_on_the_shadow(host):
    """All its images, as one piece of work."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer(SURE["star"], SURE["circle"])

    assert [("shapes", SHADOW, 2)] == host.submitted


def test_other_models_are_left_alone(host):
    """A shadow is one model's."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer(model="letters")

    assert [] == host.submitted


def test_what_the_shadow_answered_is_not_compared_with_itself(host):
    """Such as requests that asked for that version."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer(version=SHADOW)

    assert ([], {}) == (host.submitted, host.counts)


def test_only_answers_of_the_primary_are_compared(host):
    """Not those of a canary, or of a version that was asked for by its number."""
    host.versions[3] = loaded(3)
    host.shadowing.configure("shapes", SHADOW, 100, primary=ANSWERED)
    host.answer(version=3)
    others = list(host.submitted)
    host.answer()

    assert ([], [("shapes", SHADOW, 1)]) == (others, host.submitted)


@pytest.mark.parametrize("percent", [0.5, 10, 50, 99.5])
def test_the_share_is_sampled(host, percent):
    """Each request is drawn by itself, so that the share is met within its binomial bounds."""
    host.chance = random.Random(7).random  # noqa: S311 - nothing is secret
    host.shadowing.configure("shapes", SHADOW, percent)
    requests, share = 4000, percent / 100
    for _ in range(requests):
        host.answer()
        while host.errands:
            host.settle(FAILED)

    deviation = (requests * share * (1 - share)) ** 0.5
    assert abs(len(host.submitted) - requests * share) < 3 * deviation


def test_the_sample_is_what_the_source_of_chance_says(host):
    """A number below the share means that the request runs again."""
    numbers = [0.3, 0.1, 0.25, 0.2499, 0.0, 0.99]
    host.chance = lambda: numbers.pop(0)
    host.shadowing.configure("shapes", SHADOW, 25)
    for images in range(1, 7):
        host.answer(*[SURE["star"]] * images)

    assert [2, 4, 5] == [images for _, _, images in host.submitted]


def test_a_hundred_percent_is_every_request(host):
    """Even if the source gives the greatest number that it can."""
    host.chance = lambda: np.nextafter(1, 0)
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer()

    assert 1 == len(host.submitted)


def test_agreement_is_counted_by_image(host):
    """The most probable class is the same or not, however probable it is."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer(SURE["circle"], SURE["square"], SURE["star"])
    host.settle(result([0.4, 0.3, 0.3], SURE["circle"], SURE["star"]))

    assert {"agreed": 2, "disagreed": 1} == host.counts


def test_differences_are_observed_by_image(host):
    """Of each image the largest over its classes."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer([0.5, 0.5, 0], [0.75, 0.25, 0])
    host.settle(result([0.5, 0.25, 0.25], [0.75, 0.25, 0]))

    assert (2, 0.25) == (
        host.value("probability_difference_count"),
        host.value("probability_difference_sum"),
    )
    assert 1 == host.value("probability_difference_bucket", le="0.1")


def test_the_runtimes_of_both_are_observed(host):
    """Side by side, so that a slow version is seen before it serves."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer(seconds=0.25)
    host.settle(result(SURE["star"], seconds=0.75))

    assert (0.25, 0.75) == (
        host.value("inference_seconds_sum", side="primary"),
        host.value("inference_seconds_sum", side="shadow"),
    )


def test_classes_are_compared_by_name(host):
    """Versions may list them in another order, and need not have the same ones."""
    host.versions[SHADOW] = loaded(SHADOW, classes=("star", "moon", "circle"))
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer([0.9, 0.1, 0.0], [0.0, 0.2, 0.8], [0.0, 0.5, 0.5])
    host.settle(result([0.0, 0.1, 0.9], [0.25, 0.75, 0.0], [0.5, 0.5, 0.0]))

    assert {"agreed": 1, "disagreed": 2} == host.counts
    expected = 0.1 + 0.75 + 0.5  # the second's moon, the third's square
    assert expected == pytest.approx(host.value("probability_difference_sum"))


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_no_number_is_a_disagreement(host, odd):
    """It is as far off as can be, and the sums stay numbers."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer(SURE["circle"], [odd, 0.0, 0.0])
    host.settle(result([odd, 0.0, 0.0], [odd, 0.0, 0.0]))

    assert {"disagreed": 2} == host.counts
    assert 2.0 == host.value("probability_difference_sum")


def test_a_failing_shadow_is_counted(host):
    """With all the images that it was asked about."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer(SURE["circle"], SURE["star"])
    host.settle(FAILED)

    assert {"failed": 2} == host.counts
    assert host.value("probability_difference_count") is None


def test_what_the_background_has_no_room_for_is_skipped(host):
    """The request was answered, and that is all."""
    host.room = 1
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer(SURE["circle"], SURE["star"])
    host.answer()

    assert ([("shapes", SHADOW, 1)], {"skipped": 2}) == (host.submitted, host.counts)


def test_only_so_many_images_are_under_way(host):
    """What has an end, whichever it is, makes room; without room requests are skipped."""
    host.shadowing.configure("shapes", SHADOW, 100)
    for _ in range(5):
        host.answer(*[SURE["star"]] * 100)
    host.settle(result(*[SURE["star"]] * 100))
    host.settle(FAILED)
    for _ in range(3):
        host.answer(*[SURE["star"]] * 128)

    assert [100, 100, 128, 128] == [images for _, _, images in host.submitted]
    assert {"agreed": 100, "failed": 100, "skipped": 428} == host.counts


def test_a_large_request_runs_again_when_nothing_else_is(host):
    """Else a service that is asked about many images at a time could have no shadow."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer(*[SURE["star"]] * 300)
    host.answer()

    assert [300] == [images for _, _, images in host.submitted]
    assert {"skipped": 1} == host.counts


def test_what_the_engine_does_not_take_is_not_under_way(host):
    """It leaves its room to the next."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.room = 0
    host.answer(*[SURE["star"]] * 256)
    host.room = 1000
    host.answer()

    assert [1] == [images for _, _, images in host.submitted]


@pytest.mark.parametrize("gone", [ANSWERED, SHADOW])
def test_what_has_no_version_any_more_is_skipped(host, gone):
    """A version may go between two looks at the store."""
    host.shadowing.configure("shapes", SHADOW, 100)
    del host.versions[gone]
    host.answer()

    assert ([], {"skipped": 1}) == (host.submitted, host.counts)


@pytest.mark.parametrize(
    "other",
    [{"shape": (3, 3, 1)}, {"preparation": Preparation("fit")}],
    ids=["size", "preparation"],
)
def test_a_shadow_that_takes_other_images_fails(host, other):
    """It is not asked about those that it has no input for, or that were not prepared for it."""
    host.versions[SHADOW] = loaded(SHADOW, **other)
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer()

    assert ([], {"failed": 1}) == (host.submitted, host.counts)


def test_every_count_begins_at_zero(host):
    """A first disagreement is then a rise, which an alert sees."""
    before = host.value("images_total", outcome="disagreed")
    host.shadowing.configure("shapes", SHADOW, 100)

    assert (None, 0) == (before, host.value("images_total", outcome="disagreed"))


@pytest.mark.parametrize("to", [None, 3])
def test_what_was_under_way_for_another_shadow_is_skipped(host, to):
    """Counts are of the version that shadows now."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer()
    host.answer()
    host.settle(result(SURE["star"]))
    host.shadowing.configure("shapes", to, 100)
    host.settle(result(SURE["circle"]))

    assert {"agreed": 1, "skipped": 1} == host.counts


def test_another_share_keeps_what_is_under_way(host):
    """The comparison is with the same version."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.answer()
    host.shadowing.configure("shapes", SHADOW, 1)
    host.settle(result(SURE["circle"]))

    assert {"disagreed": 1} == host.counts


def test_a_shadow_can_be_ended(host):
    """Nothing runs again after that; ending it twice does nothing."""
    host.shadowing.configure("shapes", SHADOW, 100)
    host.shadowing.configure("shapes", None)
    host.shadowing.configure("shapes", None)
    host.answer()

    assert [] == host.submitted


def test_changes_are_logged_once(host, caplog):
    """The watcher may repeat itself at every look."""
    caplog.set_level("INFO")
    for _ in range(2):
        host.shadowing.configure("shapes", SHADOW, 12.5)
    host.shadowing.configure("shapes", None)

    assert [
        "shapes version 2 shadows 12.5 % of the requests",
        "shadowing of shapes ended",
    ] == caplog.messages
