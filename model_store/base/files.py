"""Read files that others may have put there.

The only place of this package that opens a file to read it: a pipe, a device or an endless file in
the place of a document must not hold up whoever looks at a store.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class UnfitFileError(OSError):
    """Raised for what is no regular file, or too long: the file's fault, and not the machine's."""


@contextlib.contextmanager
def open_regular(path: Path, *, follow: bool = True) -> Iterator[BufferedReader]:
    """Open a regular file for reading; never wait for a writer, as a pipe makes its reader do.

    Args:
        path: Where the file is.
        follow: Accept a symbolic link to a regular file, such as Kubernetes makes of a secret.

    Raises:
        OSError: If it cannot be opened or is no regular file; `strerror` says what it is.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    try:
        kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        if kind != stat.S_IFREG:
            problem = f"it is {_KINDS.get(kind, 'of an unknown kind')}; a regular file is expected"
            raise UnfitFileError(errno.EINVAL, problem, str(path))
        with open(descriptor, "rb", closefd=False) as stream:
            yield stream
    finally:
        os.close(descriptor)


def read_file(path: Path, limit: int) -> bytes:
    """Return the content of a regular file.

    Args:
        path: Where the file is.
        limit: How many bytes it may have.

    Raises:
        OSError: If it cannot be read, is no regular file, or is longer; `strerror` says which.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        data = stream.read(limit + 1) if size <= limit else b""
    longest = max(size, len(data))
    if longest > limit:
        problem = f"it is {longest} bytes long; at most {limit} are read"
        raise UnfitFileError(errno.EFBIG, problem, str(path))
    return data
