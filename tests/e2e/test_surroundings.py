"""What breaks around a service, and is mended while it serves on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.certificates import make_certificate
from tests.service import SERVE, Service, wait_until


def killed(pid):
    """Kill a process, and wait until it has gone."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}/cwd").exists(), "the process has gone")


def fill_up(directory):
    """Write until nothing more fits."""
    with (directory / "fill").open("wb", buffering=0) as fill, suppress(OSError):
        while True:
            fill.write(bytes(4096))


def served_by_another_host(service, before):
    """Wait until a host serves that is none of those."""

    def found():
        try:
            return service.host_pid() not in before and service.get("/readyz").ok
        except (StopIteration, requests.ConnectionError):
            return False

    wait_until(found, "another host serves")
    return service.predict(service.get("/example").json()).ok


@pytest.mark.parametrize("worker_goes_by", [signal.SIGKILL, signal.SIGHUP])
def test_a_host_starts_whatever_became_of_a_web_worker(start, worker_goes_by):
    """What the master does for dead workers, its later forks do not inherit."""
    service = start()
    worker, arbiter, host = service.worker_pids()[0], service.arbiter_pid(), service.host_pid()
    if worker_goes_by == signal.SIGHUP:
        service.process.send_signal(signal.SIGHUP)
    else:
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: worker not in service.worker_pids(), "the worker has gone")
    killed(arbiter)
    os.kill(host, signal.SIGKILL)

    assert served_by_another_host(service, {host})
    assert b"prometheus" not in Path(f"/proc/{service.process.pid}/maps").read_bytes()


def test_a_run_directory_that_is_removed_is_made_again(start, tmp_path):
    """No death of a process, and no SIGHUP, ends the master for that."""
    run_dir = tmp_path / "run"
    service = start(run_dir=run_dir)
    shutil.rmtree(run_dir / "metrics")
    killed(service.worker_pids()[0])
    assert served_by_another_host(service, set())
    host = service.host_pid()
    shutil.rmtree(run_dir)
    killed(host)
    assert served_by_another_host(service, {host})
    service.process.send_signal(signal.SIGHUP)

    assert served_by_another_host(service, {host})
    assert 200 == service.get("/metrics").status_code
    assert "failed to boot" not in service.log.read_text()


def test_a_full_run_directory_costs_counts_only(start, tmp_path):
    """Workers that start then serve, and nothing dies of a page without room."""
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=640k", "tmpfs", run_dir]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        service = start(run_dir=run_dir, rate_limit="100000/minute")
        fill_up(run_dir)
        victim = service.worker_pids()[0]
        killed(victim)
        wait_until(lambda: len({*service.worker_pids()} - {victim}) == 2, "both workers run")
        pids = {*service.worker_pids()} - {victim}
        for number in range(200):
            service.get(f"/v1/models/{number}")

        assert service.get("/metrics").ok
        assert pids == set(service.worker_pids())
        assert "SIGBUS" not in service.log.read_text()
    finally:
        service.close()
        subprocess.run(["umount", run_dir], check=True)


def test_a_second_service_in_a_run_directory_is_refused(start, tmp_path):
    """In one line; when the first has been killed, the next takes it over."""
    first = start(run_dir=tmp_path / "run")
    with Service(tmp_path / "models", tmp_path / "second", run_dir=tmp_path / "run") as second:
        assert 2 == second.process.wait(30)
    (line,) = second.log.read_text().splitlines()
    assert f"another service uses it (process {first.process.pid})" in line
    assert first.get("/readyz").ok
    first.process.kill()
    first.process.wait()
    third = start(run_dir=tmp_path / "run")

    assert third.predict(third.get("/example").json()).ok


def test_a_log_that_nobody_reads_holds_nothing_up(tmp_path):
    """Nor the end of the service."""
    service = Service(tmp_path / "models", tmp_path / "log", access_log="all", web_workers=1)
    reader, writer = os.pipe()
    service.process = subprocess.Popen(
        SERVE, env=os.environ | service.environ, stdout=writer, stderr=writer
    )
    try:
        service.ready()
        for _ in range(600):
            assert service.get("/healthz").ok
        found = os.read(reader, 1 << 20).decode()
        service.get("/healthz")
        found += os.read(reader, 1 << 20).decode()
    finally:
        assert 0 == service.stop()
        os.close(reader)
        os.close(writer)

    assert "log lines were dropped" in found


def test_a_certificate_that_breaks_is_not_taken(start, tmp_path):
    """Web workers start with the one that was good, until there is another."""
    certificate = make_certificate(tmp_path / "tls")
    service = start(certificate=certificate)
    service.trusted = str(shutil.copy(certificate.cert, tmp_path / "trusted.pem"))
    Path(certificate.cert).write_text("broken")
    before = set(service.worker_pids())
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not before & set(service.worker_pids()), "the workers were replaced")

    assert service.get("/readyz").ok
    assert "certificate not reloaded" in service.log.read_text()
    renewed = make_certificate(tmp_path / "renewed")
    shutil.copy(renewed.cert, certificate.cert)
    shutil.copy(renewed.key, certificate.key)
    before = set(service.worker_pids())
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not before & set(service.worker_pids()), "the workers were replaced")
    service.trusted = renewed.cert

    assert service.get("/readyz").ok
