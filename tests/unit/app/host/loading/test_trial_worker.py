"""What the process of a trial says of a version, and whose fault a failure is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from app.host.loading.loader import Loader
from app.host.loading.trial_worker import Request, examine
from app.host.loading.verdict import Failed, Message, Passed

TOO_LARGE = "its trial needed more than 300 MiB of memory (GLYPH_TRIAL_MEMORY_MIB)"


@pytest.fixture
def runtime(make_runtime):
    return make_runtime("fake f32")


@pytest.fixture
def verdict(publisher, runtime, clock):
    """Return a function that tries version 1."""
    publisher.publish()
    loader = Loader(lambda: iter([runtime]), max_batch=4, clock=clock)
    request = Request(
        directory=publisher.store.path("shapes", 1),
        model="shapes",
        version=1,
        digest=None,
        like=None,
        timeout_s=1,
        memory_mib=300,
        answer_fd=1,
    )

    def run(*, is_roomy=True, has_children=lambda: False):
        return examine(loader, request, is_roomy=is_roomy, has_children=has_children)

    return run


def test_a_version_that_passes_comes_with_the_way_it_runs(verdict, publisher):
    """Which crosses to the host as JSON, with the measured seconds."""
    passed = verdict()
    line = Message(pid=1, is_roomy=True, verdict=passed).model_dump_json()
    read = Message.model_validate_json(line).verdict

    assert isinstance(read, Passed)
    assert publisher.store.manifest("shapes", 1).digest == read.digest
    assert ("fake f32", passed.runtime_plan.costs.seconds) == (
        read.runtime_plan.candidate,
        read.runtime_plan.costs.seconds,
    )


def test_a_failure_comes_with_its_reason_and_the_digest(verdict, runtime, publisher):
    """It is the version's fault where the runtime lacks nothing."""
    runtime.failures[1] = ValueError("no such operation")

    digest = publisher.store.manifest("shapes", 1).digest
    expected = Failed(reason="fake f32: no such operation", digest=digest, lasting=True)
    assert expected == verdict()


def test_memory_that_runs_out_is_the_versions_fault_where_there_is_enough(verdict, runtime):
    """As much as any trial may take."""
    runtime.failures[1] = MemoryError("std::bad_alloc")

    assert (TOO_LARGE, True) == (verdict().reason, verdict().lasting)


def test_memory_that_runs_out_is_the_machines_fault_where_there_is_less(verdict, runtime):
    """A container with less memory than a trial may take says nothing about the version."""
    runtime.failures[1] = MemoryError("std::bad_alloc")
    found = verdict(is_roomy=False)

    assert ("fake f32: std::bad_alloc", False, True) == (
        found.reason,
        found.lasting,
        found.transient,
    )


def test_a_version_that_starts_processes_does_not_pass(verdict):
    """Its answers may be right."""
    found = verdict(has_children=lambda: True)

    assert ("it started other processes in its trial", True) == (found.reason, found.lasting)


def test_files_that_are_not_those_listed_have_no_digest(verdict, publisher):
    """It may be a copy under way."""
    publisher.damage(1)

    assert (None, True) == (verdict().digest, verdict().lasting)
    assert Path("saved_model.pb").name in verdict().reason


def test_a_file_that_this_machine_cannot_read_is_not_the_versions_fault(
    verdict, publisher, monkeypatch
):
    """A disk that fails or a right that is missing says nothing about the version elsewhere."""
    graph = str(publisher.store.path("shapes", 1) / "saved_model.pb")
    open_ = os.open

    def fail(path, *arguments, **options):
        if str(path) == graph:
            raise OSError(errno.EIO, os.strerror(errno.EIO), graph)
        return open_(path, *arguments, **options)

    monkeypatch.setattr(os, "open", fail)

    assert (f"{graph}: cannot be read: Input/output error", False) == (
        verdict().reason,
        verdict().lasting,
    )


def test_a_pipe_in_the_place_of_a_file_is_the_versions_fault(verdict, publisher):
    """It is refused without waiting for a writer."""
    graph = publisher.store.path("shapes", 1) / "saved_model.pb"
    graph.unlink()
    os.mkfifo(graph)

    assert (f"{graph}: is neither a plain file nor a directory", True) == (
        verdict().reason,
        verdict().lasting,
    )
