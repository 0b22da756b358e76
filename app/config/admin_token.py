"""The admin token as an operator sets it: in a variable, or in a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.config.wrong_settings import PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

_TOKEN = re.compile(r"[!-~]{16,256}")
_FORM = "16 to 256 printable ASCII characters without a space are expected"


def check_token(token: SecretStr) -> SecretStr:
    """Check a token that stands in a variable.

    Raises:
        ValueError: If it has another form; the message does not repeat it.
    """
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError(_FORM)
    return token


def read_token(path: Path) -> str:
    """Read a token from a file.

    Raises:
        ValueError: If the file cannot be read or holds none; the message does not repeat its
            content.
    """
    name = f"{PREFIX}ADMIN_TOKEN_FILE={str(path)!r}"
    try:
        token = path.read_text().strip()
    except OSError as exc:
        raise ValueError(f"{name}: cannot be read: {exc.strerror}") from exc
    except ValueError:
        token = ""
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"{name}: {_FORM}")
    return token
