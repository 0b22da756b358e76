"""What a version says about itself: the schema of metadata.json."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic needs it at run time
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from model_store.base.json_documents import Document, Sha256
from model_store.base.names import ModelName  # noqa: TC001 - pydantic needs it at run time
from model_store.version.numbers import MAX_VERSION

SCHEMA_VERSION = 1
METADATA = "metadata.json"

Share = Annotated[float, Field(ge=0, le=1)]


class InputSpec(Document):
    """The tensor that the signature takes; the batch dimension is left out."""

    name: str
    dtype: Literal["uint8"]
    shape: tuple[int, int, int]
    """Rows, columns, channels of one image."""


Byte = Annotated[int, Field(ge=0, le=255)]


class PreparationSpec(Document):
    """How pictures became the pixels that the version was trained on, and do when it serves."""

    kind: Literal["digit", "fit", "exact"]
    keep_exact: bool = False
    """A picture of the input's own size is taken pixel for pixel."""
    background: tuple[Byte, Byte, Byte] | None = None
    """Red, green and blue of what shows through, and beside a picture of another aspect."""
    keep_aspect: bool = True
    invert: bool = False


class OutputSpec(Document):
    """The tensor that the signature gives; the batch dimension is left out."""

    name: str
    dtype: Literal["float32"]
    shape: tuple[int]
    """Number of classes."""


class Dataset(Document):
    """The data that a version was fitted and measured with."""

    name: str
    train_images: int
    validation_images: int
    test_images: int
    digests: dict[str, Sha256]
    """Part of the data set (or its file) -> SHA-256 of its uncompressed bytes."""


class Metrics(Document):
    """Measured on the whole held-out test set."""

    accuracy: Share
    correct: int
    total: int
    interval_95: tuple[Share, Share]
    """Wilson's score interval of the accuracy."""
    loss: float
    """Mean cross-entropy in nats."""
    per_class_recall: dict[str, Share]
    """Of the classes that the test set has images of."""


class Acceptance(Document):
    """By which rule the version was let in, and what it was compared with."""

    rule: str
    parent: int | None
    parent_accuracy: Share | None


class Description(Document):
    """All that the publisher knows before the version has a number."""

    classes: tuple[str, ...] = Field(min_length=2)
    input: InputSpec
    preparation: PreparationSpec | None = None
    """None where it was trained on pixels."""
    output: OutputSpec
    recipe: str
    parameters: dict[str, Any]
    seed: int
    dataset: Dataset
    metrics: Metrics
    parameter_count: int
    duration_s: float
    code_revision: str | None
    versions: dict[str, str]
    """Software -> version: python, keras, tensorflow, ..."""
    acceptance: Acceptance


class Metadata(Description):
    """The whole of metadata.json."""

    schema_version: Literal[1]
    model: ModelName
    version: int = Field(ge=1, le=MAX_VERSION)
    created: AwareDatetime

    @classmethod
    def of(cls, description: Description, model: str, version: int, created: datetime) -> Metadata:
        """Complete a publisher's description with what the store decides."""
        return cls(
            schema_version=SCHEMA_VERSION,
            model=model,
            version=version,
            created=created,
            **dict(description),
        )
