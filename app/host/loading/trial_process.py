"""Runs a trial in a process of its own, and kills it if it exceeds its bounds.

A thread watches the process; there is a verdict when it has ended, for whatever reason.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import selectors
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from app.config.settings import PREFIX
from app.host.loading.trial_worker import FORKED, Request, too_large
from app.host.loading.verdict import Failed, Message, Verdict
from app.host.machine.run_queue import waited_for_core_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from app.host.batching.loaded_version import RuntimePlan

log = logging.getLogger(__name__)

_COMMAND = (sys.executable, "-m", "app.host.loading.trial_worker")
_POLL_S = 0.05
"""Interval of the checks of memory and time; a process allocates some 50 MiB in that time."""
_SCAN_EVERY = 10
"""One in so many checks scans all processes of the machine for those of the trial."""
_STARVED = 10
"""A trial is given up when it has waited for a core so many times its time limit."""
_KEPT_BYTES = 4096
"""Kept of a trial's output: the reason of a crash comes last."""
_KILLING_S = 5.0
"""How long processes that keep starting others are killed."""
_MARK = "_GLYPH_TRIAL"
"""Environment variable that identifies all processes of a trial."""
_MIB = 2**20
_OWN_FAULTS = frozenset(
    {signal.SIGABRT, signal.SIGSEGV, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS, signal.SIGXCPU}
)
"""Signals that a process causes itself, on any machine."""


class Trial(Protocol):
    """A trial in progress."""

    version: int

    def verdict(self) -> Verdict | None:
        """Return the verdict; None until the trial has ended."""
        ...

    def cancel(self) -> None:
        """End the trial, without a verdict."""
        ...


class TrialProcess:
    """One process that tries one version."""

    def __init__(
        self,
        request: Request,
        on_end: Callable[[], None],
        *,
        command: tuple[str, ...] = _COMMAND,
        clock: Callable[[], float] = time.monotonic,
        waited: Callable[[int], float] = waited_for_core_s,
    ) -> None:
        """Start the process.

        Args:
            request: The version and the bounds; the descriptor for the answer is filled in.
            on_end: Called by the watching thread when there is a verdict.
            command: Command that runs the trial.
            clock: Monotonic seconds.
            waited: Returns the seconds that a process has waited for a core.

        Raises:
            OSError: If no process can be started.
        """
        self.version = request.version
        self._request = request
        self._on_end = on_end
        self._clock = clock
        self._waited = waited
        self._started = clock()
        self._polls = 0
        self._mark = f"{_MARK}={secrets.token_hex(8)}"
        self._printed = b""
        self._answers = b""
        self._cancelled = False
        self._verdict: Verdict | None = None
        self._ended = threading.Event()
        answers, theirs = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs,),
                env=os.environ | dict([self._mark.split("=")]),
                start_new_session=True,
            )
        except OSError:
            os.close(answers)
            raise
        finally:
            os.close(theirs)
        self._answer_fd, self._their_fd = answers, theirs
        threading.Thread(target=self._watch, name="trial", daemon=True).start()

    def verdict(self) -> Verdict | None:
        """Return the verdict; None until the trial has ended."""
        return self._verdict if self._ended.is_set() else None

    def cancel(self) -> None:
        """End the process and wait until it is gone."""
        self._cancelled = True
        self._kill()
        self._ended.wait()

    def _watch(self) -> None:
        try:
            self._verdict = self._run()
        except Exception as exc:  # a bug, unrelated to the version
            log.exception("watching a trial failed")
            self._kill()
            self._verdict = _machine(f"its trial could not be watched: {exc}")
        finally:
            self._close()
            self._ended.set()
            if not self._cancelled:
                self._on_end()

    def _run(self) -> Verdict:
        self._send_request()
        reason = self._follow()
        self._kill()
        status = self._process.wait()
        messages = self._messages()
        if self._printed:
            log.debug("the trial of version %d printed: %s", self.version, _text(self._printed))
        if reason is not None:
            return reason
        verdict = next((m.verdict for m in messages if m.verdict is not None), None)
        return verdict or self._explain(status, next(iter(messages), None))

    def _send_request(self) -> None:
        request = self._request.model_copy(update={"answer_fd": self._their_fd})
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(request.model_dump_json().encode())

    def _follow(self) -> Failed | None:
        """Read the output until the process ends; return why it must be killed, if it must."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with selectors.DefaultSelector() as selector:
            selector.register(self._answer_fd, selectors.EVENT_READ)
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while self._process.poll() is None and not self._is_answered():
                for key, _ in selector.select(_POLL_S):
                    if not self._read(key.fd):
                        selector.unregister(key.fileobj)
                if (reason := self._exceeded()) is not None:
                    return reason
            self._drain(selector)
        return None

    def _is_answered(self) -> bool:
        return any(message.verdict is not None for message in self._messages())

    def _drain(self, selector: selectors.BaseSelector) -> None:
        """Read the remaining output; other processes may hold the pipes open."""
        while ready := selector.select(0):
            for key, _ in ready:
                if not self._read(key.fd):
                    selector.unregister(key.fileobj)
            if not selector.get_map():
                return

    def _read(self, fd: int) -> bool:
        data = os.read(fd, 65536)
        if fd == self._answer_fd:
            self._answers = (self._answers + data)[-2 * _MIB :]
        else:
            self._printed = (self._printed + data)[-_KEPT_BYTES:]
        return bool(data)

    def _messages(self) -> list[Message]:
        found = []
        for line in self._answers.split(b"\n")[:-1]:
            with contextlib.suppress(ValidationError):
                message = Message.model_validate_json(line)
                if message.pid == self._process.pid:
                    found.append(message)
        return found

    def _exceeded(self) -> Failed | None:
        """Return a verdict if the process exceeds its bounds."""
        request, pid = self._request, self._process.pid
        elapsed = self._clock() - self._started
        waited = self._waited(pid)
        if elapsed - waited > request.timeout_s:
            limit = f"{request.timeout_s:g} s ({PREFIX}TRIAL_TIMEOUT_S)"
            did = f"it computed for {_cpu_s(pid):.1f} s of that"
            return self._fault(f"its trial had not ended after {limit}; {did}")
        if waited > _STARVED * request.timeout_s:
            return _machine(f"this machine is too busy: its trial waited {waited:.0f} s for a core")
        self._polls += 1
        sizes = _resident_by_process([pid] if self._polls % _SCAN_EVERY else _marked(self._mark))
        if sum(sizes) > request.memory_mib * _MIB:
            return self._fault(too_large(request.memory_mib))
        if len(sizes) > 1:
            return self._fault(FORKED)
        return None

    def _kill(self) -> None:
        """Kill the process and all its descendants."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        end = self._clock() + _KILLING_S
        while (left := _marked(self._mark)) and self._clock() < end:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_POLL_S)

    def _close(self) -> None:
        os.close(self._answer_fd)
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        self._process.stdout.close()
        self._process.wait()

    def _explain(self, status: int, begun: Message | None) -> Failed:
        """Explain an end without a verdict.

        Args:
            status: Exit code, or the negative number of a signal.
            begun: Message written before the version was run; None if there is none.
        """
        last = _last_line(self._printed)
        said = f": {last}" if last else ""
        if "bad_alloc" in last or "MemoryError" in last:
            if begun is not None and begun.is_roomy:
                return self._fault(too_large(self._request.memory_mib))
            return _machine(f"this machine has too little memory for its trial{said}")
        if status < 0:
            name = signal.Signals(-status).name
            if begun is None or -status not in _OWN_FAULTS:
                return _machine(f"its trial was ended from outside by {name}{said}")
            return self._fault(f"its trial crashed with {name}{said}")
        reason = f"its trial ended with exit code {status} and no verdict{said}"
        return _machine(reason) if begun is None else self._fault(reason)

    def _fault(self, reason: str) -> Failed:
        return Failed(reason=reason, digest=self._request.digest, lasting=True)


def _machine(reason: str) -> Failed:
    return Failed(reason=reason, lasting=False, transient=True)


def _text(printed: bytes) -> str:
    return printed.decode(errors="replace").strip()


def _last_line(printed: bytes) -> str:
    return next(iter(_text(printed).splitlines()[-1:]), "")[:300]


def _cpu_s(pid: int) -> float:
    try:
        fields = _stat(pid)
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_by_process(pids: Iterable[int]) -> list[int]:
    """Return the resident bytes of the running ones of these processes."""
    sizes = []
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            if _stat(pid)[0] not in "ZX":
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                sizes.append(pages * os.sysconf("SC_PAGE_SIZE"))
    return sizes


def _marked(mark: str) -> list[int]:
    """Return the running processes that inherited a mark in their environment.

    A process may leave its parent, its group and its session, but not its initial environment.
    """
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                if mark.encode() in Path(entry.path, "environ").read_bytes():
                    found.append(int(entry.name))
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of a process in /proc, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class Trials:
    """Starts trials, one at a time, in the order in which the models asked."""

    def __init__(
        self,
        start: Callable[[Request, Callable[[], None]], Trial],
        on_end: Callable[[], None],
        *,
        timeout_s: float,
        memory_mib: int,
    ) -> None:
        """Create without trials.

        Args:
            start: Starts a trial that calls a function when it has ended.
            on_end: That function.
            timeout_s: How long a trial may take, without the time that it waits for a core.
            memory_mib: How much memory it may use.
        """
        self._start = start
        self._on_end = on_end
        self._bounds: Mapping[str, float] = {"timeout_s": timeout_s, "memory_mib": memory_mib}
        self._running: str | None = None
        self._waiting: list[str] = []

    def is_next(self, model: str) -> bool:
        """Return True if a version of a model may be tried now; otherwise queue the model."""
        if model not in self._waiting:
            self._waiting.append(model)
        return self._running is None and self._waiting[0] == model

    def start(
        self,
        model: str,
        directory: Path,
        version: int,
        digest: str | None,
        like: RuntimePlan | None,
    ) -> Trial:
        """Start the trial of a version of the next model.

        Raises:
            OSError: If no process can be started.
        """
        request = Request(
            directory=directory.absolute(),
            model=model,
            version=version,
            digest=digest,
            like=like,
            answer_fd=-1,
            **self._bounds,
        )
        trial = self._start(request, self._on_end)
        self._running = self._waiting.pop(0)
        return trial

    def end(self, model: str) -> None:
        """Record that a model has its verdict, or needs none any more."""
        if model in self._waiting:
            self._waiting.remove(model)
        if self._running == model:
            self._running = None
            if self._waiting:  # the next one may start
                self._on_end()
