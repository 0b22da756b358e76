"""The certificate and key that the service uses, held in memory from one good reading to the next.

Every web worker that starts needs them, at any time, and their files may be broken by then, half
replaced or gone.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from app.server.startup_checks.isolated_call import call_isolated
from app.server.startup_checks.tls_files import TlsFileError, check_certificate


class HeldCertificate:
    """Two files in memory, which processes that are forked later find under the same names."""

    def __init__(self) -> None:
        """Make them, empty."""
        self._files = [_in_memory(b""), _in_memory(b"")]

    @property
    def certificate(self) -> Path:
        """Where the certificate is."""
        return _path(self._files[0])

    @property
    def key(self) -> Path:
        """Where the private key is."""
        return _path(self._files[1])

    def take(self, certificate: Path, key: Path) -> None:
        """Check two files, and keep their content.

        Processes that were forked before keep what they have.

        Raises:
            TlsFileError: If they cannot be used; what was held before is held on.
        """
        real = (certificate, key)
        contents = [_read(path) for path in real]
        with ExitStack() as copies:
            files = [_in_memory(content) for content in contents]
            for file in files:
                copies.callback(os.close, file)
            if found := call_isolated(partial(_problem, *map(_path, files))):
                names = dict(zip(map(str, map(_path, files)), real, strict=True))
                raise _about(found, names)
            for file, held in zip(files, self._files, strict=True):
                os.dup2(file, held, inheritable=False)


def _problem(certificate: Path, key: Path) -> list[str] | None:
    """Return the file that is at fault and why; None where certificate and key are good."""
    try:
        check_certificate(certificate, key)
    except TlsFileError as exc:
        return [str(exc.path), exc.problem]
    return None


def _about(found: list[str], names: dict[str, Path]) -> TlsFileError:
    """Return the error as one of the files that were copied."""
    path, problem = found
    for copy, name in names.items():
        problem = problem.replace(copy, str(name))
    return TlsFileError(names[path], problem)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise TlsFileError(path, f"cannot be read: {exc.strerror}") from exc


def _in_memory(content: bytes) -> int:
    file = os.memfd_create("glyph-tls", os.MFD_CLOEXEC)
    os.pwrite(file, content, 0)
    return file


def _path(file: int) -> Path:
    return Path(f"/proc/self/fd/{file}")
