"""Keys come from PEM files, and a file that holds none says what it holds."""

from __future__ import annotations

import re
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from model_store import KeyFileError
from model_store.signing.keys import MAX_KEY_BYTES, PrivateKey, PublicKey, write_pair

CURVES = [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()]
FOREIGN = {
    "a key of the curve secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "an RSAP": rsa.generate_private_key(65537, 2048),
    "an Ed25519P": ed25519.Ed25519PrivateKey.generate(),
}


def private_pem(key, encryption=None) -> bytes:
    how = encryption or NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def public_pem(key) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def key_file(tmp_path):
    """Return a function that writes a key file; returns its path."""

    def write(text: bytes):
        (tmp_path / "key.pem").write_bytes(text)
        return tmp_path / "key.pem"

    return write


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_a_signature_is_good_under_its_own_public_key_alone(curve, key_file):
    """Each of the three curves signs and verifies; another key or another message does not."""
    made = ec.generate_private_key(curve)
    private = PrivateKey.read(key_file(private_pem(made)))
    public = PublicKey.read(key_file(public_pem(made)))

    signature = private.sign(b"message")

    assert public.id == private.public.id
    assert public.verifies(signature, b"message")
    assert not public.verifies(signature, b"another")
    assert not public.verifies(b"no signature", b"message")
    assert not PrivateKey(ec.generate_private_key(curve)).public.verifies(signature, b"message")


def test_a_pair_is_written_once(tmp_path):
    """The private key is readable for its owner alone, and a key that is there is not replaced."""
    public = write_pair(tmp_path / "keys")

    private = tmp_path / "keys" / "private.pem"
    assert 0o600 == stat.S_IMODE(private.stat().st_mode)
    assert public.id == PrivateKey.read(private).public.id
    assert public.id == PublicKey.read(tmp_path / "keys" / "public.pem").id
    private.unlink()
    with pytest.raises(KeyFileError, match=r"public\.pem: is there already"):
        write_pair(tmp_path / "keys")
    assert not private.exists()


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_key_that_the_format_has_not_is_refused(kind, key_file):
    """The sentence says which key was found and which are expected."""
    expected = f"holds {kind}.*P-256, P-384 or P-521"
    with pytest.raises(KeyFileError, match=expected):
        PublicKey.read(key_file(public_pem(FOREIGN[kind])))
    with pytest.raises(KeyFileError, match=expected):
        PrivateKey.read(key_file(private_pem(FOREIGN[kind])))


def test_a_private_key_is_not_taken_for_a_public_one(key_file):
    """It should not be on a server at all."""
    path = key_file(private_pem(ec.generate_private_key(ec.SECP256R1())))

    with pytest.raises(KeyFileError, match="holds a private key; the public one is expected"):
        PublicKey.read(path)


def test_an_encrypted_key_is_refused(key_file):
    """Nobody is asked for a password in the middle of a publish."""
    made = ec.generate_private_key(ec.SECP256R1())
    path = key_file(private_pem(made, BestAvailableEncryption(b"secret")))

    with pytest.raises(KeyFileError, match="is encrypted; a key without a password is expected"):
        PrivateKey.read(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "holds no {kind} key in PEM"),
        (b"\xff\x00 not PEM", "holds no {kind} key in PEM"),
        (b"x" * (MAX_KEY_BYTES + 1), "cannot be read: it is 65537 bytes long"),
        (None, "cannot be read: No such file or directory"),
    ],
    ids=["empty", "garbage", "huge", "missing"],
)
@pytest.mark.parametrize("kind", [PublicKey, PrivateKey])
def test_a_file_without_a_key_is_refused(kind, text, problem, key_file):
    """The sentence names the file."""
    path = key_file(text or b"")
    if text is None:
        path.unlink()
    name = "public" if kind is PublicKey else "private"

    with pytest.raises(KeyFileError, match=re.escape(f"{path}: {problem.format(kind=name)}")):
        kind.read(path)
