"""Two versions of a model side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from model_store.base.errors import StoreError
from model_store.base.json_documents import Document, flatten
from model_store.version.golden import Golden

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model_store.stores.protocol import Store

SECTIONS = (
    "metrics",
    "size",
    "parameter_count",
    "duration_s",
    "recipe",
    "parameters",
    "seed",
    "dataset",
    "classes",
    "input",
    "output",
    "versions",
    "code_revision",
    "acceptance",
)
"""What is compared, in the order of interest."""
_MODEL = ("saved_model.pb", "variables/", "assets/")


class Difference(Document):
    """A field that is not the same in both."""

    field: str
    a: Any
    b: Any
    change: float | None
    """From a to b, where both are numbers."""


class GoldenComparison(Document):
    """The answers of both versions to the golden images that both have."""

    shared: int
    """Images that are the same to the byte."""
    agreeing: int
    """Of these, the images that both take for the same class."""
    largest_difference: float | None
    """Of any probability of a class that both know; None where nothing is shared."""


class Comparison(Document):
    """What differs between two versions."""

    versions: tuple[int, int]
    differences: tuple[Difference, ...]
    same: tuple[str, ...]
    """Sections in which nothing differs."""
    golden: GoldenComparison | str
    """The text says why the answers cannot be compared."""


def compare(store: Store, model: str, a: int, b: int) -> Comparison:
    """Compare two versions of a model.

    Raises:
        StoreError: If one is not there, or its metadata cannot be read.
    """
    facts_a, facts_b = _facts(store, model, a), _facts(store, model, b)
    differences = {s: tuple(_differences(s, facts_a[s], facts_b[s])) for s in SECTIONS}
    try:
        golden: GoldenComparison | str = compare_golden(
            Golden.read(store.fetch(model, a)),
            Golden.read(store.fetch(model, b)),
            facts_a["classes"],
            facts_b["classes"],
        )
    except StoreError as exc:
        golden = str(exc)
    return Comparison(
        versions=(a, b),
        differences=tuple(found for section in differences.values() for found in section),
        same=tuple(section for section, found in differences.items() if not found),
        golden=golden,
    )


def compare_golden(
    a: Golden, b: Golden, classes_a: Sequence[str], classes_b: Sequence[str]
) -> GoldenComparison:
    """Compare the golden answers of two versions, class by class name.

    Args:
        a: Golden images and answers of one.
        b: And of the other.
        classes_a: Names of the columns of `a.probabilities`.
        classes_b: Names of the columns of `b.probabilities`.
    """
    if a.images.shape[1:] != b.images.shape[1:]:
        return GoldenComparison(shared=0, agreeing=0, largest_difference=None)
    places = {image.tobytes(): index for index, image in enumerate(b.images)}
    pairs = [(i, places.get(image.tobytes())) for i, image in enumerate(a.images)]
    answers = [(a.probabilities[i], b.probabilities[j]) for i, j in pairs if j is not None]
    common = [name for name in classes_a if name in classes_b]
    columns_a = [classes_a.index(name) for name in common]
    columns_b = [classes_b.index(name) for name in common]
    agreeing = sum(classes_a[p.argmax()] == classes_b[q.argmax()] for p, q in answers)
    gaps = [np.abs(p[columns_a] - q[columns_b]).max(initial=0) for p, q in answers]
    largest = float(max(gaps)) if gaps else None
    return GoldenComparison(shared=len(answers), agreeing=agreeing, largest_difference=largest)


def _facts(store: Store, model: str, version: int) -> dict[str, Any]:
    facts = store.metadata(model, version).model_dump(mode="json")
    files = store.manifest(model, version).files
    facts["size"] = {
        "model_bytes": sum(f.size for f in files if f.path.startswith(_MODEL)),
        "all_bytes": sum(f.size for f in files),
    }
    return facts


def _differences(section: str, a: object, b: object) -> Iterator[Difference]:
    fields_a, fields_b = dict(flatten(a, section)), dict(flatten(b, section))
    for field in dict.fromkeys([*fields_a, *fields_b]):
        left, right = fields_a.get(field), fields_b.get(field)
        if left != right:
            yield Difference(field=field, a=left, b=right, change=_change(left, right))


def _change(a: object, b: object) -> float | None:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return b - a
    return None
