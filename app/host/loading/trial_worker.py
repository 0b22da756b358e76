"""The process in which a version is tried: `python -m app.host.loading.trial_worker`.

It limits its own resources, loads and checks one version, and writes the verdict to the host that
started it. A crash of the version does not affect the host.
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
from app.host.batching.loaded_version import RuntimePlan  # noqa: TC001 - pydantic needs it at run time
from app.host.loading.loader import Loader
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
    """The version to try, and the bounds; the host writes it to the standard input."""

    model_config = ConfigDict(frozen=True)

    directory: Path
    model: str
    version: int
    digest: str | None
    """Digest of its manifest, for verdicts without the loader; None if it cannot be read."""
    like: RuntimePlan | None
    """Runtime plan of the serving version, reused without a measurement if this one is alike."""
    timeout_s: float
    memory_mib: int
    answer_fd: int
    """File descriptor for the messages."""


def main() -> None:
    """Try the version of the request on the standard input, and write the verdict."""
    request = Request.model_validate_json(sys.stdin.buffer.read())
    is_roomy = _confine(request)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    send = partial(_send, request.answer_fd, is_roomy=is_roomy)
    send(None)
    try:
        send(judge(request, Settings(), is_roomy=is_roomy))
    except Exception as exc:  # noqa: BLE001 - a bug, unrelated to the version
        send(Failed(reason=f"its trial failed: {type(exc).__name__}: {exc}", lasting=False))
    os._exit(0)  # without waiting for threads of the version


def judge(request: Request, settings: Settings, *, is_roomy: bool) -> Verdict:
    """Load and check a version.

    Args:
        request: The version and the bounds.
        settings: Settings of the service.
        is_roomy: This machine has as much free memory as a trial may use.
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
    """Return the verdict of a loader on a version, and whether the version is at fault."""
    try:
        found = loader.examine(request.directory, request.model, request.version, request.like)
    except UnfitError as exc:
        return _blame(Failed.of(exc), request.memory_mib, is_roomy=is_roomy)
    if has_children():
        return Failed(reason=FORKED, digest=found.description.digest, lasting=True)
    return Passed(digest=found.description.digest, runtime_plan=found.runtime_plan)


def _blame(failed: Failed, memory_mib: int, *, is_roomy: bool) -> Failed:
    """Blame the version for a lack of memory if as much was free as a trial may use."""
    if not failed.out_of_memory or not is_roomy:
        return failed
    return Failed(reason=too_large(memory_mib), digest=failed.digest, lasting=True)


def too_large(memory_mib: int) -> str:
    """Return the message for a version that needs more memory than a trial may use."""
    return f"its trial needed more than {memory_mib} MiB of memory ({PREFIX}TRIAL_MEMORY_MIB)"


def _confine(request: Request) -> bool:
    """Limit this process; return whether the machine has as much free memory as the limit."""
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
    # If memory runs out, the kernel should kill this process and not the host.
    with contextlib.suppress(OSError):  # not writable in every container
        Path("/proc/self/oom_score_adj").write_text("1000")
    return is_roomy


def _has_children() -> bool:
    """Return True if this process has started another, even if that has ended since."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _send(fd: int, verdict: Verdict | None, *, is_roomy: bool) -> None:
    line = Message(pid=os.getpid(), is_roomy=is_roomy, verdict=verdict).model_dump_json() + "\n"
    os.write(fd, line.encode())


if __name__ == "__main__":
    main()
