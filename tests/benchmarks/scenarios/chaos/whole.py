"""Is the service whole: every process is there, and every web worker answers and is ready?"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tests.benchmarks.scenarios.chaos.asking import judge_of, steady_load
from tests.benchmarks.scenarios.chaos.ground import WORKERS
from tests.benchmarks.scenarios.chaos.judging import ANSWER, FRONTS
from tests.benchmarks.scenarios.sockets import client_ports
from tests.benchmarks.scenarios.wire import LostError, connect, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.scenarios.chaos.ground import Ground
    from tests.benchmarks.scenarios.wire import Connection

    Trouble = str | None
    """What is missing, in a sentence; None where nothing is."""

_CONNECTIONS = 32
"""After so many, it is no chance that a worker got none of them."""
_PATIENCE_S = 5.0
_LOOK_EVERY_S = 0.05
_OK = 200


class Inspector:
    """Looks whether a service is whole."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._judge = judge_of(FRONTS[0])
        self._question = steady_load()[0].requests[0]

    def wait(self, settled: Callable[[], Trouble], patience_s: float) -> tuple[float, Trouble]:
        """Wait until the service is whole and an event has settled.

        Returns:
            How long it took, and what is still missing where that was not soon enough.
        """
        start = time.monotonic()
        while trouble := self.trouble() or settled():
            if time.monotonic() - start > patience_s:
                return time.monotonic() - start, trouble
            time.sleep(_LOOK_EVERY_S)
        return time.monotonic() - start, None

    def trouble(self) -> Trouble:
        """Return what is missing."""
        family = self._ground.family()
        for role in ("arbiter", "host"):
            if not family.members(role):
                return f"there is no {role}"
        if len(family.workers) != WORKERS:
            return f"there are {len(family.workers)} web workers"
        if strays := self._ground.strays():
            return f"process {strays[0]} goes on though its parent is gone"
        try:
            return asyncio.run(self._ask_every(set(family.workers)))
        except (OSError, LostError, TimeoutError) as exc:
            return f"a new connection: {exc!r}"

    async def _ask_every(self, missing: set[int]) -> Trouble:
        """Open connections until each worker has one, and ask over each."""
        opened: list[Connection] = []
        try:
            while missing and len(opened) < _CONNECTIONS:
                async with asyncio.timeout(_PATIENCE_S):
                    opened.append(await connect(self._ground.service.port))
                    if trouble := await self._ask(opened[-1]):
                        return trouble
                missing = {w for w in missing if opened[-1].port not in client_ports(w)}
        finally:
            for connection in opened:
                connection.close()
        return f"web worker {min(missing)} takes no connection" if missing else None

    async def _ask(self, connection: Connection) -> Trouble:
        reply = await connection.ask(self._question)
        said = self._judge(0, reply)
        if not said.startswith(ANSWER):
            return f"a prediction is {said} ({reply.body[:200].decode(errors='replace').strip()})"
        ready = await connection.ask(request("/readyz"))
        if ready.status != _OK:
            return f"/readyz says {ready.body[:200].decode(errors='replace').strip()}"
        return None
