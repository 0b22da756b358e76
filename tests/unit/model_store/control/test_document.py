"""The control document: every change is a generation, and none is lost."""

from __future__ import annotations

import errno
import json
import logging
import os
from pathlib import Path

import pytest

from model_store import (
    Change,
    Control,
    InvalidDocumentError,
    ModelStore,
    StoreError,
    VersionNotFoundError,
)
from model_store.control.document import ATTEMPTS, ContentionError, append
from model_store.operations.labels_and_traffic import label
from model_store.stores import directory_history

MODEL = "mnist"


class LosingLog:
    """A log in which somebody else is always faster."""

    def __init__(self) -> None:
        self.offered: list[int] = []

    def newest(self) -> Change | None:
        return None

    def create(self, change: Change) -> bool:
        self.offered.append(change.generation)
        return False


def labelling(name: str, version: int = 1):
    """Return an edit that sets a label."""
    return lambda control: control.model_copy(update={"labels": control.labels | {name: version}})


def directory(store) -> Path:
    return store.root / MODEL / "control"


def mirrored(store) -> dict[str, int]:
    return json.loads((store.root / MODEL / "labels.json").read_text())


def test_a_model_nobody_has_touched_has_the_defaults(store, publish):
    """Reading makes nothing."""
    publish()

    assert (Control(), []) == (store.control(MODEL), store.history(MODEL))
    assert (Control(), []) == (store.control("other"), store.history("other"))
    assert not directory(store).exists()


def test_changes_are_numbered_and_say_who_when_what_and_why(store, publish):
    """Each holds the whole document after it."""
    publish()
    store.change(MODEL, "label", labelling("a"), by="ann", version=1, label="a")
    store.change(MODEL, "label", labelling("b"), by="bob", reason="why not")

    first, second = store.history(MODEL)
    assert (1, "ann", "label", 1, "a", None) == (
        first.generation,
        first.by,
        first.action,
        first.version,
        first.label,
        first.reason,
    )
    assert "2026-06-01T12:00:00+00:00" == first.at.isoformat()
    assert ({"a": 1}, {"a": 1, "b": 1}) == (first.control.labels, second.control.labels)
    assert (2, "why not", second.control) == (
        second.generation,
        second.reason,
        store.control(MODEL),
    )
    assert {"00000001.json", "00000002.json"} == {p.name for p in directory(store).iterdir()}


def test_every_field_reads_back(store, publish):
    """Numbers that are keys stay numbers."""
    publish()
    digest = "ab" * 32
    document = Control.model_validate(
        {
            "policy": "latest:2",
            "pinned": 1,
            "labels": {"stable": 1},
            "quarantined": {
                2: {"digest": None, "reason": "no", "at": "2026-01-01T00:00:00Z", "by": "x"}
            },
            "passed": {1: digest},
            "canary": {"label": "canary", "percent": 12.5, "sticky_header": "X-User"},
            "shadow": {"label": "shadow", "percent": 100},
            "unloaded": True,
        }
    )

    store.change(MODEL, "all", lambda _: document, by="ann")

    assert document == store.control(MODEL)


def test_an_unknown_model_cannot_be_changed(store, publish):
    """A mistyped name makes no directory."""
    publish()

    with pytest.raises(VersionNotFoundError, match="has no model 'minst'"):
        store.change("minst", "label", labelling("a"), by="ann")

    assert not (store.root / "minst").exists()


def test_a_refused_edit_writes_nothing(store, publish):
    """Whatever it raises goes to the caller."""
    publish()

    def refuse(_control):
        raise StoreError("no")

    with pytest.raises(StoreError, match=r"^no$"):
        store.change(MODEL, "label", refuse, by="ann")

    assert [] == store.history(MODEL)


def test_whoever_loses_applies_the_edit_again(store, publish):
    """Both changes are there, the loser's on top of the winner's."""
    publish()
    seen = []

    def slow(control):
        seen.append(dict(control.labels))
        if len(seen) == 1:
            store.change(MODEL, "label", labelling("quick"), by="bob")
        return labelling("slow")(control)

    change = store.change(MODEL, "label", slow, by="ann")

    assert [{}, {"quick": 1}] == seen
    assert (2, {"quick": 1, "slow": 1}) == (change.generation, store.control(MODEL).labels)
    assert ["bob", "ann"] == [change.by for change in store.history(MODEL)]


def test_losing_over_and_over_ends_in_an_error(store):
    """It does not try for ever."""
    log = LosingLog()

    with pytest.raises(ContentionError, match=r"100 others' changes came before this one \(pin\)"):
        append(log, Control, "pin", lambda control: control, store._now, by="ann")

    assert ATTEMPTS == len(log.offered)


def test_an_older_writer_cannot_overwrite(store, publish):
    """A generation is made once."""
    publish()
    change = store.change(MODEL, "label", labelling("a"), by="ann")
    log = store._history(MODEL)

    assert not log.create(change.model_copy(update={"by": "bob"}))
    assert ["ann"] == [change.by for change in store.history(MODEL)]


def test_what_killed_processes_left_is_removed_by_the_next_change(store, publish):
    """But not what might be of a change under way."""
    publish()
    directory(store).mkdir()
    for name in (".00000001.json.0a", ".00000002.json.0b", ".00000003.json.0c"):
        (directory(store) / name).touch()

    store.change(MODEL, "label", labelling("a"), by="ann")
    store.change(MODEL, "label", labelling("b"), by="ann")

    found = {path.name for path in directory(store).iterdir()}
    assert {"00000001.json", "00000002.json", ".00000003.json.0c"} == found


def test_whose_draft_of_a_change_was_removed_has_lost(store, publish, monkeypatch):
    """Only a winner removes it."""
    publish()
    link, edited = Path.hardlink_to, []

    def lose_once(target, aside):
        monkeypatch.setattr(Path, "hardlink_to", link)
        aside.unlink()
        return link(target, aside)

    monkeypatch.setattr(Path, "hardlink_to", lose_once)

    def edit(control):
        edited.append(control)
        return labelling("a")(control)

    store.change(MODEL, "label", edit, by="ann")

    assert (2, {"a": 1}) == (len(edited), store.control(MODEL).labels)


def test_a_full_disk_is_a_sentence_and_leaves_nothing(store, publish, monkeypatch):
    """No half document is ever seen."""
    publish()
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail(_descriptor):
        raise full

    directory(store).mkdir()
    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(StoreError, match="cannot change the control document: No space left"):
        store.change(MODEL, "label", labelling("a"), by="ann")

    assert [] == list(directory(store).iterdir())


def test_foreign_files_are_no_generations(store, publish):
    """Only eight digits and .json are."""
    publish()
    store.change(MODEL, "label", labelling("a"), by="ann")
    for name in ("9.json", "00000009.json.bak", "notes.txt", "000000009.json"):
        (directory(store) / name).touch()

    assert [1] == [change.generation for change in store.history(MODEL)]


@pytest.mark.parametrize(
    ("content", "field"),
    [("{", None), ('{"generation": 0}', "generation"), ('{"schema_version": 2}', "schema_version")],
    ids=["no JSON", "no generation", "of a later release"],
)
def test_a_broken_generation_is_named(store, publish, content, field):
    """Nothing is decided on an older one."""
    publish()
    store.change(MODEL, "label", labelling("a"), by="ann")
    path = directory(store) / "00000002.json"
    path.write_text(content)

    for look in (store.control, store.history):
        with pytest.raises(InvalidDocumentError) as caught:
            look(MODEL)
        assert (path, field) == (caught.value.path, caught.value.field)


def test_labels_json_counts_until_the_first_change(store, publish):
    """Stores from before there was a control document keep their labels."""
    publish()
    (store.root / MODEL / "labels.json").write_text('{"stable": 1}')
    assert {"stable": 1} == store.control(MODEL).labels

    store.change(MODEL, "label", labelling("a"), by="ann")
    (store.root / MODEL / "labels.json").write_text('{"ignored": 1}')

    assert {"stable": 1, "a": 1} == store.control(MODEL).labels


def test_labels_json_shows_the_newest_labels(store, publish):
    """Other tools read it."""
    publish()
    label(store, MODEL, "a", 1, force=True)
    label(store, MODEL, "b", 1, force=True)

    assert {"a": 1, "b": 1} == mirrored(store)
    assert ["label", "label"] == [change.action for change in store.history(MODEL)]


def test_labels_json_shows_the_newest_labels_when_two_write_it(store, publish, monkeypatch):
    """Whoever comes late with older labels writes the newer ones over them."""
    publish()
    write, calls = directory_history.write_document, []

    def overtaken(path, document):
        calls.append(document)
        if len(calls) == 1:
            label(store, MODEL, "b", 1, force=True)
        write(path, document)

    monkeypatch.setattr(directory_history, "write_document", overtaken)

    label(store, MODEL, "a", 1, force=True)

    assert {"a": 1, "b": 1} == mirrored(store)


def test_a_change_holds_though_labels_json_cannot_be_written(store, publish, monkeypatch, caplog):
    """It is only a mirror; a line in the log says so."""
    publish()

    def refuse(path, _document):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(directory_history, "write_document", refuse)

    with caplog.at_level(logging.WARNING):
        label(store, MODEL, "a", 1, force=True)

    assert {"a": 1} == store.control(MODEL).labels
    assert "labels.json could not be updated with the newest labels: " in caplog.text


def test_a_pinned_version_is_not_removed(store, publish):
    """The sentence says what holds it."""
    publish()
    pinned = Control(pinned=1)
    store.change(MODEL, "pin", lambda _: pinned, by="ann")

    with pytest.raises(StoreError, match="mnist version 1 is pinned; it stays"):
        store.remove(MODEL, 1)

    assert [1] == store.versions(MODEL)


def test_a_version_that_is_labelled_while_it_goes_stays(store, publish, monkeypatch):
    """A change needs no lock, so that it is looked for once more."""
    publish()
    publish()
    rename = Path.rename

    def label_first(path, target):
        monkeypatch.setattr(Path, "rename", rename)
        store.change(MODEL, "label", labelling("late"), by="ann")
        return path.rename(target)

    monkeypatch.setattr(Path, "rename", label_first)

    with pytest.raises(StoreError, match="mnist version 1 is labelled late; it stays"):
        store.remove(MODEL, 1)

    assert [1, 2] == ModelStore(store.root).versions(MODEL)
    store.verify(MODEL, 1)
