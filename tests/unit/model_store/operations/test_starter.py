"""An empty store is seeded from the starter that comes with the package."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from model_store import CorruptVersionError, ModelStore, StoreError, open_store
from model_store.operations import operations
from model_store.operations import starter as starter_module
from model_store.stores import directory as store_module

if TYPE_CHECKING:
    from model_store import Store


@pytest.fixture
def starter(tmp_path, publish, monkeypatch):
    """Put a published version in the place of the starter; give its directory."""
    source = tmp_path / "models"
    publish()
    monkeypatch.setattr(starter_module, "STARTER", source)
    return source / "mnist" / "1"


@pytest.fixture
def empty(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "empty")


@pytest.mark.usefixtures("starter")
def test_an_empty_store_gets_the_starter(empty):
    """The copy is a version like any other, and the next publish takes the number after it."""
    assert 1 == starter_module.seed(empty, "mnist")

    empty.verify("mnist", 1)


@pytest.mark.usefixtures("starter")
def test_a_store_with_versions_is_left_alone(empty, publish):
    """Neither twice, nor after the starter was removed, is it seeded again."""
    starter_module.seed(empty, "mnist")
    assert None is starter_module.seed(empty, "mnist")

    type(publish)(empty)()
    empty.remove("mnist", 1)

    assert None is starter_module.seed(empty, "mnist")
    assert [2] == empty.versions("mnist")


@pytest.mark.usefixtures("starter")
def test_a_model_without_a_starter_is_not_seeded(empty):
    """Only the model of the starter's name is seeded."""
    assert None is starter_module.seed(empty, "letters")
    assert [] == empty.models()


def test_a_damaged_starter_is_refused(empty, starter):
    """A broken installation shows, rather than serving a broken model."""
    (starter / "saved_model.pb").write_bytes(b"")

    with pytest.raises(CorruptVersionError, match=r"saved_model\.pb"):
        starter_module.seed(empty, "mnist")

    assert [] == empty.versions("mnist")


@pytest.mark.usefixtures("starter")
def test_another_process_may_be_faster(empty, monkeypatch):
    """If a version appears meanwhile, the store is not empty any more, and all is well."""
    adopt = empty.adopt

    def adopt_late(source, model):
        adopt(source, model)
        return adopt(source, model)

    monkeypatch.setattr(empty, "adopt", adopt_late)

    assert None is starter_module.seed(empty, "mnist")


TRACES = (
    "mnist/control/00000001.json",
    "mnist/labels.json",
    "mnist/.publish.lock",
    "mnist/.draft-abc/saved_model.pb",
    "mnist/7/saved_model.pb",
    "mnist/notes.txt",
    "shapes/3/manifest.json",
    "shapes/control/00000001.json",
    "shapes/labels.json",
)
"""Each shows that somebody has used the store, though it holds no version of the default model."""


@pytest.fixture(params=["directory", "bucket"])
def put(request, empty, tmp_path):
    """Return a function that puts a file into an empty store, and returns the store."""

    def put(name: str) -> Store:
        if request.param == "directory":
            path = empty.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"{}")
            return empty
        memory = pytest.importorskip("fsspec").filesystem("memory")
        url = f"memory://{tmp_path.name}/models"
        memory.pipe_file(f"{url}/{name}", b"{}")
        return open_store(url, tmp_path / "cache")

    return put


@pytest.mark.usefixtures("starter")
@pytest.mark.parametrize("trace", TRACES)
def test_a_store_that_has_been_used_is_not_seeded(put, trace, caplog):
    """That its versions are gone must not be hidden by another model that answers."""
    store = put(trace)
    found = trace.split("/")

    assert None is starter_module.seed(store, "mnist")
    assert [] == store.versions("mnist")
    assert f"has been used ({found[0]}/{found[1]}), so the starter model is not put" in caplog.text


@pytest.mark.usefixtures("starter")
@pytest.mark.parametrize("stranger", ["lost+found/1", ".snapshot/1", "README.md", "data/1.csv"])
def test_what_is_of_no_model_is_no_trace(put, stranger):
    """A new volume has such folders."""
    assert 1 == starter_module.seed(put(stranger), "mnist")


@pytest.mark.usefixtures("starter")
def test_a_seeding_that_was_killed_is_done_again(empty, monkeypatch):
    """What it leaves is no history."""

    def die(_path):
        raise KeyboardInterrupt

    monkeypatch.setattr(store_module, "sync_tree", die)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # as if it were killed
    with pytest.raises(KeyboardInterrupt):
        starter_module.seed(empty, "mnist")
    monkeypatch.undo()
    monkeypatch.setattr(starter_module, "STARTER", empty.root.parent / "models")

    assert 1 == starter_module.seed(empty, "mnist")
    assert {"mnist", ".publish.lock"} == {path.name for path in empty.root.iterdir()}


@pytest.mark.usefixtures("starter")
def test_a_store_whose_versions_are_all_quarantined_is_not_seeded(empty, publish):
    """They are there."""
    type(publish)(empty)()
    operations.quarantine(empty, "mnist", 1, by="ann", reason="odd")

    assert None is starter_module.seed(empty, "mnist")
    assert [1] == empty.versions("mnist")


@pytest.mark.usefixtures("starter")
def test_a_store_that_cannot_be_written_to_is_a_sentence(tmp_path):
    """The reason why nothing serves is in the error."""
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="cannot open a draft: "):
        starter_module.seed(ModelStore(tmp_path / "file" / "models"), "mnist")


def test_the_shipped_starter_is_whole(empty):
    """What is in the repository verifies, and weighs well under 2 MiB."""
    version = starter_module.seed(empty, "mnist")

    files = empty.verify("mnist", version).files
    assert sum(entry.size for entry in files) < 2 * 2**20
