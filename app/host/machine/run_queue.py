"""How long a thread has waited for a core: a busy machine must not be held against it."""

from __future__ import annotations

from pathlib import Path


def waited_for_core_s(thread: int) -> float:
    """Return the seconds that a thread has been ready to run and was not, so far.

    Args:
        thread: Its number in the system, of any process; a process has that of its main thread.

    Returns:
        0.0 where the kernel does not count it, or the thread is gone.
    """
    try:  # nanoseconds on a core, nanoseconds ready and waiting, time slices
        return int(Path(f"/proc/{thread}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
