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

    import numpy as np
    from numpy.typing import NDArray

    from tests.benchmarks.cases import Format, Load

SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = os.getenv("CONTENT_TYPE")
local file = io.open(os.getenv("BODY"), "rb")
wrk.body = file:read("*a")
file:close()

function done(summary, latency)
  local errors = summary.errors
  io.write("RESULT ", string.format(
    '{"requests": %d, "microseconds": %d, "p50_us": %d, "p99_us": %d, "failures": %d}',
    summary.requests - errors.status, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout), "\\n")
end
"""
CONTENT_TYPES: dict[Format, str] = {"json": "application/json", "raw": "application/octet-stream"}
TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of wrk."""

    requests: int
    """Answered well."""
    seconds: float
    p50_ms: float
    p99_ms: float
    failures: int


class Wrk:
    """The load generator from Debian's package of that name."""

    def __init__(self, images: NDArray[np.uint8], place: Path) -> None:
        """Prepare to send these images, of shape (n, rows, columns, 1), over and over."""
        if shutil.which("wrk") is None:
            sys.exit("wrk is needed: apt-get install wrk")
        self._images = images
        self._place = place
        self._script = place / "post.lua"
        self._script.write_text(SCRIPT)

    def run(self, url: str, load: Load, seconds: int) -> Measured:
        """Send the same body again and again over so many connections."""
        command = ["wrk", "--threads", "1", "--connections", str(load.connections)]
        command += ["--timeout", f"{TIMEOUT_S}s", "--duration", f"{seconds}s"]
        command += ["--script", str(self._script), f"{url}/predict"]
        env = {"BODY": str(self._body(load)), "CONTENT_TYPE": CONTENT_TYPES[load.format]}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        return parse(done.stdout)

    def _body(self, load: Load) -> Path:
        path = self._place / f"{load.images}.{load.format}"
        if not path.exists():
            path.write_bytes(encode(self._images, load))
        return path


def encode(images: NDArray[np.uint8], load: Load) -> bytes:
    """Make a body of as many images as the load has, starting again where they run out."""
    chosen = images[[n % len(images) for n in range(load.images)]]
    if load.format == "raw":
        return chosen.tobytes()
    return json.dumps({"instances": chosen[..., 0].tolist()}).encode()


def parse(output: str) -> Measured:
    """Read what the script wrote at the end of a run.

    Raises:
        ValueError: If it wrote nothing, since the run broke off.
    """
    line = next((x for x in output.splitlines() if x.startswith("RESULT ")), None)
    if line is None:
        raise ValueError(f"wrk gave no result: {output.strip()}")
    result = json.loads(line.removeprefix("RESULT "))
    return Measured(
        requests=result["requests"],
        seconds=result["microseconds"] / 1e6,
        p50_ms=result["p50_us"] / 1000,
        p99_ms=result["p99_us"] / 1000,
        failures=result["failures"],
    )
