"""What is said of a certificate that cannot be used, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from app.server.startup_checks.tls_files import TlsFileError, check_certificate
from tests.certificates import make_certificate


@pytest.fixture
def problem(tmp_path):
    """Return a function that checks two files: it returns the file at fault and the message."""

    def run(cert, key):
        with pytest.raises(TlsFileError) as caught:
            check_certificate(Path(cert), Path(key))
        return str(caught.value.path.relative_to(tmp_path)), caught.value.problem

    return run


def test_a_good_pair_is_taken(tmp_path):
    """Also with further certificates behind it."""
    cert, key = map(Path, make_certificate(tmp_path / "a"))
    check_certificate(cert, key)
    cert.write_text(cert.read_text() + Path(make_certificate(tmp_path / "b").cert).read_text())
    check_certificate(cert, key)


@pytest.mark.parametrize(
    ("days", "sentence"),
    [({"first_day": -9, "last_day": -3}, "expired on 20"), ({"first_day": 1, "last_day": 9}, "is")],
    ids=["expired", "not yet"],
)
def test_a_certificate_is_good_today(tmp_path, problem, days, sentence):
    """Clients would refuse it."""
    file, said = problem(*make_certificate(tmp_path / "a", **days))

    assert ("a/cert.pem", True) == (file, said.startswith(sentence))


def test_the_key_is_the_certificates(tmp_path, problem):
    """Two that were mixed up are found."""
    cert, key = make_certificate(tmp_path / "a").cert, make_certificate(tmp_path / "b").key

    assert ("b/key.pem", f"is not the key of the certificate in {cert}") == problem(cert, key)


def test_a_key_has_no_passphrase(tmp_path, problem):
    """Nobody is there to type it."""
    files = make_certificate(tmp_path / "a", password=b"secret")

    assert ("a/key.pem", "asks for a passphrase; a key without one is expected") == problem(*files)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("cert.pem", None, "cannot be read: No such file or directory"),
        ("key.pem", None, "cannot be read: No such file or directory"),
        ("cert.pem", b"nothing", "holds no certificate in PEM"),
        ("key.pem", b"nothing", "holds no private key in PEM"),
        ("key.pem", b"", "holds no private key in PEM"),
    ],
)
def test_files_hold_what_they_should(tmp_path, problem, name, content, sentence):
    """The one that does not is named."""
    files = make_certificate(tmp_path / "a")
    wrong = tmp_path / "a" / name
    wrong.unlink()
    if content is not None:
        wrong.write_bytes(content)

    assert (f"a/{name}", sentence) == problem(*files)


def test_what_openssl_refuses_is_told(tmp_path, problem):
    """Such as a key that is too short to be safe."""
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - that is the point
    file, said = problem(*make_certificate(tmp_path / "a", key=short))

    assert ("a/cert.pem", "cannot be used: EE_KEY_TOO_SMALL") == (file, said)
