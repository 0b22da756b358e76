"""Time that a thread has waited for a core, which must not count against its time limits."""

from __future__ import annotations

from pathlib import Path


def waited_for_core_s(thread: int) -> float:
    """Return the seconds that a thread has been runnable without a core.

    Args:
        thread: Thread id of any process; that of the main thread is the process id.

    Returns:
        0.0 if the kernel does not count it, or the thread has ended.
    """
    try:  # nanoseconds on a core, nanoseconds ready and waiting, time slices
        return int(Path(f"/proc/{thread}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
