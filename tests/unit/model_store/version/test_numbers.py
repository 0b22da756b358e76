"""What is published is listed: one side writes no number or name that the other cannot read."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_store import (
    CorruptVersionError,
    InvalidDocumentError,
    ModelStore,
    StoreError,
    open_store,
)
from model_store.base.errors import VersionLimitError
from model_store.base.json_documents import MAX_DOCUMENT_BYTES, dump, write_document
from model_store.control.document import MAX_GENERATION, Change
from model_store.control.labels import Labels
from model_store.operations import operations
from model_store.version.numbers import MAX_VERSION, next_version, parse_version
from tests.unit.model_store.conftest import Publisher

_NAMES = st.one_of(
    st.integers(0, 10**21).map(str),
    st.sampled_from([10**18 - 2, 10**18 - 1, 10**18, 2**63 - 1, 2**63, 2**64]).map(str),
    st.text("0123456789", min_size=1, max_size=22),
    st.text("\u0660\u0661\u0969\uff11_+- \u00b2", min_size=1, max_size=4),
    st.sampled_from(["1e3", "0x1", "1_0", "+1", "-1", "1 ", "\u2460", "v1", "1.0"]),
)
"""Of folders that strangers put beside the versions."""


def _stores(directory: Path):
    yield ModelStore(directory / "models")
    pytest.importorskip("fsspec")
    yield open_store(f"memory://{directory.name}/models", directory / "cache")


def _put(store, name: str) -> None:
    if isinstance(store, ModelStore):
        (store.root / "mnist" / name).mkdir(parents=True, exist_ok=True)
        (store.root / "mnist" / name / "saved_model.pb").write_bytes(b"")
    else:
        store._objects.put(f"mnist/{name}/saved_model.pb", b"")


@settings(max_examples=40, deadline=None)
@given(st.lists(_NAMES, max_size=4))
def test_what_is_published_is_listed(strangers):
    """On every store, whatever lies there; or it is refused, and nothing is left."""
    directory = Path(tempfile.mkdtemp())
    try:
        for store in _stores(directory):
            for name in strangers:
                _put(store, name)
            try:
                number = Publisher(store)()
            except VersionLimitError:
                assert MAX_VERSION in store.unfinished("mnist")
                assert [] == store.versions("mnist")
            else:
                assert [number] == store.versions("mnist")
                assert number == store.metadata("mnist", number).version
                assert number > max(store.unfinished("mnist"), default=0)
    finally:
        shutil.rmtree(directory)


@pytest.mark.parametrize(
    ("name", "number"),
    [("1", 1), ("999999999999999999", MAX_VERSION), ("1000000000000000000", None), ("0", None)]
    + [(name, None) for name in ("01", "", "-1", "1_0", "\u0661", "\uff11", "1\n", " 1")],
)
def test_a_number_has_one_name(name, number):
    """Other digits, signs and leading zeros are no names of numbers."""
    assert number == parse_version(name)


def test_after_the_greatest_number_there_is_none():
    """The sentence says what to do."""
    with pytest.raises(VersionLimitError, match="mnist has a version 999999999999999999, and no"):
        next_version("mnist", [3, MAX_VERSION])


def _write_generation(store, number: int, content: int) -> None:
    change = operations.unload(store, "mnist", by="ann").model_copy(update={"generation": content})
    directory = store.root / "mnist" / "control"
    write_document(directory / f"{number:08d}.json", change)


def test_after_the_last_generation_there_is_none(store, publish):
    """A name of nine digits would never be read."""
    publish()
    _write_generation(store, MAX_GENERATION, MAX_GENERATION)

    with pytest.raises(StoreError, match="load is not possible: the model has had 99999999 change"):
        operations.load(store, "mnist", by="ann")


def test_a_generation_lies_under_its_own_name(store, publish):
    """Else the next change would find its number taken for ever."""
    publish()
    _write_generation(store, 5, 3)

    with pytest.raises(InvalidDocumentError, match=r"05\.json: field generation: must be 5, as"):
        store.control("mnist")


def test_no_document_is_written_that_is_too_long_to_be_read():
    """It would be refused by every reader."""
    labels = Labels({f"label-{number:058d}": number for number in range(70_000)})

    with pytest.raises(StoreError, match=f"at most {MAX_DOCUMENT_BYTES} are read"):
        dump(labels)


def test_no_document_is_written_that_is_not_unicode(store, publish):
    """JSON may bring half a character, which no file can hold."""
    publish()

    with pytest.raises(StoreError, match="the change holds a character that is no Unicode"):
        operations.unload(store, "mnist", by="ann", reason="\ud800")
    assert [] == store.history("mnist")


def test_a_file_whose_name_cannot_be_listed_is_not_published(store, publish):
    """A manifest is JSON, and JSON is Unicode."""
    with store.draft("mnist") as draft:
        publish.fill(draft.path)
        name = os.fsencode(draft.path) + b"/\xff.bin"
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
        with pytest.raises(CorruptVersionError, match=r"udcff\.bin'.*: cannot be listed"):
            draft.commit(publish.description)

    assert [] == store.versions("mnist")


def test_a_change_reads_back_as_it_was_written(store, publish):
    """With what a person may write into it."""
    publish()
    reason = "\u2028 \U0001f600 \x00 \u0661"
    change = operations.unload(store, "mnist", by="ann", reason=reason)

    assert [change] == store.history("mnist")
    assert reason == Change.model_validate(json.loads(dump(change))).reason
