"""Log lines: JSON for programs, text for people."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from logging.config import DictConfigurator

import pytest

from app.telemetry.logs import left_out_notice, logging_config


def formatter(kind: str) -> logging.Formatter:
    """Build a formatter as the configuration describes it, and leave the process's logging be."""
    config = logging_config("info", "json")
    return DictConfigurator(config).configure_formatter(config["formatters"][kind])


def record(message: str, *args: object, level: str = "WARNING", **fields: object):
    known = {"name": "app.web", "levelname": level, "msg": message, "args": args, "process": 7}
    return logging.makeLogRecord(known | fields)


def test_a_line_is_one_json_object():
    """With level, logger, process and message, and whatever the event has beside."""
    line = formatter("json").format(record("%s took %d ms", "GET /", 3, route="/", status=200))

    document = json.loads(line)
    document.pop("time")
    assert {
        "level": "WARNING",
        "logger": "app.web",
        "process": 7,
        "message": "GET / took 3 ms",
        "route": "/",
        "status": 200,
    } == document


def test_a_line_has_its_time_with_its_zone():
    """That of the event, not of the writing."""
    line = formatter("json").format(record("x", created=1_700_000_000.25))

    time = datetime.fromisoformat(json.loads(line)["time"])
    assert datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC) == time


def test_a_message_of_many_lines_is_still_one_line():
    """Nobody can forge a line, and every script can be read."""
    line = formatter("json").format(record('one\ntwo "three" ünï ☃'))

    assert "\n" not in line
    assert 'one\ntwo "three" ünï ☃' == json.loads(line)["message"]


def test_an_exception_is_in_its_line():
    """The traceback is a field, so that it stays with its event."""
    problem = ZeroDivisionError("by nothing")
    line = formatter("json").format(record("failed", exc_info=(type(problem), problem, None)))

    assert "\n" not in line
    assert json.loads(line)["exc_info"].endswith("ZeroDivisionError: by nothing")


def test_text_is_for_people():
    """Time of day, level and message."""
    line = formatter("text").format(record("hello", level="INFO", created=0))

    assert line.endswith(" INFO    hello")
    assert 8 == len(line.partition(" ")[0])


@pytest.mark.parametrize(
    ("log_format", "on_a_terminal", "expected"),
    [
        ("auto", True, "text"),
        ("auto", False, "json"),
        ("json", True, "json"),
        ("text", False, "text"),
    ],
)
def test_the_format_follows_the_setting_or_the_terminal(
    monkeypatch, log_format, on_a_terminal, expected
):
    """What is not said is guessed by who reads."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: on_a_terminal)
    handlers = logging_config("info", log_format)["handlers"]

    assert [expected] == [handler["formatter"] for handler in handlers.values()]


def test_the_level_is_the_roots():
    """What gunicorn tells of itself is only let through when it is trouble."""
    config = logging_config("debug", "json")

    assert ("DEBUG", "WARNING") == (
        config["root"]["level"],
        config["loggers"]["gunicorn.error"]["level"],
    )


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_lines_that_are_missing_are_told_in_the_logs_own_form(log_format):
    """Making the line leaves the configuration as it was."""
    config = logging_config("info", log_format)
    line = left_out_notice(config)(7)

    message = "7 log lines were dropped: the log was not read, or there was no room for it"
    assert (message in line, "\n") == (True, line[-1])
    assert log_format == "text" or message == json.loads(line)["message"]
    assert logging_config("info", log_format) == config
