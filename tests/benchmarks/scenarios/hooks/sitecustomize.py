"""Lets versions misbehave that hold a marker, in every Python program with this on its path.

A SavedModel that OpenVINO runs is arithmetic alone, so that the worst that native code can do has
to be done for it: the process that loads a version with a marker misbehaves.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import select
import signal
import sys
import time
from pathlib import Path

MARKER = "assets.extra/misbehaves"
_RUNTIME = "app.host.runtimes.openvino_runtime"
_CHILDREN = 8
_BLOCK = 64 * 2**20


def _segfault():
    ctypes.string_at(8)


def _exhaust_memory():
    held = []
    while True:
        held.append(b"\1" * _BLOCK)


def _never_end():
    while True:
        pass


def _fork(*, away=False):
    for _ in range(_CHILDREN):
        if not os.fork():
            if away:
                os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(3600)
            os._exit(0)
    os.wait()


_WAYS = {
    "abort": os.abort,
    "segfault": _segfault,
    "exhaust memory": _exhaust_memory,
    "never end": _never_end,
    "sleep": lambda: time.sleep(3600),
    "fork": _fork,
    "fork away": lambda: _fork(away=True),
    "exit": lambda: os._exit(0),
}


class _Finder:
    """Wraps the runtime's model once its module is imported."""

    def find_spec(self, name, _path=None, _target=None):
        if name != _RUNTIME:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            _wrap(module.OpenVINOModel)

        spec.loader.exec_module = exec_module
        return spec


def _wrap(model):
    load = model.__init__

    def loaded(self, version, **options):
        marker = Path(version) / MARKER
        if marker.exists():
            _WAYS[marker.read_text()]()
        load(self, version, **options)

    model.__init__ = loaded


def _sleep(seconds):
    """Sleep as `time.sleep` does, by a call that libfaketime 0.9.10 does not break.

    It takes the moment of the monotonic clock that Python sleeps until for one of its own clock.
    """
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


sys.meta_path.insert(0, _Finder())
if "FAKETIME_TIMESTAMP_FILE" in os.environ:
    time.sleep = _sleep
