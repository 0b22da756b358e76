"""Records which functions of a source tree are called, in one thread, between two moments.

Knows nothing of the tree but where it lies, so that any commit can be measured.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import FrameType

_NO_FUNCTIONS = ("<module>", "<lambda>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
"""Code with a frame of its own, though not a function that a reader goes to."""


class Call(NamedTuple):
    """One call of a function of the tree."""

    module: str
    function: str


@dataclass
class Trip:
    """The calls of one trip through the tree, in their order."""

    calls: list[Call] = field(default_factory=list)

    @property
    def modules(self) -> int:
        """Number of modules that the trip enters."""
        return len({call.module for call in self.calls})

    @property
    def moves(self) -> int:
        """Number of calls in another module than the call before: how often a reader moves."""
        return sum(before.module != after.module for before, after in pairwise(self.calls))


class CallRecorder:
    """Records calls while told to; installed once, before the threads that it observes start."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Create one.

        Args:
            folders: Only functions whose source lies below one of these are recorded.
        """
        self._folders = tuple(f"{folder}/" for folder in folders)
        self._trip: Trip | None = None
        self._thread = ""
        self._without: tuple[str, ...] = ()
        self._seen: set[FrameType] = set()
        """Held, so that a coroutine that goes on is not taken for another call."""

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Observe this thread and those started in the block."""
        threading.setprofile(self._on_event)
        sys.setprofile(self._on_event)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]  # as the manual says

    @contextmanager
    def recording(self, thread: str | None = None, without: tuple[str, ...] = ()) -> Iterator[Trip]:
        """Record the calls of one thread.

        Args:
            thread: Its name; by default it is the thread that runs the block.
            without: Packages and modules whose calls are left out.
        """
        trip = Trip()
        self._without = without
        self._thread = thread or threading.current_thread().name
        self._trip = trip
        try:
            yield trip
        finally:
            self._trip = None
            self._seen.clear()

    def _on_event(self, frame: FrameType, event: str, _arg: Any) -> None:
        trip, code = self._trip, frame.f_code
        if trip is None or event != "call" or threading.current_thread().name != self._thread:
            return
        if not code.co_filename.startswith(self._folders) or code.co_name in _NO_FUNCTIONS:
            return
        module: str = frame.f_globals["__name__"]
        if frame not in self._seen and not _is_within(module, self._without):
            self._seen.add(frame)
            trip.calls.append(Call(module, code.co_qualname))


def _is_within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
