"""JSON becomes Python's objects, and the collector of garbage is left as it was."""

from __future__ import annotations

import gc

import orjson
import pytest

from app.web.encodings.json_parsing import parse_json


@pytest.fixture
def collections():
    """Count the looks for garbage."""
    begun: list[str] = []

    def note(phase, _info):
        if phase == "start":
            begun.append(phase)

    gc.collect()
    gc.callbacks.append(note)
    yield begun
    gc.callbacks.remove(note)


@pytest.mark.parametrize("text", ['{"a": [1, 2.5, null]}', b'{"a": [1, 2.5, null]}'])
def test_json_is_parsed(text):
    """Be it text or bytes."""
    assert {"a": [1, 2.5, None]} == parse_json(text)


def test_no_garbage_is_looked_for_meanwhile(collections):
    """With a million lists that would be most of the time."""
    document = parse_json(b"[" + b",".join([b"[]"] * 100_000) + b"]")
    found = len(collections)

    assert (100_000, 0) == (len(document), found)


@pytest.mark.parametrize("collecting", [True, False])
@pytest.mark.parametrize("text", [b"[[]]", b"[[]"])
def test_the_collector_is_left_as_it_was(text, collecting):
    """Also where the text is malformed."""
    if not collecting:
        gc.disable()
    try:
        if text.endswith(b"]]"):
            parse_json(text)
        else:
            with pytest.raises(orjson.JSONDecodeError):
                parse_json(text)
        assert collecting == gc.isenabled()
    finally:
        gc.enable()
