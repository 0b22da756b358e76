"""Pictures are prepared as the version that answers was trained."""

from __future__ import annotations

import pytest

from app.ipc.status import CanaryStatus, HostStatus, ModelStatus
from app.web.http.errors import NotReadyError
from app.web.inputs.images import Images
from app.web.prediction.canary import Traffic
from app.web.prediction.predictor import ModelRef, Predictor
from imaging.preparation import Preparation

pytestmark = pytest.mark.unit

FIT, INVERTED = Preparation("fit"), Preparation("fit", invert=True)
DEFAULT, LABEL = ModelRef(), ModelRef(label="next")


class Caller:
    """Sends a picture, or pixels, whatever version answers."""

    def __init__(self, channel, draw: float = 1.0) -> None:
        self._channel = channel
        self._predictor = Predictor(channel, Traffic(draw=lambda: draw))
        self.prepared: list[Preparation] = []
        """For which versions the images were read."""

    def __call__(self, model_ref: ModelRef = DEFAULT, *, pictures: bool = True):
        """Ask once; return the version that answered, and how it was asked."""

        def read(model) -> Images:
            self.prepared.append(model.preparation)
            return Images(1, bytes(4), [()] if pictures else None)

        *_, prediction = self._predictor.read_and_predict(model_ref, read, 200.0, {}, 4)
        return prediction.answer.version, [version for _, version, _ in self._channel.routed]


@pytest.fixture
def serve(channel, describe_serving):
    """Return a function that lets versions 3 and 4 serve, each with a preparation of its own."""

    def run(default: int = 3, four: Preparation = INVERTED, **more) -> None:
        versions = (describe_serving(4, preparation=four), describe_serving(3, preparation=FIT))
        channel.status = HostStatus.of(
            ModelStatus(
                name="shapes",
                ready=True,
                reason=None,
                versions=versions,
                default=default,
                labels={"next": 4},
                **more,
            )
        )

    run()
    return run


@pytest.fixture
def moving(channel, serve):
    """Return a function that makes version 4 the default once, or each time, a request is sent."""

    def run(*defaults: int, four: Preparation = INVERTED) -> None:
        left, predict = list(defaults), channel.predict

        def move(*args, **options):
            if left:
                serve(left.pop(0), four)
            return predict(*args, **options)

        channel.predict = move

    return run


def test_the_default_version_is_asked_for_pictures_too(channel, serve):  # noqa: ARG001
    ask = Caller(channel)
    assert (3, [0]) == ask()
    assert [FIT] == ask.prepared


def test_a_label_says_how_pictures_are_prepared(channel, serve):  # noqa: ARG001
    ask = Caller(channel)
    assert (4, [4]) == ask(LABEL)
    assert [INVERTED] == ask.prepared


@pytest.mark.parametrize(("draw", "version", "preparation"), [(0.0, 4, INVERTED), (0.9, 3, FIT)])
def test_the_canary_gets_what_it_was_trained_on(channel, serve, draw, version, preparation):
    """It is chosen before anything is prepared."""
    serve(canary=CanaryStatus(version=4, label="next", percent=50))
    ask = Caller(channel, draw)
    assert version == ask()[0]
    assert [preparation] == ask.prepared


def test_pictures_are_prepared_anew_for_a_new_default_version(channel, moving):
    """One that became it after the pictures were read."""
    moving(4)
    ask = Caller(channel)
    assert (4, [0, 4]) == ask()
    assert [FIT, INVERTED] == ask.prepared


def test_nothing_is_prepared_anew_that_would_be_the_same(channel, moving):
    """Pixels, and pictures for a version that prepares alike."""
    moving(4)
    ask = Caller(channel)
    assert (4, [0]) == ask(pictures=False)
    moving(3, 4, four=FIT)
    assert 3 == ask()[0]
    assert [FIT, INVERTED, FIT] == ask.prepared


def test_nobody_prepares_for_ever(channel, moving):
    """Where the version asked for is gone each time, another one answers."""
    channel.gone = {3, 4}
    moving(4, 3, 4, 3)
    with pytest.raises(NotReadyError, match="the version of shapes changes too often"):
        Caller(channel)()
    assert 3 == len(channel.routed)
