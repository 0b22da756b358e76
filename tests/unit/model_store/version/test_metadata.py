"""A broken metadata.json is refused with the file, the field and what was found."""

from __future__ import annotations

import json

import pytest

from model_store import InvalidDocumentError


@pytest.fixture
def path(store, publish):
    """Return the metadata.json of a complete version."""
    return store.path("mnist", publish()) / "metadata.json"


def refusal(store, path) -> tuple[str | None, str]:
    """Read it; give the field and the problem of the error, whose sentence must name the file."""
    with pytest.raises(InvalidDocumentError) as caught:
        store.metadata("mnist", 1)
    assert str(caught.value).startswith(f"{path}: ")
    return caught.value.field, caught.value.problem


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schema_version": 2}, ("schema_version", "Input should be 1 (found 2)")),
        ({"seed": "seven"}, ("seed", "Input should be a valid integer, unable to parse string")),
        ({"version": 0}, ("version", "Input should be greater than or equal to 1 (found 0)")),
        ({"created": "2026-06-01T12:00:00"}, ("created", "Input should have timezone info")),
        ({"classes": ["ring"]}, ("classes", "Tuple should have at least 2 items")),
        ({"colour": "red"}, ("colour", "Extra inputs are not permitted (found 'red')")),
        (
            {"input": {"name": "images", "dtype": "float32", "shape": [28, 28, 1]}},
            ("input.dtype", "Input should be 'uint8' (found 'float32')"),
        ),
        (
            {"input": {"name": "images", "dtype": "uint8", "shape": [28, 28]}},
            ("input.shape.2", "Field required"),
        ),
        (
            {"acceptance": {"rule": "none", "parent": 1, "parent_accuracy": 1.5}},
            (
                "acceptance.parent_accuracy",
                "Input should be less than or equal to 1 (found 1.5)",
            ),
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_named(store, path, change, expected):
    """Types, ranges, unknown fields and inner fields are checked."""
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    field, problem = refusal(store, path)

    assert expected == (field, problem[: len(expected[1])])


@pytest.mark.parametrize("field", ["schema_version", "model", "classes", "metrics", "seed"])
def test_a_missing_field_is_named(store, path, field):
    """Every field is required."""
    values = json.loads(path.read_text())
    del values[field]
    path.write_text(json.dumps(values))

    assert (field, "Field required") == refusal(store, path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "Invalid JSON: EOF while parsing"),
        (b'{"seed": 7', "Invalid JSON: EOF while parsing"),
        (b"\xff\xfe", "Invalid JSON: expected value"),
        (b"[" * 100_000, "Invalid JSON: recursion limit exceeded"),
        (b"[]", "Input should be an object"),
        (b"x" * (5 * 2**20), "cannot be read: it is 5242880 bytes long; at most 4194304 are read"),
    ],
    ids=["empty", "truncated", "no text", "deep", "a list", "huge"],
)
def test_what_is_no_object_is_refused(store, path, content, problem):
    """The document as a whole is at fault, not a field."""
    path.write_bytes(content)

    field, found = refusal(store, path)

    assert (None, problem) == (field, found[: len(problem)])


def test_a_missing_file_is_refused(store, path):
    """A version may lose its metadata after it was published."""
    path.unlink()

    assert (None, "cannot be read: No such file or directory") == refusal(store, path)
