"""Measures everything: servers run side by side, idle, and are put under load in turn.

Whatever else the machine does meanwhile hits all of them.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tqdm import tqdm

from model_store import Golden
from model_store.operations.starter import STARTER
from tests.benchmarks import machine
from tests.benchmarks.cases import FLOOR, GEVENT_FLOOR, STOCK_FLOOR, Cost, Results, Run, Server
from tests.benchmarks.load import Wrk
from tests.benchmarks.models import NAMES, prepare
from tests.benchmarks.process_costs import cpu_s, pss_mib
from tests.benchmarks.runtime_rate import RuntimeAlone
from tests.benchmarks.servers import precision, start

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from model_store import ModelStore
    from tests.benchmarks.cases import Load
    from tests.service import Service

_WARM_UP_S = 1


def measure(
    place: Path,
    store: ModelStore,
    *,
    models: Sequence[str],
    runtimes: Sequence[str],
    loads: Sequence[Load],
    repeats: int,
    seconds: int,
    starts: int,
) -> Results:
    """Start everything, and measure every server under every load so many times.

    Args:
        place: Directory for logs and bodies.
        store: Gets the models.
        models: As `models.NAMES` calls them.
        runtimes: openvino, tensorflow.
        loads: What clients send.
        repeats: Runs of each.
        seconds: Length of a run.
        starts: Cold starts of each server.
    """
    servers = [FLOOR, STOCK_FLOOR]
    if find_spec("gevent") is not None:
        servers.append(GEVENT_FLOOR)
    servers += [Server(k, m, r) for m in models for r in runtimes for k in ("naive", "glyph")]
    bench = _Bench(place, store, loads, Results(machine.describe(), {}, repeats, seconds))
    pairs = [(server, load) for load in loads for server in servers if server.takes(load)]
    glyphs = sum(server.kind == "glyph" for server in servers)
    once = glyphs + len(pairs)
    with bench, bench.progress(len(models) + len(servers) * (starts + 1) + repeats * once):
        bench.prepare(models)
        bench.take_costs(servers, starts)
        bench.start(servers)
        for _ in range(repeats):
            bench.measure_runtimes()
            bench.measure_servers(pairs)
    return bench.results


class _Bench(contextlib.ExitStack):
    """What runs at the moment, and what was measured so far."""

    def __init__(
        self, place: Path, store: ModelStore, loads: Sequence[Load], results: Results
    ) -> None:
        super().__init__()
        self.results = results
        self._place = place
        self._store = store
        self._loads = loads
        self._wrk = Wrk(Golden.read(STARTER / "mnist" / "1").images, place)
        self._services: dict[Server, Service] = {}
        self._alone: list[RuntimeAlone] = []

    def progress(self, steps: int) -> tqdm:
        """Show a bar of so many steps."""
        self._bar = tqdm(total=steps, unit="step", disable=None)
        return self._bar

    def prepare(self, models: Sequence[str]) -> None:
        """Publish the models."""
        for name in self._steps(models, "model {}".format):
            version = int(prepare(self._store, name).name)
            metadata = self._store.metadata(NAMES[name], version)
            self.results.parameters[name] = metadata.parameter_count

    def take_costs(self, servers: Sequence[Server], starts: int) -> None:
        """Start every server some times, and note how long that takes and what it then holds.

        It is alone meanwhile: beside its like it would hold less, since they share libraries.
        """
        todo = [(server, number) for server in servers for number in range(starts)]
        for server, number in self._steps(todo, lambda one: f"start {_name(one[0])}"):
            service, seconds = start(server, self._store, self._log(server))
            with contextlib.closing(service):
                self.results.starts_s.append(Cost(server, seconds))
                if number == 0:
                    self._warm_up(service)
                    self.results.memory_mib.append(Cost(server, pss_mib(service.pids())))

    def start(self, servers: Sequence[Server]) -> None:
        """Start everything that is measured side by side."""
        for server in self._steps(servers, lambda server: f"start {_name(server)}"):
            service, _ = start(server, self._store, self._log(server))
            self.enter_context(contextlib.closing(service))
            self._services[server] = service
            self._warm_up(service)
            if server.kind == "glyph":
                self._add_runtime_alone(server, precision(service))

    def measure_runtimes(self) -> None:
        """Measure every runtime alone, once."""
        for alone in self._steps(self._alone, lambda _: "runtime alone"):
            self.results.rates += alone.measure()

    def measure_servers(self, pairs: Sequence[tuple[Server, Load]]) -> None:
        """Measure servers under loads, each pair once and in this order."""
        for server, load in self._steps(pairs, lambda pair: _name(pair[0])):
            service = self._services[server]
            before = cpu_s(service.pids())
            measured = self._wrk.run(service.url, load, self.results.seconds)
            spent = cpu_s(service.pids()) - before
            self.results.runs.append(Run(server, load, **asdict(measured), cpu_s=spent))

    def _warm_up(self, service: Service) -> None:
        """Put a server under the heaviest load that all can take, and forget what came of it."""
        load = [load for load in self._loads if load.format == "json"][-1]
        self._wrk.run(service.url, load, _WARM_UP_S)

    def _add_runtime_alone(self, server: Server, precision: str) -> None:
        name = NAMES[server.model]
        version = self._store.path(name, self._store.latest(name) or 1)
        log = self._log(server)
        alone = RuntimeAlone(server.model, server.runtime, precision, version, log)
        self._alone.append(self.enter_context(alone))

    def _log(self, server: Server) -> Path:
        return self._place / f"{_name(server)}.log"

    def _steps(self, things, label):
        """Go through things, and show where the work is."""
        for thing in things:
            self._bar.set_description(label(thing))
            yield thing
            self._bar.update()


def _name(server: Server) -> str:
    return " ".join(filter(None, (server.kind, server.model, server.runtime)))
