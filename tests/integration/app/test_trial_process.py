"""A trial in a process of its own: it stays within its bounds, and every end of it is a verdict."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from app.host.loading.trial_process import TrialProcess
from app.host.loading.trial_worker import Request
from app.host.loading.verdict import Failed, Passed
from model_store.operations.starter import STARTER

SAFETY_S = 60
"""How long a trial may take before a test gives up; none takes that long."""
PREAMBLE = """
import json, os, sys, time
request = json.load(sys.stdin)
def say(verdict=None, pid=None, is_roomy=True):
    message = {"pid": pid or os.getpid(), "is_roomy": is_roomy, "verdict": verdict}
    os.write(request["answer_fd"], (json.dumps(message) + "\\n").encode())
refused = lambda reason: {"reason": reason, "lasting": True}
"""


@pytest.fixture
def start():
    """Return a function that starts a trial of a program in place of the real one."""
    begun = []

    def run(
        program: str = "",
        *,
        command=(),
        directory=Path(),
        timeout_s=SAFETY_S,
        memory_mib=512,
        waited=lambda _pid: 0.0,
    ):
        ended = threading.Event()
        request = Request(
            directory=directory,
            model="mnist",
            version=1,
            digest="d",
            like=None,
            timeout_s=timeout_s,
            memory_mib=memory_mib,
            answer_fd=-1,
        )
        command = command or (sys.executable, "-c", PREAMBLE + program)
        trial = TrialProcess(request, ended.set, command=command, waited=waited)
        begun.append(trial)
        return trial, ended

    yield run
    for trial in begun:
        trial.cancel()


@pytest.fixture
def verdict_of(start):
    """Return a function that gives the verdict on a program once its trial has ended."""

    def run(program: str, **options) -> Failed:
        trial, ended = start(program, **options)
        assert ended.wait(SAFETY_S)
        return trial.verdict()

    return run


def is_alive(pid: int) -> bool:
    """Return True if a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_verdict_is_what_the_trial_wrote(verdict_of):
    """Whatever else it printed."""
    verdict = verdict_of("print('noise'); say(); say(refused('wrong answers'))")

    assert Failed(reason="wrong answers", lasting=True) == verdict


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("os.abort()", "its trial crashed with SIGABRT"),
        ("os.kill(os.getpid(), 11)", "its trial crashed with SIGSEGV"),
        ("os._exit(3)", "its trial ended with exit code 3 and no verdict"),
        (
            "sys.exit('broken graph')",
            "its trial ended with exit code 1 and no verdict: broken graph",
        ),
    ],
)
def test_a_crash_is_the_versions_fault(verdict_of, program, reason):
    """The sentence says how it ended, and what it printed last."""
    verdict = verdict_of(f"say(); {program}")

    assert (reason, True, "d") == (verdict.reason, verdict.lasting, verdict.digest)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("say(); os.kill(os.getpid(), 9)", "its trial was ended from outside by SIGKILL"),
        ("say(); os.kill(os.getpid(), 15)", "its trial was ended from outside by SIGTERM"),
        ("os.abort()", "its trial was ended from outside by SIGABRT"),
        ("sys.exit('no module')", "its trial ended with exit code 1 and no verdict: no module"),
        (
            "say(is_roomy=False); sys.exit('MemoryError')",
            "this machine has too little memory for its trial: MemoryError",
        ),
    ],
)
def test_an_end_that_the_version_did_not_cause_is_not_its_fault(verdict_of, program, reason):
    """It was killed, never begun, or the machine is short of memory: it is tried again."""
    verdict = verdict_of(program)

    assert reason == verdict.reason
    assert (False, True) == (verdict.lasting, verdict.transient)


def test_memory_that_runs_out_within_the_bound_of_a_roomy_machine_is_the_versions_fault(verdict_of):
    """It needs more than any trial may take."""
    verdict = verdict_of("say(); sys.exit(\"terminate called: 'std::bad_alloc'\")", memory_mib=300)

    assert "its trial needed more than 300 MiB of memory (GLYPH_TRIAL_MEMORY_MIB)" == verdict.reason
    assert verdict.lasting


def test_a_trial_that_grows_beyond_its_bound_is_ended(verdict_of):
    """Its memory is looked at from outside as well."""
    verdict = verdict_of("say(); held = b'x' * (400 << 20); time.sleep(600)", memory_mib=256)

    assert "its trial needed more than 256 MiB of memory (GLYPH_TRIAL_MEMORY_MIB)" == verdict.reason
    assert verdict.lasting


@pytest.mark.parametrize("program", ["time.sleep(600)", "\nwhile True: pass"])
def test_a_trial_without_an_end_is_ended(verdict_of, program):
    """The sentence says how much it computed."""
    verdict = verdict_of(f"say(); {program}", timeout_s=1.5)

    beginning = "its trial had not ended after 1.5 s (GLYPH_TRIAL_TIMEOUT_S); it computed for "
    assert verdict.reason.startswith(beginning)
    assert verdict.lasting


def test_time_without_a_core_is_not_the_trials(start):
    """On a busy machine it may take longer."""
    waited = [0.0]
    trial, ended = start("say(); time.sleep(600)", timeout_s=2, waited=lambda _pid: waited[0])
    waited[0] = 15.0
    assert not ended.wait(3)
    waited[0] = 0.0
    assert ended.wait(SAFETY_S)

    assert "its trial had not ended after 2 s" in trial.verdict().reason


def test_a_machine_that_is_too_busy_is_not_the_versions_fault(verdict_of):
    """It is told, and the version is tried again later."""
    verdict = verdict_of("say(); time.sleep(600)", timeout_s=1, waited=lambda _pid: 11.0)

    assert "this machine is too busy: its trial waited 11 s for a core" == verdict.reason
    assert (False, True) == (verdict.lasting, verdict.transient)


FORK = """
say()
child = os.fork()
if child == 0:
    if {leaves}:
        os.setsid()
        if os.fork():
            os._exit(0)
        open({path!r}, "w").write(str(os.getpid()))
    time.sleep(600)
{end}
"""


@pytest.mark.parametrize("leaves", [False, True])
def test_a_trial_that_starts_a_process_is_ended_with_it(verdict_of, tmp_path, leaves):
    """Nothing that a version starts outlives its trial, wherever it goes."""
    path = str(tmp_path / "child")
    write = "" if leaves else f"open({path!r}, 'w').write(str(child))"
    verdict = verdict_of(FORK.format(leaves=leaves, path=path, end=f"{write}\ntime.sleep(600)"))

    assert (
        Failed(reason="it started other processes in its trial", digest="d", lasting=True)
        == verdict
    )
    assert not is_alive(int((tmp_path / "child").read_text()))


def test_what_a_crashed_trial_leaves_behind_is_ended(verdict_of, tmp_path):
    """Its parent is gone, and it is nobody's child any more."""
    path = str(tmp_path / "child")
    waits = f"while not os.path.exists({path!r}): time.sleep(0.01)"
    verdict = verdict_of(FORK.format(leaves=True, path=path, end=f"{waits}\nos.abort()"))

    assert verdict.lasting
    assert not is_alive(int((tmp_path / "child").read_text()))


def test_a_copy_of_the_trial_has_no_say(verdict_of):
    """It could pass a version that its original did not."""
    verdict = verdict_of("say(); say(refused('copy'), pid=os.getpid() + 1); say(refused('own'))")

    assert "own" == verdict.reason


def test_a_host_without_memory_says_nothing_about_the_version(start):
    """A real trial of the starter, under `ulimit -v`: the machine is named, and no version."""
    command = f"ulimit -v 800000; exec {sys.executable} -m app.host.loading.trial_worker"
    trial, ended = start(command=("sh", "-c", command), directory=STARTER / "mnist" / "1")
    assert ended.wait(SAFETY_S)
    verdict = trial.verdict()

    assert (False, True) == (verdict.lasting, verdict.transient), verdict.reason
    assert "memory" in verdict.reason


def test_the_starter_passes_within_its_bounds(start):
    """The same, with as much memory as a trial may take."""
    command = (sys.executable, "-m", "app.host.loading.trial_worker")
    trial, ended = start(command=command, directory=STARTER / "mnist" / "1", memory_mib=2048)
    assert ended.wait(SAFETY_S)

    assert isinstance(trial.verdict(), Passed), trial.verdict()


def test_a_trial_can_be_cancelled(start):
    """Nobody is told, and the process is gone."""
    trial, ended = start("say(); time.sleep(600)")
    pid = trial._process.pid
    trial.cancel()

    assert not ended.is_set()
    assert not is_alive(pid)


def test_an_endless_answer_is_bounded(verdict_of):
    """What a trial prints and writes is kept in part only."""
    endless = "os.write(1, b'x' * 65536); os.write(request['answer_fd'], b'y' * 65536)"
    verdict = verdict_of(f"say()\nwhile True: {endless}", timeout_s=2)

    assert verdict.reason.startswith("its trial had not ended after 2 s")
