"""glyph models where it changes something: what it does is asserted by its history."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from model_store.cli import cli


def last(store) -> tuple:
    """Return the audit record of the last change."""
    change = store.history("mnist")[-1]
    return change.action, change.version, change.label, change.reason


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("arguments", "audit", "lines"),
    [
        (
            ("promote", "3", "--reason", "better"),
            ("promote", 3, None, "better"),
            ["mnist: promote version 3 (generation 4)", "Default version: 3"],
        ),
        (
            ("promote", "2"),
            ("promote", 2, None, None),
            ["mnist: promote version 2 (generation 4)", "Default version: 2, pinned"],
        ),
        (
            ("rollback", "--reason", "slow"),
            ("rollback", 2, None, "slow"),
            ["mnist: rollback version 2 (generation 4)", "Default version: 2, pinned"],
        ),
        (
            ("rollback", "--to", "1"),
            ("rollback", 1, None, None),
            ["mnist: rollback version 1 (generation 4)", "Default version: 1, pinned"],
        ),
        (
            ("pin", "1", "--reason", "audit"),
            ("pin", 1, None, "audit"),
            ["mnist: pin version 1 (generation 4)", "Default version: 1, pinned"],
        ),
        (
            ("quarantine", "3", "--reason", "bad"),
            ("quarantine", 3, None, "bad"),
            ["mnist: quarantine version 3 (generation 4)", "Default version: 2"],
        ),
        (
            ("label", "old", "1", "--reason", "x"),
            ("label", 1, "old", "x"),
            ["mnist: label old version 1 (generation 4)", "Default version: 3"],
        ),
        (
            ("canary", "2", "--percent", "12.5", "--reason", "x"),
            ("canary", 2, "canary", "x"),
            ["mnist: canary 12.5 % version 2 (generation 4)", "Default version: 3"],
        ),
        (
            ("canary", "2", "--percent", "5", "--label", "next", "--sticky-header", "X-User"),
            ("canary", 2, "next", None),
            ["mnist: canary 5 % next version 2 (generation 4)", "Default version: 3"],
        ),
        (
            ("shadow", "2", "--percent", "100", "--reason", "x"),
            ("shadow", 2, "shadow", "x"),
            ["mnist: shadow 100 % version 2 (generation 4)", "Default version: 3"],
        ),
        (
            ("canary", "off"),
            ("canary", None, "canary", None),
            ["mnist: canary off (generation 4)", "Default version: 3"],
        ),
        (
            ("shadow", "off"),
            ("shadow", None, "shadow", None),
            ["mnist: shadow off (generation 4)", "Default version: 3"],
        ),
        (
            ("policy", "1,2", "--reason", "x"),
            ("policy", None, None, "x"),
            ["mnist: policy 1,2 (generation 4)", "Default version: 2"],
        ),
        (
            ("policy", "default"),
            ("policy", None, None, None),
            ["mnist: policy left to the service (generation 4)", "Default version: 3"],
        ),
        (
            ("unload", "--reason", "night"),
            ("unload", None, None, "night"),
            [
                "mnist: unload (generation 4)",
                "No version of mnist is loaded until: glyph models load --model mnist",
            ],
        ),
        (
            ("load",),
            ("load", None, None, None),
            ["mnist: load (generation 4)", "Default version: 3"],
        ),
    ],
)
def test_a_command_says_what_it_did_and_what_serves(store, models, arguments, audit, lines):
    """And the history has it, with the reason."""
    code, out, err = models(*arguments)

    assert (0, "", lines) == (code, err, out.splitlines())
    assert audit == last(store)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("before", "arguments"),
    [
        (("pin", "1"), ("unpin", "--reason", "x")),
        (("quarantine", "1"), ("release", "1", "--reason", "x")),
        (("label", "a", "1"), ("label", "a", "--remove", "--reason", "x")),
    ],
)
def test_what_was_done_is_undone(store, models, before, arguments):
    """With a reason of its own."""
    untouched = store.control("mnist")
    models(*before)

    code, _, _ = models(*arguments)

    assert (0, untouched, "x") == (code, store.control("mnist"), last(store)[3])


@pytest.mark.usefixtures("three")
def test_the_share_of_a_canary_is_changed_without_naming_the_version(store, models):
    """The label says which it is."""
    models("canary", "2", "--percent", "5")

    code, _, _ = models("canary", "--percent", "50")

    control = store.control("mnist")
    assert (0, 50, 2) == (code, control.canary.percent, control.labels["canary"])


def test_a_change_for_programs(store, publish, models):
    """The JSON is the generation as it lies in the store."""
    publish()

    code, out, _ = models("pin", "1", "--json")

    written = (store.root / "mnist" / "control" / "00000001.json").read_text()
    expected = json.loads(written)
    found = json.loads(out)
    assert (0, expected.pop("at")[:19]) == (code, found.pop("at")[:19])
    assert expected == found


def test_a_pin_on_a_quarantined_version_is_pointed_out(publish, models):
    """The default is another one than somebody wished."""
    publish()
    models("pin", "1")

    _, out, _ = models("quarantine", "1")

    assert [
        "Default version: none",
        "The pin on version 1 does not count while it is quarantined.",
    ] == out.splitlines()[1:]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("policy", "pinned"), [("latest", None), ("1,2", 3), ("mnist=1;latest", 3)]
)
def test_the_services_policy_is_known_from_the_environment(
    store, models, monkeypatch, policy, pinned
):
    """Where it would choose another version, the promoted one is pinned."""
    monkeypatch.setenv("GLYPH_VERSION_POLICY", policy)

    models("promote", "3")

    assert pinned == store.control("mnist").pinned


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("promote", "1"), "mnist version 1 has not passed a trial yet: a running service tries"),
        (("promote", "9"), "mnist has no version 9 (it has: 1)"),
        (("rollback",), "no version of mnist below 1 has passed a trial; name the one to go"),
        (("unpin",), "no version of mnist is pinned"),
        (("release", "1"), "mnist version 1 is not quarantined (these are: none)"),
        (("label", "a", "--remove"), "mnist has no label a (it has: none)"),
        (("canary", "1", "--percent", "5"), "mnist version 1 has not passed a trial yet"),
        (("shadow", "--percent", "5"), "mnist has no label shadow; name the version that is to"),
        (("policy", "newest"), "'newest' is no policy; latest, latest:N, all, or version numbers"),
        (("pin", "1", "--model", "minst"), "minst has no version 1 (it has: none)"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(store, publish, models, arguments, sentence):
    """It exits with 1, and nothing is changed."""
    publish()

    code, out, err = models(*arguments)

    assert (1, "", 1) == (code, out, len(err.splitlines()))
    assert err.startswith(f"glyph: {sentence}")
    assert [] == store.history("mnist")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("label", "a"), "give a version, or --remove"),
        (("label", "a", "1", "--remove"), "give a version, or --remove"),
        (("canary", "1"), "give --percent, or off"),
        (("canary", "off", "--percent", "5"), "give --percent, or off"),
        (("shadow", "0", "--percent", "5"), "'0' is neither a version nor the word off"),
        (("canary", "1", "--percent", "0"), "0.0 is not in the range 0<x<=100"),
        (("promote", "1", "--service-policy", "newest"), "'newest' is no policy; latest"),
    ],
)
def test_wrong_usage_exits_with_2(models, arguments, sentence):
    """It is named where the usage is."""
    code, _, err = models(*arguments)

    assert (2, True, True) == (code, "See 'glyph models" in err, sentence in err)


@pytest.mark.parametrize(
    "arguments", [("promote", "1"), ("label", "a", "1"), ("canary", "1", "--percent", "5")]
)
def test_an_untried_version_is_taken_by_force(store, publish, models, arguments):
    """One may know better."""
    publish()

    code, _, _ = models(*arguments, "--force")

    assert (0, [1]) == (code, list(store.control("mnist").labels.values()))


def test_a_store_may_be_a_url(models, monkeypatch, tmp_path):
    """The cache is where the service has it, and as large."""
    opened = []

    def open_store(*given):
        opened.append(given)

    monkeypatch.setattr("model_store.cli.options.open_store", open_store)
    monkeypatch.setenv("GLYPH_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("GLYPH_CACHE_MIB", "3")

    with pytest.raises(AttributeError):
        models("list", "--store", "s3://bucket/models")

    assert [("s3://bucket/models", tmp_path, 3 * 2**20)] == opened


def test_a_wrong_cache_size_is_an_error(models, monkeypatch):
    """It is named with its value."""
    monkeypatch.setenv("GLYPH_CACHE_MIB", "much")

    code, _, err = models("list")

    assert (2, True) == (code, "GLYPH_CACHE_MIB='much' is no number of MiB" in err)


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_shows_examples(models, command):
    """They are quicker to read than options."""
    code, out, _ = models(command, "--help")

    assert (0, True) == (code, f"Examples:\n    glyph models {command}" in out)


def test_the_guides_commands_work(publish, trial, models):
    """They are tried in their order, on four versions that passed their trial."""
    for _ in range(4):
        trial(publish())
    guide = Path(__file__).parents[4] / "docs" / "guides" / "versions.md"
    chapter = guide.read_text("utf-8").partition("\n## ")[0]
    lines = [line for line in chapter.splitlines() if line.startswith("glyph models ")]

    codes = {line: models(*shlex.split(line, comments=True)[2:])[0] for line in lines}

    assert (15, {0}) == (len(codes), set(codes.values())), codes
