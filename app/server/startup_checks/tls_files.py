"""Checks the certificate and its key when the service starts, so that no worker fails on them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class TlsFileError(Exception):
    """Raised when a file cannot be used for TLS."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


def check_certificate(certificate: Path, key: Path, now: datetime | None = None) -> None:
    """Check that a certificate is valid today, and that the key belongs to it.

    Args:
        certificate: PEM file; the service's own certificate stands first, then any between it and
            the one that clients trust.
        key: PEM file with the private key.
        now: The time, with its zone; today by default.

    Raises:
        TlsFileError: If not.
    """
    from cryptography import x509  # noqa: PLC0415 - not in the master, which knows the error only
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    now = now or datetime.now(UTC)
    try:
        found = x509.load_pem_x509_certificates(_read(certificate))[0]
    except ValueError:
        raise TlsFileError(certificate, "holds no certificate in PEM") from None
    if now > found.not_valid_after_utc:
        raise TlsFileError(certificate, f"expired on {found.not_valid_after_utc:%Y-%m-%d}")
    if now < found.not_valid_before_utc:
        raise TlsFileError(certificate, f"is valid from {found.not_valid_before_utc:%Y-%m-%d} on")
    try:
        private = load_pem_private_key(_read(key), password=None)
    except TypeError:
        raise TlsFileError(key, "asks for a passphrase; a key without one is expected") from None
    except ValueError:
        raise TlsFileError(key, "holds no private key in PEM") from None
    if private.public_key() != found.public_key():
        raise TlsFileError(key, f"is not the key of the certificate in {certificate}")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except ssl.SSLError as exc:  # a key that is too short, a certificate further up that is broken
        raise TlsFileError(certificate, f"cannot be used: {exc.reason or exc}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise TlsFileError(path, f"cannot be read: {exc.strerror}") from exc
