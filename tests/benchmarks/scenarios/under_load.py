"""A service under the load of a closed loop, while something is done to it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.benchmarks.scenarios.images import as_json, real_images
from tests.benchmarks.scenarios.load import Closed
from tests.benchmarks.scenarios.report import failures
from tests.benchmarks.scenarios.stage import ENDLESS_S, Generators, passing, served
from tests.benchmarks.scenarios.variants import marked
from tests.service import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tests.benchmarks.scenarios.load import Measured
    from tests.benchmarks.scenarios.report import Report
    from tests.service import Service

_OK = 200
_LINGER_S = 1.0
"""So long clients go on when all has been seen."""


@dataclass(frozen=True, slots=True)
class Target:
    """The service, for whoever does something to it."""

    service: Service
    wait: Callable[[float], None]
    """Let so many seconds pass."""

    def host(self) -> int:
        """Return the host's process, as soon as there is one."""
        return int(wait_until(self._host, "the host runs"))

    def workers(self) -> list[int]:
        """Return the web workers, as soon as there are two."""
        return list(wait_until(self._workers, "two web workers run"))

    def _host(self) -> int | None:
        with contextlib.suppress(StopIteration, OSError):
            return int(self.service.host_pid())
        return None

    def _workers(self) -> list[int]:
        with contextlib.suppress(StopIteration, OSError):
            pids = sorted(self.service.worker_pids())
            return pids if len(pids) > 1 else []
        return []


def play(
    label: str,
    act: Callable[[Target], None],
    *,
    clients: int,
    seconds: float,
    leave_when_closed: bool = False,
    **settings: object,
) -> Measured:
    """Start a service and do something to it while clients ask about single images.

    Returns:
        What became of their requests, in the order of the answers.
    """
    stream = Closed(
        requests=[as_json(real_images()[:1])],
        clients=clients,
        seconds=seconds,
        leave_when_closed=leave_when_closed,
    )
    with served(**settings) as service, Generators(service.port) as generators:
        future = generators.start([stream])
        end = time.monotonic() + seconds
        with passing(label, seconds) as wait:
            act(Target(service, wait))
            wait(max(0.0, end - time.monotonic()))
        return future.result()


def longest_silence_s(records: NDArray[np.void]) -> float:
    """Return the longest time in which no prediction was answered."""
    done = records["done"][records["status"] == _OK]
    return float(np.diff(done).max()) if len(done) > 1 else float("nan")


def between(records: NDArray[np.void], start: float, end: float) -> NDArray[np.void]:
    """Return the requests sent between two moments."""
    return records[(records["sent"] >= start) & (records["sent"] < end)]


@contextlib.contextmanager
def asked_meanwhile(report: Report, name: str, service: Service, clients: int) -> Iterator[None]:
    """Have clients ask about single images while the block runs, and report what failed."""
    requests = [as_json(image[np.newaxis]) for image in marked("good-0", 8)]
    plan = Closed(requests=requests, clients=clients, seconds=ENDLESS_S)
    with Generators(service.port) as generators:
        with generators.load(plan) as running:
            yield
            time.sleep(_LINGER_S)
        records = running.result().records
    failed = failures(records)
    told = f"{failed or 0} of {len(records):,}"
    report.add(f"{name}: failed answers", told, "0", holds=not failed)
