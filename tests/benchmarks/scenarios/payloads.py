"""What do payloads get that are meant to do harm, and how is the service afterwards?"""

from __future__ import annotations

import json
import re
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

import click
from tqdm import tqdm

from tests.benchmarks.scenarios.attacks import attacks
from tests.benchmarks.scenarios.processes import pss_mib, usages
from tests.benchmarks.scenarios.report import Report
from tests.benchmarks.scenarios.stage import json_option, served

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.benchmarks.scenarios.attacks import Attack
    from tests.service import Service

_PATIENCE_S = 20.0
_GROWTH_MIB = 32.0
_RIGHT = "7"
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_QUOTE_LENGTH = 110


class Outcome(NamedTuple):
    """What came of one attack."""

    status: int
    """0 is no answer."""
    told: str
    seconds: float


@click.command()
@click.option("--rounds", default=3, show_default=True, help="All of them so often.")
@click.option("--only", default="", help="Those with this in their name.")
@json_option
def payloads(rounds: int, only: str, json_path: Path | None) -> None:
    """Send a hundred bad requests, and ask for a right prediction after each.

    Memory is compared after the first round and after the last: what the first round made is kept
    for use again, and must not grow.

    python -m tests.benchmarks.scenarios payloads --rounds 1
    """
    held: list[float] = []
    outcomes: dict[str, list[Outcome]] = {}
    allowed: dict[str, tuple[int, ...]] = {}
    wrong = 0
    with served(web_workers=1) as service:
        before, pids = pss_mib(usages(service)), service.pids()
        for number in range(1, rounds + 1):
            chosen = (attack for attack in attacks() if only in attack.name)
            for attack in tqdm(chosen, desc=f"round {number}", leave=False, disable=None):
                allowed[attack.name] = attack.statuses
                outcomes.setdefault(attack.name, []).append(_send(service.port, attack))
                wrong += not _well(service)
            held.append(pss_mib(usages(service)))
        survived = set(pids) == set(service.pids())
    report = _report(outcomes, allowed)
    report.add("wrong or missing predictions in between", f"{wrong}", "0", holds=not wrong)
    report.add("processes", "the same" if survived else "others", "the same", holds=survived)
    growth = held[-1] - held[0]
    report.add("memory before (PSS)", f"{before:.0f} MiB")
    report.add("after the first round", f"{held[0]:.0f} MiB")
    report.add(
        f"after round {rounds}",
        f"{held[-1]:.0f} MiB",
        f"at most {_GROWTH_MIB:.0f} MiB more than after the first",
        holds=growth <= _GROWTH_MIB,
    )
    report.finish(json_path)


def _report(outcomes: dict[str, list[Outcome]], allowed: dict[str, tuple[int, ...]]) -> Report:
    report = Report(f"{len(outcomes)} payloads that are meant to do harm")
    for name, found in outcomes.items():
        statuses = {outcome.status for outcome in found}
        longest_ms = max(outcome.seconds for outcome in found) * 1000
        told = found[0].told.replace("|", "\\|")
        measured = f"{_names(statuses)} in at most {longest_ms:,.0f} ms: {told}"
        report.add(name, measured, _names(allowed[name]), holds=statuses <= set(allowed[name]))
    return report


def _names(statuses: Iterable[int]) -> str:
    return " or ".join(str(status or "no answer") for status in sorted(statuses))


def _send(port: int, attack: Attack) -> Outcome:
    """Send an attack over a connection of its own; gives what came back."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as connection:
        try:
            answer = _converse(connection, attack)
        except OSError as exc:
            return Outcome(0, type(exc).__name__, time.monotonic() - started)
    seconds = time.monotonic() - started
    status = _STATUS.match(answer)
    if status is None:
        return Outcome(0, "no answer", seconds)
    return Outcome(int(status[1]), _told(answer), seconds)


def _converse(connection: socket.socket, attack: Attack) -> bytes:
    for piece in attack.pieces:
        try:
            connection.sendall(piece)
        except OSError:
            if attack.then != "on and on":
                raise
            break
        if attack.then == "on and on" and _arrived(connection):
            break
    if attack.then == "close":
        return b""
    return b"".join(_received(connection))


def _arrived(connection: socket.socket) -> bool:
    connection.setblocking(False)  # noqa: FBT003 - its only argument
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(_PATIENCE_S)


def _received(connection: socket.socket) -> Iterator[bytes]:
    """Receive one answer; what is left on a connection that is closed counts too."""
    whole = b""
    while True:
        try:
            piece = connection.recv(65_536)
        except ConnectionResetError:
            return
        if not piece:
            return
        yield piece
        whole += piece
        head, end, body = whole.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if end and length is not None and len(body) >= int(length[1]):
            return


def _told(answer: bytes) -> str:
    body = answer.partition(b"\r\n\r\n")[2]
    try:
        told = str(json.loads(body).get("error", "a prediction"))
    except ValueError:
        told = " ".join(body.decode(errors="replace").split())
    return told if len(told) <= _QUOTE_LENGTH else f"{told[:_QUOTE_LENGTH]}…"


def _well(service: Service) -> bool:
    answer = service.predict(service.get("/example").json())
    return answer.ok and answer.json()["predictions"][0]["label"] == _RIGHT
