"""The certificate that is in use outlives its files."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from app.server.startup_checks.held_certificate import HeldCertificate
from app.server.startup_checks.isolated_call import call_isolated
from app.server.startup_checks.tls_files import TlsFileError
from tests.certificates import make_certificate


@pytest.fixture
def files(tmp_path):
    return tuple(map(Path, make_certificate(tmp_path)))


@pytest.fixture
def held(files):
    pair = HeldCertificate()
    pair.take(*files)
    return pair


def loads(held):
    """Load the pair as a web worker does, which is forked."""

    def load():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(held.certificate, held.key)
        return held.certificate.read_text()

    return call_isolated(load)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("broken")])
def test_a_worker_starts_with_what_was_good(held, files, damage):
    """Whatever has become of the files."""
    good = files[0].read_text()
    for path in files:
        damage(path)

    assert good == loads(held)


def test_a_pair_that_is_wrong_is_not_taken(held, files, tmp_path):
    """The error names the file, and what was held is held on."""
    good = files[0].read_text()
    other = make_certificate(tmp_path / "other")
    with pytest.raises(TlsFileError) as caught:
        held.take(files[0], Path(other.key))
    assert Path(other.key) == caught.value.path
    assert f"is not the key of the certificate in {files[0]}" == caught.value.problem
    files[0].write_text("broken")
    with pytest.raises(TlsFileError, match=f"^{files[0]}: holds no certificate in PEM$"):
        held.take(*files)
    files[1].unlink()
    with pytest.raises(TlsFileError, match=f"^{files[1]}: cannot be read: No such file"):
        held.take(*files)

    assert good == loads(held)


def test_a_renewed_pair_has_the_same_names(held, tmp_path):
    """They are told to gunicorn once."""
    before = held.certificate, held.key
    renewed = make_certificate(tmp_path / "renewed")
    held.take(Path(renewed.cert), Path(renewed.key))

    assert before == (held.certificate, held.key)
    assert Path(renewed.cert).read_text() == loads(held)


def test_the_check_leaves_no_library_in_the_master(files):
    """What the master has imported, every process inherits."""
    program = (
        "import sys; from pathlib import Path\n"
        "from app.server.startup_checks.held_certificate import HeldCertificate\n"
        "HeldCertificate().take(*map(Path, sys.argv[1:]))\n"
        "print('cryptography' in sys.modules)"
    )
    command = [sys.executable, "-c", program, *files]

    assert "False" == subprocess.check_output(command, text=True).strip()
