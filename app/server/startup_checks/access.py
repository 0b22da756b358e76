"""Checks of the credential files, and of a service open to everybody."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from app.auth.key_file import ApiKeysError, read_keys
from app.config.peer_address import plain_address
from app.config.settings import PREFIX
from app.config.wrong_settings import WrongSettingError, exit_on_wrong_value
from app.server.startup_checks.held_certificate import HeldCertificate
from app.server.startup_checks.tls_files import TlsFileError

if TYPE_CHECKING:
    from pathlib import Path

    from app.config.bind import Bind
    from app.config.settings import Settings


def check_access_files(settings: Settings) -> HeldCertificate | None:
    """Check keys and certificate; ends the process with one line and exit code 2 if they are wrong.

    Returns:
        The certificate and its key; None where none is set.
    """
    if settings.api_keys_file is not None:
        try:
            read_keys(settings.api_keys_file)
        except ApiKeysError as exc:
            _stop("api_keys_file", settings.api_keys_file, exc.problem)
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    held = HeldCertificate()
    try:
        held.take(settings.tls_cert, settings.tls_key)
    except TlsFileError as exc:
        setting = "tls_cert" if exc.path == settings.tls_cert else "tls_key"
        _stop(setting, exc.path, exc.problem)
    return held


def warning_of_open_door(settings: Settings) -> str | None:
    """Return the warning of a service that others reach without a key; None if there is no need."""
    if settings.api_keys_file is not None or all(map(_is_local, settings.binds)):
        return None
    return (
        f"{PREFIX}BIND={settings.bind} can be reached from other machines, and "
        f"{PREFIX}API_KEYS_FILE is not set: whoever reaches it may ask for predictions"
    )


def _is_local(bind: Bind) -> bool:
    return bool(bind.path) or is_loopback(bind.host)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address of a bind."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(plain_address(host.strip("[]"))).is_loopback
    except ValueError:  # a name, which may be any address
        return False


def _stop(setting: str, path: Path, problem: str) -> None:
    with exit_on_wrong_value():
        raise WrongSettingError(setting, path, problem)
