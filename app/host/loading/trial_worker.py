"""The process in which a version is tried: `python -m app.host.loading.trial_worker`.

It bounds itself, loads and checks one version, and writes the verdict to the host that started it.
Whatever the version does to it, the host is not touched.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import resource
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from app.config.cpu import usable_cores
from app.config.settings import PREFIX, Settings
from app.host.loading.loader import Loader
from app.host.loading.runtime_selection import RuntimePlan  # noqa: TC001 - pydantic needs it at run time
from app.host.loading.signature_check import signature_check
from app.host.loading.verdict import Failed, Message, Passed, UnfitError, Verdict
from app.host.machine.memory import available_bytes
from app.host.runtimes.candidates import candidates

if TYPE_CHECKING:
    from collections.abc import Callable

FORKED = "it started other processes in its trial"
_MIB = 2**20
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38


class Request(BaseModel):
    """What is to be tried, and within which bounds; the host writes it to the standard input."""

    model_config = ConfigDict(frozen=True)

    directory: Path
    model: str
    version: int
    digest: str | None
    """Of its manifest, for a verdict that is not the loader's; None where it has none to read."""
    like: RuntimePlan | None
    """How the version that serves runs: one of the same size is loaded likewise, unmeasured."""
    timeout_s: float
    memory_mib: int
    answer_fd: int
    """Where the messages go."""


def main() -> None:
    """Try the version that the standard input names, and write what came of it."""
    request = Request.model_validate_json(sys.stdin.buffer.read())
    is_roomy = _confine(request)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    say = partial(_publish_status, request.answer_fd, is_roomy=is_roomy)
    say(None)
    try:
        say(judge(request, Settings(), is_roomy=is_roomy))
    except Exception as exc:  # noqa: BLE001 - a bug, which says nothing about the version
        say(Failed(reason=f"its trial failed: {type(exc).__name__}: {exc}", lasting=False))
    os._exit(0)  # whatever the version has left running is not waited for


def judge(request: Request, settings: Settings, *, is_roomy: bool) -> Verdict:
    """Load and check a version.

    Args:
        request: Which, and its bounds.
        settings: Those of the service.
        is_roomy: This machine has as much memory as a trial may take.
    """
    loader = Loader(
        partial(
            candidates,
            settings.runtime,
            settings.precision,
            threads=settings.runtime_threads,
            streams=settings.count_streams(usable_cores()),
        ),
        max_batch=settings.max_batch,
        check_signature=signature_check(settings.public_key_paths),
        misfit=lambda metadata: settings.frame_bounds.version_misfit(
            metadata.input.shape, metadata.classes
        ),
    )
    return examine(loader, request, is_roomy=is_roomy, has_children=_has_children)


def examine(
    loader: Loader, request: Request, *, is_roomy: bool, has_children: Callable[[], bool]
) -> Verdict:
    """Return what a loader finds out about a version, and whose fault a failure is."""
    try:
        found = loader.examine(request.directory, request.model, request.version, request.like)
    except UnfitError as exc:
        return _blame(Failed.of(exc), request.memory_mib, is_roomy=is_roomy)
    if has_children():
        return Failed(reason=FORKED, digest=found.known.digest, lasting=True)
    return Passed(digest=found.known.digest, runtime_plan=found.runtime_plan)


def _blame(failed: Failed, memory_mib: int, *, is_roomy: bool) -> Failed:
    """Blame the version for memory that ran out where there was as much as any trial may take."""
    if not failed.out_of_memory or not is_roomy:
        return failed
    return Failed(reason=too_large(memory_mib), digest=failed.digest, lasting=True)


def too_large(memory_mib: int) -> str:
    """Write the sentence for a version that needs more memory than a trial may take."""
    return f"its trial needed more than {memory_mib} MiB of memory ({PREFIX}TRIAL_MEMORY_MIB)"


def _confine(request: Request) -> bool:
    """Bound this process; return whether the machine has as much memory as the bound allows."""
    bound = request.memory_mib * _MIB
    is_roomy = available_bytes() >= bound
    cpu_s = int(request.timeout_s * usable_cores()) + 1
    for kind, limit in (
        (resource.RLIMIT_DATA, bound),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 16 * _MIB),
    ):
        _, hard = resource.getrlimit(kind)
        lowest = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (lowest, lowest))
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Where memory runs out, this process is to go and not the one that serves.
    with contextlib.suppress(OSError):  # not writable in every container
        Path("/proc/self/oom_score_adj").write_text("1000")
    return is_roomy


def _has_children() -> bool:
    """Return True if a process was started from here, even if it has ended or moved away since."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _publish_status(fd: int, verdict: Verdict | None, *, is_roomy: bool) -> None:
    line = Message(pid=os.getpid(), is_roomy=is_roomy, verdict=verdict).model_dump_json() + "\n"
    os.write(fd, line.encode())


if __name__ == "__main__":
    main()
