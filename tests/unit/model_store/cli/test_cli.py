"""glyph models as people and programs use it."""

from __future__ import annotations

import json

import pytest

from model_store.operations import labels_and_traffic


def damage(store, version: int, name: str) -> str:
    """Cut a file off; give its path."""
    path = store.path("mnist", version) / name
    path.write_bytes(path.read_bytes()[:-3])
    return str(path)


def test_list_shows_every_version_on_a_line(store, publish, models):
    """Columns are aligned, dates are short, nothing is cut off."""
    for model in ("mnist", "letters"):
        publish(model)
    labels_and_traffic.label(store, "mnist", "stable", 1, force=True)

    code, out, _ = models("list")

    assert 0 == code
    facts = "1  softmax  shapes    95.00%       7,850  2026-06-01 12:00"
    assert [
        "MODEL    VERSION  RECIPE   DATA    ACCURACY  PARAMETERS  CREATED (UTC)",
        f"letters        {facts}  default",
        f"mnist          {facts}  default, stable",
    ] == out.splitlines()


def test_list_shows_what_is_wrong_on_the_versions_line(store, publish, models):
    """A damaged or unfinished version does not hide the others, however long its problem is."""
    publish()
    publish()
    path = damage(store, 2, "metadata.json")
    (store.root / "mnist" / "3").mkdir()

    _, out, _ = models("list")

    lines = out.splitlines()
    assert 4 == len(lines)
    assert f"{path}: Invalid JSON" in lines[2]
    assert lines[3].endswith("mnist/3: has no manifest.json, so it is no version")


def test_list_for_programs(store, publish, models):
    """Every version is an object, with a problem or with null."""
    publish()
    publish()
    labels_and_traffic.label(store, "mnist", "stable", 1, force=True)
    damage(store, 2, "metadata.json")

    code, out, _ = models("list", "--json")

    first, second = json.loads(out)
    assert 0 == code
    assert {
        "model": "mnist",
        "version": 1,
        "recipe": "softmax",
        "dataset": "shapes",
        "accuracy": 0.95,
        "parameters": 7850,
        "created": "2026-06-01T12:00:00+00:00",
        "labels": ["stable"],
        "canary": None,
        "shadow": None,
        "default": False,
        "pinned": False,
        "quarantined": None,
        "problem": None,
    } == first
    assert {"model", "version", "problem"} == second.keys()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(("list",), "No versions in "), (("list", "--json"), "[]")],
)
def test_list_of_an_empty_store_says_what_to_do(store, models, arguments, expected):
    """It is no error."""
    store.root.mkdir(exist_ok=True)

    code, out, _ = models(*arguments)

    assert (0, expected) == (code, out[: len(expected)])


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json")])
def test_list_of_a_store_that_is_not_there_is_an_error(store, models, arguments):
    """An empty list would hide a wrong path."""
    code, out, err = models(*arguments)

    assert (1, "") == (code, out)
    assert f"there is no directory {store.root}; --store or GLYPH_STORE names" in err


def test_show_prints_a_line_per_field(publish, models):
    """Inner fields are named with their path."""
    publish()

    code, out, _ = models("show", "1")

    assert 0 == code
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert ["classes", "ring, line"] in lines
    assert ["parameters.optimizer.rate", "0.5"] in lines


def test_show_for_programs(store, publish, models):
    """The JSON is that of metadata.json."""
    publish()

    _, out, _ = models("show", "1", "--json")

    written = (store.path("mnist", 1) / "metadata.json").read_text()
    assert json.loads(written) | {"created": "2026-06-01T12:00:00Z"} == json.loads(out)


@pytest.mark.parametrize("command", ["show", "verify"])
def test_a_missing_version_exits_with_1(publish, models, command):
    """One line says which versions there are."""
    publish()

    code, out, err = models(command, "9")

    assert 1 == code
    assert "mnist has no version 9 (it has: 1)" in out + err


def test_verify_checks_all(store, publish, models):
    """One damaged version among whole ones exits 1 and is named with its file."""
    publish()
    publish()
    path = damage(store, 2, "saved_model.pb")

    code, out, _ = models("verify")

    assert 1 == code
    assert "mnist 1: intact" == out.splitlines()[0]
    assert out.splitlines()[1].startswith(f"mnist 2: {path}: is 137 bytes long")


def test_verify_for_programs(store, publish, models):
    """A whole version gives its digest."""
    publish()

    code, out, _ = models("verify", "1", "--json")

    digest = store.verify("mnist", 1).digest
    assert 0 == code
    assert [{"version": 1, "digest": digest, "signed_by": None, "problem": None}] == json.loads(out)


def test_verify_of_nothing_exits_with_1(models):
    """A mistyped model must not look like an intact one."""
    code, _, err = models("verify", "--model", "minst")

    assert (1, True) == (code, err.endswith("has no version of minst\n"))


def test_gc_keeps_the_newest_and_the_labelled(store, publish, models):
    """Old versions go, but for those a label points at; abandoned drafts go too."""
    for _ in range(5):
        publish()
    labels_and_traffic.label(store, "mnist", "stable", 1, force=True)
    (store.root / "mnist" / ".draft-killed").mkdir()

    code, out, _ = models("gc", "--keep", "2", "--json")

    assert 0 == code
    kept = {
        "1": ["labelled stable"],
        "4": ["among the newest 2"],
        "5": ["the default version", "wanted by the policy latest", "among the newest 2"],
    }
    assert {"removed": [2, 3], "kept": kept, "abandoned_drafts": 1} == json.loads(out)
    assert [1, 4, 5] == store.versions("mnist")


def test_gc_says_what_it_did(publish, models):
    """There may be nothing to do."""
    publish()

    code, out, _ = models("gc")

    assert (0, "Versions removed: none. Abandoned drafts removed: 0.\n") == (code, out)


@pytest.mark.parametrize(
    "arguments",
    [("frob",), ("show",), ("show", "x"), ("gc", "--keep", "0"), ("list", "--store", __file__)],
    ids=["command", "no version", "no number", "keep nothing", "store is a file"],
)
def test_wrong_usage_exits_with_2(models, arguments):
    """Click says what is wrong."""
    code, _, err = models(*arguments)

    assert 2 == code
    assert "See 'glyph models" in err


def test_the_machines_refusal_exits_with_1_and_one_line(store, publish, models, monkeypatch):
    """A missing right is no traceback."""
    publish()

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)

    code, out, err = models("list")

    expected = f"glyph: cannot list the models: {store.root}: Permission denied\n"
    assert (1, "", expected) == (code, out, err)
