"""Assembles the model host.

Two threads: one reads requests, computes batches and sends answers in turn, so that no request
passes between threads; the other polls the store and tries new versions. Where several batches may
be computed at the same time, each further stream is one more thread, which wakes when a full batch
is left over. One thing, as every part is named here once, with all that it is connected to.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from app.config.cpu import usable_cores
from app.config.run_dir import HOST_SOCKET, HOST_STARTS
from app.config.share import parse_shadow
from app.host.batching.batch_queue import BatchQueue
from app.host.batching.engine import Engine
from app.host.batching.statistics import Statistics
from app.host.lifecycle.auto_rollback import RollbackMonitor
from app.host.lifecycle.crash_journal import HostJournal
from app.host.lifecycle.intake import Intake
from app.host.lifecycle.poll_watchdog import PollWatchdog
from app.host.lifecycle.reconciler import ModelVersions
from app.host.lifecycle.watcher import StoreWatcher
from app.host.loading.loader import Loader
from app.host.loading.signature_check import signature_check
from app.host.loading.trial_process import TrialProcess, Trials
from app.host.machine.run_queue import waited_for_core_s
from app.host.metrics import HostMetrics
from app.host.runtimes.candidates import candidates
from app.host.shadow.metrics import ShadowMetrics
from app.host.shadow.shadow import Shadowing
from app.host.socket_server import HostServer
from app.host.watchdog import excess
from app.ipc.frame_limits import STATUS_BYTES
from app.ipc.frames import Refusal, Refused
from model_store import StoreError, open_store
from model_store.operations.starter import seed
from model_store.stores.bounded import bounded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.config.settings import Settings
    from app.host.batching.jobs import Batch
    from app.host.batching.reply import Reply
    from app.host.worker_connection import WorkerConnection
    from app.ipc.frames import Predict
    from app.ipc.status import HostStatus
    from model_store import Metadata, Store

log = logging.getLogger(__name__)

_LAST_BATCH_S = 2.0
_HANDOVER_S = 4.0
"""How long a host keeps serving while the next one loads its versions."""
_COMPUTING = 0.3
"""A stuck batch counts as computing if it uses so much of a core; beside busy processes it may get
no more."""


class HostService:
    """All parts of the model host, without the process that it runs in."""

    def __init__(self, settings: Settings, run_dir: Path) -> None:
        self._settings = settings
        cores = usable_cores()
        queue = BatchQueue(
            settings.queue_limit, settings.max_batch, settings.count_core_sparing_streams(cores)
        )
        registry = CollectorRegistry()
        self._metrics = HostMetrics(registry, waiting=lambda: queue.waiting)
        self._metrics.restarts.inc(_count_start(run_dir / HOST_STARTS))
        self.journal = HostJournal(run_dir)
        """Written by the previous host, and by this one for the next."""
        open_ = partial(open_store, settings.store, settings.cache_dir, settings.cache_mib * 2**20)
        store = bounded(open_)
        self._server = HostServer(run_dir / HOST_SOCKET, self, settings.largest_frame_bytes)
        streams = settings.count_streams(cores)
        self._statistics = Statistics()
        self._engine = Engine(
            queue,
            self._metrics,
            statistics=self._statistics,
            wait_s=settings.batch_wait_ms / 1000,
            answer_misfit=settings.frame_bounds.answer_misfit,
        )
        self._shadowing = Shadowing(
            self._engine.submit_to_background, self._engine.loaded, ShadowMetrics(registry)
        )
        self._engine.on_answered = self._shadowing.answered
        self._engine.on_computing = lambda version: self.journal.computing(
            version.description.digest
        )
        self._models: list[str] = []
        """In the order of the status: web workers address a model by its index."""
        self._watcher = self._make_watcher(store, streams)
        self._engine.on_routed = self._watcher.routed
        self._engine.on_retired = lambda model, _version: self._watcher.routed(model)
        self._announce(self._watcher.status())
        self._heartbeats = 0
        self._oldest: Batch | None = None
        self._stuck_cpu_s = 0.0
        """CPU time of this process when the oldest batch was first seen."""
        self._streams = [
            threading.Thread(target=self._engine.run, name=f"stream {number}", daemon=True)
            for number in range(1, streams)
        ]
        watching = threading.Thread(
            target=_seed_and_watch,
            name="watcher",
            args=(store, settings, self._watcher),
            daemon=True,
        )
        self._threads = [
            threading.Thread(target=self._server.run, name="server", daemon=True),
            watching,
        ]
        self._poll_watchdog = PollWatchdog(
            self._metrics.poll_age_s, self._watcher.overdue, watching
        )

    def start(self) -> None:
        """Listen, and start to load versions."""
        self._server.listen()
        for thread in self._threads + self._streams:
            thread.start()
        threading.Thread(target=self._poll_watchdog.run, name="poll watchdog", daemon=True).start()

    def close(self) -> None:
        """Keep serving until the web workers have gone, or the graceful time is over; then stop.

        If the next host is there already, it gets time to load its versions.
        """
        deadline = time.monotonic() + self._settings.graceful_timeout_s
        handed_over = False
        while self._server.connected and time.monotonic() < deadline:
            if not handed_over and self._server.is_succeeded:  # this one's supervisor was killed
                handed_over = True
                deadline = min(deadline, time.monotonic() + _HANDOVER_S)
            time.sleep(0.05)
        self._watcher.stop()
        self._end_streams()
        self._server.close()
        for thread in self._threads:
            thread.join(timeout=5)
        self.journal.close()

    def heartbeats(self) -> int:
        """Return a number that grows while the server's loop turns and no batch hangs."""
        seen, self._oldest = self._oldest, self._engine.oldest()
        if self._oldest is None or self._oldest is not seen:
            self._heartbeats = self._server.heartbeats
            self._stuck_cpu_s = time.process_time()
        return self._heartbeats

    def waited_for_core_s(self) -> float:
        """Return the seconds that the server's thread has waited for a core so far."""
        thread = self._threads[0].native_id
        return waited_for_core_s(thread) if thread is not None else 0.0

    def give_up(self) -> None:
        """End at once; record a version that computes without an end for the next host.

        One that is stuck and computes nothing may be waiting for a resource of this machine.
        """
        batch = self._engine.oldest()
        loaded = batch and self._engine.computes(batch)
        computed_s = time.process_time() - self._stuck_cpu_s
        if (
            loaded
            and batch is self._oldest
            and computed_s > _COMPUTING * self._settings.host_timeout_s
        ):
            self.journal.strike(
                loaded.description.digest,
                f"it computed one batch for {computed_s:.0f} s without an end",
            )
        self.stop()

    def stop(self) -> None:
        """End at once, after the batch in progress; web workers retry with the next host."""
        self._end_streams()
        self._server.close()
        self._threads[0].join(timeout=_LAST_BATCH_S)

    def predict(self, request: Predict, reply_to: Reply) -> Refused | None:
        """Admit a request, or return why not."""
        if not self._knows(request.model):
            return Refused(Refusal.NOT_FOUND, 0.0, f"there is no model number {request.model}")
        return self._engine.submit(
            request.rows,
            request.pixels,
            request.deadline,
            reply_to,
            model=self._models[request.model],
            version=request.version,
            or_default=request.or_default,
        )

    def cancel(self, reply_to: Reply) -> None:
        """End a request that no caller waits for any more."""
        self._engine.cancel([reply_to])

    def gone(self, connection: WorkerConnection) -> None:
        """End the requests of a web worker that has disconnected."""
        pending = self._engine.pending_replies()
        self._engine.cancel(reply for reply in pending if reply.receiver is connection)

    def work(self) -> float | None:
        """Compute a batch, if one is due; return the seconds until the next call, or None."""
        return self._engine.step()

    def metrics(self) -> bytes:
        """Render the host's metrics in Prometheus' text format."""
        return self._metrics.exposition()

    def statistics(self) -> bytes:
        """Return the counts and durations of each version, as JSON."""
        return self._statistics.render()

    def example(self, model: int, version: int) -> bytes | None:
        """Return the pixels of a golden image of a version; None if it is not loaded."""
        known = self._engine.loaded(self._models[model], version) if self._knows(model) else None
        return known.example if known is not None else None

    def _knows(self, model: int) -> bool:
        return model < len(self._models)

    def _misfit(self, metadata: Metadata) -> str | None:
        bounds, status_bytes = self._settings.frame_bounds, self._server.status_bytes
        return bounds.version_misfit(metadata.input.shape, metadata.classes, status_bytes)

    def _make_watcher(self, store: Store, streams: int) -> StoreWatcher:
        settings, engine = self._settings, self._engine
        runtimes = partial(
            candidates,
            settings.runtime,
            settings.precision,
            threads=settings.runtime_threads,
            streams=streams,
        )
        loader = Loader(
            runtimes,
            max_batch=settings.max_batch,
            check_signature=signature_check(settings.public_key_paths),
            misfit=self._misfit,
        )
        trials = Trials(
            TrialProcess,
            lambda: self._watcher.wake(),  # noqa: PLW0108 - there is none yet
            timeout_s=settings.trial_timeout_s,
            memory_mib=settings.trial_memory_mib,
        )
        rollback_monitor = RollbackMonitor(
            store,
            engine.submit_to_background,
            lambda model, version: self._metrics.failures[model, version],
            window_s=settings.auto_rollback_s,
        )

        def make(name: str, notify: Callable[[], None]) -> ModelVersions:
            return ModelVersions(
                store,
                name,
                policy=settings.policy_of(name),
                intake=Intake(
                    store,
                    name,
                    loader=loader,
                    trials=trials,
                    journal=self.journal,
                ),
                excess=partial(excess, settings.host_limit_mib),
                journal=self.journal,
                engine=engine,
                notify=notify,
                observer=self._metrics,
                rollback_monitor=rollback_monitor if settings.auto_rollback_s else None,
                shadow=parse_shadow(settings.shadow) if settings.shadow else None,
            )

        return StoreWatcher(
            store,
            settings.model,
            settings.model_names,
            make=make,
            announce=self._announce,
            observer=self._metrics,
            yields_to_others=settings.runtime_threads == 1,
        )

    def _end_streams(self) -> None:
        """Finish the batches in progress, before the connections are closed."""
        self._engine.stop()
        deadline = time.monotonic() + _LAST_BATCH_S
        for thread in self._streams:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))

    def administer(self, request: bytes, connection: WorkerConnection, request_id: int) -> None:
        """Pass an operator's command to the watcher."""

        def reply(outcome: dict[str, Any]) -> None:
            self._server.reply(connection, request_id, json.dumps(outcome).encode())

        try:
            self._watcher.submit(json.loads(request), reply)
        except ValueError as exc:
            reply({"ok": False, "error": f"no JSON: {exc}", "change": None})

    def _announce(self, status: HostStatus) -> None:
        self._models = [model.name for model in status.models]
        for model in status.models:
            version, percent = (s.version, s.percent) if (s := model.shadow) else (None, 0)
            self._shadowing.configure(model.name, version, percent, model.default)
        message = status.model_dump_json().encode()
        if len(message) > 2 * STATUS_BYTES:
            message = status.brief().model_dump_json().encode()
        self._server.announce(message)


def _seed_and_watch(store: Store, settings: Settings, watcher: StoreWatcher) -> None:
    _seed(store, settings.model)
    watcher.run(settings.poll_every_s)


def _seed(store: Store, model: str) -> None:
    try:
        version = seed(store, model)
    except (StoreError, OSError) as exc:
        log.warning("the starter model could not be put into %s: %s", store.location, exc)
        return
    if version is not None:
        log.info("%s was empty: the starter model is its version %d", store.location, version)


def _count_start(path: Path) -> int:
    """Add a byte to the file of starts; return the number of earlier starts."""
    with path.open("ab") as stream:
        stream.write(b".")
    return path.stat().st_size - 1
