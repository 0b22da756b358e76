"""Unix sockets that the service is to listen on."""

from __future__ import annotations

import socket

import pytest

from app.config.wrong_settings import WrongSettingError
from app.server.startup_checks.addresses import check_addresses


def test_a_socket_may_be_new_or_left_behind(tmp_path):
    """A service that was killed could not remove its own."""
    left = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(left))

    check_addresses(f"unix:{tmp_path}/new.sock, unix:{left}")

    assert left.is_socket()


@pytest.mark.parametrize("name", ["none/glyph.sock", "file", "busy.sock", f"{'x' * 107}"])
def test_a_socket_that_cannot_be_made_stops_the_start(tmp_path, name):
    """So does the socket of a service that runs, from which its callers would be taken."""
    path = tmp_path / name
    problems = {
        "none/glyph.sock": f"{path.parent} is no directory; make it, or choose another path",
        "file": f"{path} is there and is no socket; choose another path",
        "busy.sock": f"{path} is in use; end what listens there, or choose another",
    }
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "busy.sock"))
        listener.listen()
        (tmp_path / "file").touch()
        with pytest.raises(WrongSettingError, match=r"^GLYPH_BIND='unix:/") as caught:
            check_addresses(f"unix:{tmp_path}/new.sock,unix:{path}")

    expected = problems.get(name, "and may have 107; choose a shorter one")
    assert str(caught.value).endswith(expected)
