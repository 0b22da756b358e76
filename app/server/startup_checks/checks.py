"""Every check of a start, in order; the first that fails ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.config.wrong_settings import exit_on_wrong_value
from app.server.startup_checks.access import check_access_files
from app.server.startup_checks.addresses import check_addresses
from app.server.startup_checks.directories import check_cache_dir, check_run_dir, check_store
from app.server.startup_checks.open_files import connections_within_limit
from app.server.startup_checks.public_keys import check_public_keys
from app.server.startup_checks.runtimes import check_runtime

if TYPE_CHECKING:
    from app.config.settings import Settings
    from app.server.startup_checks.held_certificate import HeldCertificate


def check_start(settings: Settings) -> HeldCertificate | None:
    """End the process with one line and exit code 2 if it can never serve with these settings.

    Returns:
        The certificate to serve with; None where none is set.
    """
    check_public_keys(settings)
    certificate = check_access_files(settings)
    with exit_on_wrong_value():
        connections_within_limit()
        check_runtime(settings.runtime)
        check_store(settings.store)
        check_cache_dir(settings.cache_dir, used="://" in settings.store)
        check_addresses(settings.bind)
        check_run_dir(settings.run_dir)
    return certificate
