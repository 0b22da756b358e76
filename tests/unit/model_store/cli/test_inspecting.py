"""glyph models where it shows how versions stand, what was done, and how two differ."""

from __future__ import annotations

import json
import re

import pytest

from model_store.operations import operations


@pytest.mark.usefixtures("three")
def test_list_shows_how_versions_stand(store, models):
    """What serves, what is named, what gets a share, and what stays out, with the reason."""
    operations.pin(store, "mnist", 1)
    operations.canary(store, "mnist", 10, 2)
    operations.shadow(store, "mnist", 2.5, 2, label="next")
    operations.quarantine(store, "mnist", 3, reason="confuses 4 and 9")

    _, out, _ = models("list")
    _, programs, _ = models("list", "--json")

    assert [
        "default, pinned",
        "next, canary 10 %, shadow 2.5 %",
        "quarantined: confuses 4 and 9",
    ] == [re.split(r"\d\d:\d\d  ", line)[1] for line in out.splitlines()[1:]]
    first, second, third = json.loads(programs)
    assert (True, True, None) == (first["default"], first["pinned"], first["canary"])
    assert (10, 2.5, ["canary", "next"]) == (second["canary"], second["shadow"], second["labels"])
    assert "confuses 4 and 9" == third["quarantined"]


def test_list_names_a_broken_control_document_on_every_line(store, publish, models):
    """No version stands as if nothing were decided."""
    publish()
    publish()
    operations.unload(store, "mnist")
    path = store.root / "mnist" / "control" / "00000001.json"
    path.write_text("{")

    code, out, _ = models("list")

    assert (0, 2) == (code, out.count(f"{path}: Invalid JSON"))


def test_history_is_a_readable_table(store, publish, models):
    """When, who, what and why, a line each."""
    publish()
    operations.pin(store, "mnist", 1, by="ann@desk", reason="audit")
    operations.policy(store, "mnist", "all", by="bob@desk")

    code, out, _ = models("history")

    assert 0 == code
    assert [
        "   WHEN (UTC)        WHO       WHAT           WHY",
        "1  2026-06-01 12:00  ann@desk  pin version 1  audit",
        "2  2026-06-01 12:00  bob@desk  policy all",
    ] == out.splitlines()


@pytest.mark.usefixtures("three")
def test_history_can_be_cut_to_the_newest(models):
    """For programs, too."""
    _, out, _ = models("history", "--last", "2", "--json")

    assert [2, 3] == [change["generation"] for change in json.loads(out)]


def test_a_history_of_nothing_says_so(publish, models):
    """It is no error."""
    publish()

    code, out, _ = models("history")

    assert (0, "Nobody has changed anything about mnist in ") == (code, out[:43])


def test_diff_prints_what_differs_and_what_does_not(store, publish, models):
    """Numbers come with their change."""
    publish()
    better = publish.description.metrics.model_copy(update={"accuracy": 0.975})
    with store.draft("mnist") as draft:
        publish.fill(draft.path)
        draft.commit(publish.description.model_copy(update={"metrics": better, "recipe": "cnn"}))

    code, out, _ = models("diff", "1", "2")

    table = [re.split(r"\s\s+", line) for line in out.splitlines()]
    assert 0 == code
    assert ["", "VERSION 1", "VERSION 2", "CHANGE"] == table[0]
    assert ["metrics.accuracy", "0.95", "0.975", "+0.025"] in table
    assert ["recipe", "softmax", "cnn"] in table
    assert out.endswith(
        "Golden images that both have: 2\n"
        "  class agrees on 2 of 2\n"
        "  largest difference of a probability: 0.000000\n"
    )
    assert "The same in both: parameter_count, " in out


def test_diff_for_programs(publish, models):
    """Nothing is rounded or left out."""
    publish()
    publish()

    code, out, _ = models("diff", "1", "2", "--json")

    found = json.loads(out)
    assert (0, [1, 2], []) == (code, found["versions"], found["differences"])
    assert {"shared": 2, "agreeing": 2, "largest_difference": 0.0} == found["golden"]


def test_diff_says_why_golden_answers_are_not_compared(store, publish, models):
    """The rest is shown all the same."""
    publish()
    publish()
    (store.path("mnist", 2) / "assets.extra" / "golden.npz").unlink()

    code, out, _ = models("diff", "1", "2")

    assert (0, True) == (code, "Golden answers cannot be compared: " in out)
