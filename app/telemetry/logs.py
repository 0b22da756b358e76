"""How every process of the service logs: one JSON object per line, or text on a terminal."""

from __future__ import annotations

import logging
import sys
from logging.config import DictConfigurator
from typing import TYPE_CHECKING, Any, Literal

from gunicorn.glogging import Logger

if TYPE_CHECKING:
    from collections.abc import Callable

LogFormat = Literal["auto", "json", "text"]


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logger without its access log: the application logs requests itself.

    Given a logging configuration, gunicorn gathers every request's line even if nobody reads it.
    """

    access_log_enabled = False


def logging_config(level: str, log_format: LogFormat) -> dict[str, Any]:
    """Build the dictConfig that the gunicorn master applies; what it forks inherits it."""
    as_text = log_format == "text" or (log_format == "auto" and sys.stdout.isatty())
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.orjson.OrjsonFormatter",
                "fmt": ["levelname", "name", "process", "message"],
                "rename_fields": {"levelname": "level", "name": "logger"},
                "timestamp": "time",
            },
            "text": {"format": "%(asctime)s %(levelname)-7s %(message)s", "datefmt": "%H:%M:%S"},
        },
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "text" if as_text else "json",
            }
        },
        "root": {"level": level.upper(), "handlers": ["stdout"]},
        "loggers": {
            # gunicorn logs every process it starts; only problems are of interest.
            "gunicorn.error": {"level": "WARNING", "handlers": ["stdout"], "propagate": False},
        },
    }


def left_out_notice(config: dict[str, Any]) -> Callable[[int], str]:
    """Return what makes the line that stands for lines that could not be written."""
    kind = config["handlers"]["stdout"]["formatter"]
    formatter = DictConfigurator({}).configure_formatter(dict(config["formatters"][kind]))

    def notice(count: int) -> str:
        found = "%d log lines were dropped: the log was not read, or there was no room for it"
        event = {"name": __name__, "levelname": "WARNING", "msg": found, "args": (count,)}
        return formatter.format(logging.makeLogRecord(event)) + "\n"

    return notice
