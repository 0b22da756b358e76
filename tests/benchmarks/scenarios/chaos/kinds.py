"""Every kind of event: how it is made, when the service must be whole again, what it may cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.scenarios.chaos import processes, rude, surroundings, versions
from tests.benchmarks.scenarios.chaos.done import Done
from tests.benchmarks.scenarios.chaos.ground import Ground
from tests.benchmarks.scenarios.chaos.plan import Event

Act = Callable[[Ground, Event], Done]
_SWAP_S, _TRIAL_S = 10, 30
"""Until a good version serves; until a bad one is refused, which may take all of its trial."""

_LAST_ANSWERS_S = 20
"""A host without a supervisor answers on for as long as the service may take to end, and ends."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event."""

    act: Act
    whole_s: float
    """The service must be whole again so soon after the event has ended, where cores are free."""
    refuses: bool = False
    """Requests may be refused meanwhile; otherwise none may fail."""


KINDS = {
    "kill worker": Kind(processes.kill_worker, 5),
    "kill host": Kind(processes.kill_host, 10, refuses=True),
    "kill arbiter": Kind(processes.kill_arbiter, _LAST_ANSWERS_S, refuses=True),
    "kill pair": Kind(processes.kill_pair, _LAST_ANSWERS_S, refuses=True),
    "kill all": Kind(processes.kill_all, _LAST_ANSWERS_S, refuses=True),
    "stop worker": Kind(processes.stop_worker, 5, refuses=True),
    "stop host": Kind(processes.stop_host, 10, refuses=True),
    "stop arbiter": Kind(processes.stop_arbiter, 10, refuses=True),
    "SIGHUP": Kind(processes.sighup, 10),
    "kill trial": Kind(processes.kill_trial, _TRIAL_S),
    "publish good": Kind(versions.publish_good, _SWAP_S),
    "publish bad": Kind(versions.publish_bad, _TRIAL_S),
    "publish misbehaving": Kind(versions.publish_misbehaved, _TRIAL_S),
    "kill publisher": Kind(versions.kill_publisher, _SWAP_S),
    "pin": Kind(versions.pin, _SWAP_S),
    "rollback": Kind(versions.rollback, _SWAP_S),
    "store away": Kind(surroundings.store_away, 5),
    "store hidden": Kind(surroundings.store_hidden, 5),
    "store closed": Kind(surroundings.store_closed, 5),
    "store full": Kind(surroundings.store_full, 5),
    "run directory full": Kind(surroundings.run_dir_full, 5),
    "clock jumps": Kind(surroundings.clock_jumps, 5),
    "cores taken": Kind(surroundings.cores_taken, 5),
    "half requests": Kind(rude.half_requests, 5),
    "resets": Kind(rude.resets, 5),
    "slow clients": Kind(rude.slow_clients, 5),
    "never reading": Kind(rude.never_reading, 5),
}
