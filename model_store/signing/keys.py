"""The keys that versions are signed with, and those that signatures are checked with.

The only place that knows the cryptography package; whoever needs no key does not import it.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from model_store.base.errors import KeyFileError
from model_store.base.files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PRIVATE_KEY = "private.pem"
PUBLIC_KEY = "public.pem"
MAX_KEY_BYTES = 64 * 2**10
"""Bound on a key file before it is parsed; real ones are below 1 KiB."""

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
"""The curves of the format, and what each is signed with."""
_EXPECTED = "a key of an elliptic curve is expected: P-256, P-384 or P-521"


class PublicKey:
    """Verifies signatures of its private key."""

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        self._key = key
        self.id = hashlib.sha256(self.pem()).hexdigest()
        """SHA-256 of the key in PEM, by which signatures name it."""

    @classmethod
    def read(cls, path: Path) -> PublicKey:
        """Read a PEM file.

        Raises:
            KeyFileError: If it holds no public key of a curve that is supported.
        """
        text = _read(path)
        if b"PRIVATE KEY" in text:
            raise KeyFileError(path, "holds a private key; the public one is expected")
        try:
            key = load_pem_public_key(text)
        except (ValueError, UnsupportedAlgorithm) as exc:
            raise KeyFileError(path, "holds no public key in PEM") from exc
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
            raise KeyFileError(path, f"holds {_name(key)}; {_EXPECTED}")
        return cls(key)

    def __str__(self) -> str:
        return f"{self.id[:12]}…"

    def pem(self) -> bytes:
        """Return the key in PEM."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether a message was signed with the private key."""
        try:
            self._key.verify(signature, message, ec.ECDSA(_HASHES[self._key.curve.name]))
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    """Signs messages."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    @classmethod
    def read(cls, path: Path) -> PrivateKey:
        """Read a PEM file.

        Raises:
            KeyFileError: If it holds no private key of a curve that is supported, or one that is
                encrypted.
        """
        try:
            key = load_pem_private_key(_read(path), password=None)
        except TypeError as exc:
            raise KeyFileError(path, "is encrypted; a key without a password is expected") from exc
        except (ValueError, UnsupportedAlgorithm) as exc:
            raise KeyFileError(path, "holds no private key in PEM") from exc
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in _HASHES:
            raise KeyFileError(path, f"holds {_name(key)}; {_EXPECTED}")
        return cls(key)

    @classmethod
    def make(cls) -> PrivateKey:
        """Make a key that nobody has, on the curve P-256."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    def pem(self) -> bytes:
        """Return the key in PEM, not encrypted."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, message: bytes) -> bytes:
        """Return a signature, DER-encoded."""
        return self._key.sign(message, ec.ECDSA(_HASHES[self._key.curve.name]))


def read_public_keys(paths: Iterable[Path]) -> tuple[PublicKey, ...]:
    """Read the keys whose signatures are trusted.

    Raises:
        KeyFileError: If one of them cannot be used; those that are trusted are all or none.
    """
    return tuple(PublicKey.read(path) for path in paths)


def write_pair(directory: Path) -> PublicKey:
    """Make a pair of keys and write both; the private one is for the owner's eyes only.

    Raises:
        KeyFileError: If there is a key already; none is replaced.
        OSError: If a file cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    key = PrivateKey.make()
    files = {PRIVATE_KEY: (key.pem(), 0o600), PUBLIC_KEY: (key.public.pem(), 0o644)}
    for path in (directory / name for name in files):
        if path.exists():
            raise KeyFileError(path, "is there already; keys are not replaced")
    for name, (text, mode) in files.items():
        descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
    return key.public


def _read(path: Path) -> bytes:
    try:
        return read_file(path, MAX_KEY_BYTES)
    except OSError as exc:
        raise KeyFileError(path, f"cannot be read: {exc.strerror}") from exc


def _name(key: object) -> str:
    if isinstance(key, (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)):
        return f"a key of the curve {key.curve.name}"
    return f"an {type(key).__name__}"
