"""JSON becomes Python's objects, and the collector of garbage is left as it was."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import orjson
import pytest

from app.web.http import json_parsing
from app.web.http.json_parsing import parse_json

SAFETY_S = 10


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


def test_a_thread_that_begins_as_another_ends_leaves_the_collector_on(monkeypatch):
    """It must not take it for one that was off before."""
    begun, looked, ended = threading.Event(), threading.Event(), threading.Event()

    def loads(text):
        if text == b"first":
            begun.set()
            looked.wait(0.2)  # in vain, if all is well
        return text

    def is_enabled():
        enabled = gc.isenabled()
        if begun.is_set():
            looked.set()
            ended.wait(SAFETY_S)
        return enabled

    def first():
        parse_json(b"first")
        ended.set()

    collector = SimpleNamespace(isenabled=is_enabled, disable=gc.disable, enable=gc.enable)
    monkeypatch.setattr(json_parsing, "gc", collector)
    monkeypatch.setattr(json_parsing.orjson, "loads", loads)
    try:
        with ThreadPoolExecutor(2) as threads:
            one = threads.submit(first)
            begun.wait(SAFETY_S)
            other = threads.submit(parse_json, b"second")
        assert (None, b"second", True) == (one.result(), other.result(), gc.isenabled())
    finally:
        gc.enable()
