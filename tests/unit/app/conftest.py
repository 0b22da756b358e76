"""Named fakes that several modules share: a clock, a model, a runtime, a store, a channel."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from werkzeug.routing import Rule

from app.config.settings import Settings
from app.ipc.frames import Answer
from app.ipc.status import HostStatus, LoadedModel, ModelStatus, VersionStatus
from app.web.factory import create_app
from app.web.host_client.client import Prediction
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError, NotFoundError
from app.web.middleware.metrics import WebMetrics
from imaging.preparation import usual
from model_store import (
    Acceptance,
    Dataset,
    Description,
    Golden,
    InputSpec,
    Metrics,
    ModelStore,
    OutputSpec,
)

if TYPE_CHECKING:
    from pathlib import Path

    from app.ipc.statistics import VersionStatistics

CLASSES = ("circle", "square", "star")
SHAPE = (2, 2, 1)


class FakeClock:
    """Monotonic seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


class FakeModel:
    """Returns every image's first pixel as the probability of the first class.

    So a test sees by the answer which image was asked about. A model told to be poisoned raises
    when a batch holds that pixel.
    """

    runtime = "fake"
    precision = "f32"

    def __init__(self, *, classes: int = len(CLASSES), error: float = 0.0) -> None:
        self.classes = classes
        self.error = error
        self.sizes: list[int] = []
        self.poison: int | None = None
        self.batches: list[list[int]] = []
        self.before = lambda: None

    def prepare(self, sizes):
        self.sizes = list(sizes)

    def predict(self, parts):
        self.before()
        images = np.concatenate(parts)
        marks = images[:, 0, 0, 0]
        self.batches.append(marks.tolist())
        if self.poison in marks:
            raise ValueError("poisonous")
        probabilities = np.zeros((len(images), self.classes), np.float32)
        probabilities[:, 0] = marks + self.error
        return probabilities


class FakeRuntime:
    """Loads every version as a right model, unless told otherwise."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alternative = None
        self.tried: list[int] = []
        self.failures: dict[int, Exception] = {}
        self.errors: dict[int, float] = {}

    def load(self, version: Path) -> FakeModel:
        number = int(version.name)
        self.tried.append(number)
        if number in self.failures:
            raise self.failures[number]
        return FakeModel(error=self.errors.get(number, 0.0))


class Publisher:
    """Publishes versions whose files are made up, but listed and golden as real ones are."""

    def __init__(self, root: Path) -> None:
        self.store = ModelStore(root, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def publish(
        self,
        *,
        model: str = "shapes",
        shape: tuple[int, int, int] = SHAPE,
        graph: bytes = b"a graph",
        parameters: int = 1,
    ) -> int:
        with self.store.draft(model) as draft:
            (draft.path / "saved_model.pb").write_bytes(graph)
            images = np.arange(1, 6, dtype=np.uint8).repeat(4).reshape(5, *SHAPE)
            Golden(
                images=images, probabilities=FakeModel().predict([images]), tolerance=0.01
            ).write(draft.path)
            return draft.commit(description(shape, parameters))

    def damage(self, version: int) -> Path:
        """Change a byte of a version; gives the file."""
        return self._rewrite(version, b"a grapH")

    def mend(self, version: int) -> None:
        self._rewrite(version, b"a graph")

    def _rewrite(self, version: int, content: bytes) -> Path:
        """Change a file, and its time even on a file system with a coarse clock."""
        path = self.store.path("shapes", version) / "saved_model.pb"
        changed_ns = path.stat().st_mtime_ns + 10**9
        path.write_bytes(content)
        os.utime(path, ns=(changed_ns, changed_ns))
        return path


def description(shape: tuple[int, int, int], parameters: int) -> Description:
    """Return the description of a made-up version."""
    return Description(
        classes=CLASSES,
        input=InputSpec(name="images", dtype="uint8", shape=shape),
        output=OutputSpec(name="probabilities", dtype="float32", shape=(len(CLASSES),)),
        recipe="fake",
        parameters={},
        seed=0,
        dataset=Dataset(
            name="shapes", train_images=9, validation_images=3, test_images=5, digests={}
        ),
        metrics=Metrics(
            accuracy=0.8,
            correct=4,
            total=5,
            interval_95=(0.376, 0.964),
            loss=0.5,
            per_class_recall=dict.fromkeys(CLASSES, 0.8),
        ),
        parameter_count=parameters,
        duration_s=1.0,
        code_revision=None,
        versions={},
        acceptance=Acceptance(rule="always", parent=None, parent_accuracy=None),
    )


class FakeChannel:
    """A host that answers at once: half a second in the queue, a quarter in the model.

    An image gets 0.75 for the class that its first pixel numbers. With an error set, everything
    that needs the host ends in it. Versions that serve at first and are gone when the request comes
    can be named.
    """

    def __init__(self) -> None:
        self.status = HostStatus.of(
            ModelStatus(name="shapes", ready=True, reason=None, versions=(serving(3),), default=3)
        )
        self.error: Exception | None = None
        self.asked: list[tuple[int, bytes, float]] = []
        self.routed: list[tuple[str | None, int, bool]] = []
        self.waits: list[float] = []
        self.held: list[int] = []
        self.gone: set[int] = set()
        self.orders: list[tuple[dict, float]] = []
        self.outcome: dict = {"ok": True, "error": None, "change": {"generation": 7}}
        self.told: list[VersionStatistics] = []
        self.examples = {SHAPE: bytes([2, 0, 255, 7]), (1, 3, 1): b"\1\0\5"}

    def model(self, name: str | None = None) -> ModelStatus:
        found = next((m for m in self.status.models if name in (None, m.name)), None)
        if found is None:
            raise NotFoundError(f"no model {name}")
        return found

    def serving(
        self, deadline: float, size: int = 0, *, model: str | None = None, version: int = 0
    ) -> LoadedModel:
        self.waits.append(deadline)
        self.held.append(size)
        self._fail()
        of_model = self.model(model)
        found = of_model.version(version) if version else of_model.serving
        if found is None or found.state != "serving":
            raise NotFoundError(f"no version {version}", code=ErrorCode.VERSION_NOT_FOUND)
        return found.loaded

    def predict(
        self,
        rows: int,
        pixels: bytes,
        deadline: float,
        *,
        model: str | None = None,
        version: int = 0,
        or_default: bool = False,
    ) -> Prediction:
        self.asked.append((rows, pixels, deadline))
        self.routed.append((model, version, or_default))
        self._fail()
        if version in self.gone:
            if not or_default:
                raise NotFoundError(f"version {version} is gone", code=ErrorCode.VERSION_NOT_FOUND)
            version = 0
        images = np.frombuffer(pixels, np.uint8).reshape(rows, -1)
        probabilities = np.full((rows, len(CLASSES)), 0.125, np.float32)
        probabilities[np.arange(rows), images[:, 0]] = 0.75
        answered = version or self.model(model).default
        return Prediction(Answer(answered, 0.5, 0.25, probabilities), CLASSES)

    def admin(self, request: dict, deadline: float) -> dict:
        self.orders.append((request, deadline))
        self._fail()
        return self.outcome

    def metrics(self, deadline: float) -> bytes:
        self.waits.append(deadline)
        self._fail()
        return b"glyph_queue_images 0.0\n"

    def example(self, deadline: float, *, model: str | None = None) -> np.ndarray:  # noqa: ARG002
        self._fail()
        shape = self.model(model).serving.loaded.input_shape
        return np.frombuffer(self.examples[shape], np.uint8).reshape(shape)

    def statistics(self, deadline: float) -> list[VersionStatistics]:
        self.waits.append(deadline)
        self._fail()
        return self.told

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


class FakeReader:
    """Reads a file that ends in a digit as an image that starts with it; every one was inverted."""

    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def read(self, pictures, shape, prepare, deadline, name):
        self.asked.append((pictures, shape, prepare, deadline))
        pixels = b""
        for index, picture in enumerate(pictures):
            if isinstance(picture, bytes) and picture == b"broken":
                found = f"{name(index)}: " if name else ""
                raise BadInputError(
                    f"{found}the picture is broken", code=ErrorCode.IMAGE_UNREADABLE
                )
            first = int(picture[-1:] if isinstance(picture, bytes) else picture.flat[0])
            pixels += bytes([first]).ljust(math.prod(shape), b"\0")
        return len(pictures), pixels, [("inverted",)] * len(pictures)


def serving(version: int, **changes) -> VersionStatus:
    """Describe a version that serves."""
    known = {
        "runtime": "openvino",
        "precision": "bf16",
        "digest": "ab" * 32,
        "passed_over": ("openvino f32: it is slow",),
        "batch_limit": 2,
        "batch_seconds": {"1": 0.25, "2": 0.375, "4": 0.75},
        "accuracy": 0.9876,
        "classes": CLASSES,
        "input_shape": SHAPE,
    }
    known |= changes
    known.setdefault("preparation", usual(known["input_shape"][2]))
    return VersionStatus(version=version, state="serving", loaded=LoadedModel(**known))


@pytest.fixture(autouse=True, scope="session")
def routes_compiled_once():
    """Compile what builds a route's URLs once, not for each test's application.

    That is most of what an application takes to be created, and the same for the same route.
    """
    compiled = {}
    compile_builder = Rule._compile_builder

    def compile_once(rule, *kind):
        key = (rule.rule, rule.subdomain, rule.host, repr(rule.defaults), *kind)
        if key not in compiled:
            compiled[key] = compile_builder(rule, *kind)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_once)
        yield


@pytest.fixture(autouse=True)
def short_boundaries(monkeypatch):
    """Have forms bounded as RFC 2046 allows: what werkzeug's client makes up may be too long."""
    monkeypatch.setattr("werkzeug.test.random", lambda: 0.5)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Keep the settings of whoever runs the tests out of them."""
    for name in list(os.environ):
        if name.startswith(("GLYPH_", "PROMETHEUS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make_model() -> type[FakeModel]:
    return FakeModel


@pytest.fixture
def make_runtime() -> type[FakeRuntime]:
    return FakeRuntime


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "models")


@pytest.fixture
def channel() -> FakeChannel:
    return FakeChannel()


@pytest.fixture(scope="session")
def describe_serving():
    """Return the function that describes a version that serves."""
    return serving


@pytest.fixture
def two_models(channel) -> None:
    """Let `shapes` have a version of each state, and a model of another shape stand beside it."""
    shapes = ModelStatus(
        name="shapes",
        ready=True,
        reason=None,
        default=3,
        versions=(
            VersionStatus(version=6, state="loading"),
            VersionStatus(version=5, state="refused", reason="golden image 2: NaN"),
            serving(4),
            serving(3),
            VersionStatus(version=2, state="retiring", loaded=serving(2).loaded),
        ),
        labels={"stable": 3, "canary": 4},
        pinned=3,
        policy="latest:2",
    )
    wide = ModelStatus(
        name="wide",
        ready=True,
        reason=None,
        default=1,
        versions=(serving(1, input_shape=(1, 3, 1)),),
    )
    empty = ModelStatus(name="empty", ready=False, unloaded=True, reason="it is unloaded")
    channel.status = HostStatus.of(shapes, wide, empty)


@pytest.fixture
def refused(channel):
    """Let no version serve, and one be refused."""
    version = VersionStatus(version=4, state="refused", reason="saved_model.pb: <is missing>")
    channel.status = HostStatus.of(
        ModelStatus(
            name="shapes", ready=False, reason="every version was refused", versions=(version,)
        )
    )


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@pytest.fixture
def make_app(channel, registry, clock, reader):
    """Return a function that builds the application with some settings changed."""
    metrics = WebMetrics(registry)
    return lambda **settings: create_app(Settings(**settings), channel, metrics, clock, reader)


@pytest.fixture
def client(make_app):
    return make_app(max_images=4, max_body_bytes=1024).test_client()
