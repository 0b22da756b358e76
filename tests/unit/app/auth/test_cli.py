"""glyph keys: makes, lists and revokes API keys."""

from __future__ import annotations

import json
import sys

import pytest

from app.auth.key_file import digest, read_keys
from app.cli import main


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Name the file by its variable."""
    path = tmp_path / "keys.json"
    monkeypatch.setenv("GLYPH_API_KEYS_FILE", str(path))
    return path


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs the command line and returns exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["glyph", "keys", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code, *capsys.readouterr()

    return run


def test_a_key_is_printed_once_and_alone(run, path):
    """So that a shell can put it into a variable; what it is stands beside it."""
    code, out, err = run("create", "anna", "--limit", "5/minute", "--days", "3")
    (kept,) = read_keys(path)

    assert (0, digest(out.strip()), "5/minute") == (code, kept.sha256, kept.limit)
    assert 3 == (kept.expires - kept.created).days
    assert "The key of anna; it is shown only once and is not stored:\n" == err


def test_keys_are_listed(run, path):  # noqa: ARG001 - named by its variable
    """With dates and limits, and without digests."""
    run("create", "anna")
    run("create", "batch-job", "--limit", "5/minute", "--days", "3")
    _, text, _ = run("list")
    _, document, _ = run("list", "--json")

    anna, job = text.splitlines()
    assert anna.startswith("anna       created 20")
    assert job.endswith(", at most 5/minute")
    assert ", expires 20" in job
    assert ["anna", "batch-job"] == [key["name"] for key in json.loads(document)]
    assert "sha256" not in document


def test_a_key_is_revoked(run, path):
    """And its name is free again."""
    run("create", "anna")

    assert (0, "The key of anna is revoked.\n", "") == run("revoke", "anna")
    assert () == read_keys(path)
    assert 0 == run("create", "anna")[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("revoke", "bob"), "keys.json: has no key named bob; keys: anna"),
        (("create", "anna"), "keys.json: has a key named anna; revoke it first"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, path, arguments, sentence):
    """On stderr, with exit code 1."""
    run("create", "anna")
    code, out, err = run(*arguments)

    assert (1, "", 1) == (code, out, err.count("\n"))
    assert err.startswith(f"glyph: {path.parent}/{sentence}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "an na"), "'an na': up to 64 letters, digits, dots, dashes and underscores"),
        (("create", "anna", "--limit", "often"), "'often': a number of requests per second"),
        (("create", "anna", "--days", "0"), "0 is not in the range"),
        (("create",), "Missing argument 'NAME'"),
    ],
)
def test_wrong_usage_exits_with_2(run, path, arguments, sentence):
    """And changes nothing."""
    code, out, err = run(*arguments)

    assert (2, "", True) == (code, out, sentence in err)
    assert not path.exists()


def test_the_file_must_be_named(run):
    """By an option or its variable, which the complaint names."""
    code, _, err = run("list")

    assert (2, True) == (code, "GLYPH_API_KEYS_FILE" in err)


@pytest.mark.parametrize("command", ["create", "list", "revoke"])
def test_every_command_has_an_example(run, command):
    """To be copied."""
    assert f"Example: glyph keys {command}" in run(command, "--help")[1]
