"""Puts a server under load with wrk and reads what it measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open(os.getenv("BODY"), "rb")
wrk.body = file:read("*a")
file:close()

function done(summary, latency)
  local errors = summary.errors
  io.write("RESULT ", string.format(
    '{"requests": %d, "microseconds": %d, "p50_us": %d, "p99_us": %d, "failures": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout), "\\n")
end
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failures: int


class Wrk:
    """The load generator from Debian's package of that name."""

    def __init__(self, body: bytes, place: Path) -> None:
        if shutil.which("wrk") is None:
            sys.exit("wrk is needed: apt-get install wrk")
        self._body = place / "body.json"
        self._body.write_bytes(body)
        self._script = place / "post.lua"
        self._script.write_text(SCRIPT)

    def run(self, url: str, connections: int, seconds: int) -> Measured:
        """Send the body again and again over so many connections."""
        command = ["wrk", "--threads", "1", "--connections", str(connections)]
        command += ["--duration", f"{seconds}s", "--script", str(self._script), f"{url}/predict"]
        done = subprocess.run(
            command, env={"BODY": str(self._body)}, capture_output=True, text=True, check=True
        )
        line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT "))
        result = json.loads(line.removeprefix("RESULT "))
        return Measured(
            requests_per_s=result["requests"] / result["microseconds"] * 1e6,
            p50_ms=result["p50_us"] / 1000,
            p99_ms=result["p99_us"] / 1000,
            failures=result["failures"],
        )
