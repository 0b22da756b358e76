"""An empty store is seeded from the starter that comes with the package."""

from __future__ import annotations

import pytest

from model_store import CorruptVersionError, ModelStore, StoreError, seeding


@pytest.fixture
def starter(tmp_path, publish, monkeypatch):
    """Put a published version in the place of the starter; give its directory."""
    source = tmp_path / "models"
    publish()
    monkeypatch.setattr(seeding, "STARTER", source)
    return source / "mnist" / "1"


@pytest.fixture
def empty(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "empty")


@pytest.mark.usefixtures("starter")
def test_an_empty_store_gets_the_starter(empty):
    """The copy is a version like any other, and the next publish takes the number after it."""
    assert 1 == seeding.seed(empty, "mnist")

    empty.verify("mnist", 1)


@pytest.mark.usefixtures("starter")
def test_a_store_with_versions_is_left_alone(empty, publish):
    """Neither twice, nor after the starter was removed, is it seeded again."""
    seeding.seed(empty, "mnist")
    assert None is seeding.seed(empty, "mnist")

    type(publish)(empty)()
    empty.remove("mnist", 1)

    assert None is seeding.seed(empty, "mnist")
    assert [2] == empty.versions("mnist")


@pytest.mark.usefixtures("starter")
def test_a_model_without_a_starter_is_not_seeded(empty):
    """Only the model of the starter's name is seeded."""
    assert None is seeding.seed(empty, "letters")
    assert [] == empty.models()


def test_a_damaged_starter_is_refused(empty, starter):
    """A broken installation shows, rather than serving a broken model."""
    (starter / "saved_model.pb").write_bytes(b"")

    with pytest.raises(CorruptVersionError, match=r"saved_model\.pb"):
        seeding.seed(empty, "mnist")

    assert [] == empty.versions("mnist")


@pytest.mark.usefixtures("starter")
def test_another_process_may_be_faster(empty, monkeypatch):
    """If a version appears meanwhile, the store is not empty any more, and all is well."""
    adopt = empty.adopt

    def adopt_late(source, model):
        adopt(source, model)
        return adopt(source, model)

    monkeypatch.setattr(empty, "adopt", adopt_late)

    assert None is seeding.seed(empty, "mnist")


@pytest.mark.usefixtures("starter")
def test_a_store_that_cannot_be_written_to_is_a_sentence(tmp_path):
    """The reason why nothing serves is in the error."""
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="cannot open a draft: "):
        seeding.seed(ModelStore(tmp_path / "file" / "models"), "mnist")


def test_the_shipped_starter_is_whole(empty):
    """What is in the repository verifies, and weighs well under 2 MiB."""
    version = seeding.seed(empty, "mnist")

    files = empty.verify("mnist", version).files
    assert sum(entry.size for entry in files) < 2 * 2**20
