"""glyph doctor: what is installed here, what works, and what to do about the rest."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, NamedTuple

import click

from app.config.cpu import usable_cores
from app.config.memory import memory_limit_bytes
from app.config.settings import Settings
from app.config.writable_directories import SHARED_MEMORY
from app.config.wrong_settings import SurroundingsError, WrongSettingError, exit_on_wrong_value
from app.server.startup_checks.addresses import check_addresses
from app.server.startup_checks.open_files import connections_within_limit
from model_store.base.errors import StoreError
from model_store.operations.evaluation import Evaluation
from model_store.stores.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_store.stores.protocol import Store

_PACKAGES = ("openvino", "tensorflow", "keras")
_TRIALS = {
    "openvino": "import openvino; openvino.Core().available_devices",
    "tensorflow": "import tensorflow",
}
"""Runtime -> what a process must be able to run."""
_TRIAL_S = 60.0
_MIB = 2**20
_LEAST_MIB = 512
"""Memory that a model host and a web worker fit into."""
_LEAST_SHARED_MIB = 16


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    found: str
    problem: str | None = None
    """What is wrong, and what to do about it."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def cli(*, as_json: bool) -> None:
    """Check what a service needs here; exits 1 if something is wrong.

    The settings are read from GLYPH_*, as a service reads them.
    """
    with exit_on_wrong_value():
        settings = Settings()
    findings = list(find_all(settings))
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        width = max(len(finding.name) for finding in findings)
        for name, found, problem in findings:
            mark = click.style("!", fg="red") if problem else " "
            click.echo(f"{mark} {name:<{width}}  {found}")
            if problem:
                click.echo(f"  {'':<{width}}  {problem}")
    sys.exit(any(finding.problem for finding in findings))


def find_all(settings: Settings) -> Iterator[Finding]:
    """Yield what is found, one after another."""
    yield Finding("python", platform.python_version())
    for name in _PACKAGES:
        yield Finding(name, _installed(name) or "not installed")
    yield from _runtimes(settings.runtime)
    try:
        yield from _versions(open_store(settings.store, settings.cache_dir), settings)
    except (StoreError, OSError) as exc:
        yield Finding("store", settings.store, f"{exc}; GLYPH_STORE names the store")
    yield _address(settings.bind)
    yield from _limits()


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _runtimes(choice: str) -> Iterator[Finding]:
    """Try the runtimes; one of those that may be chosen must work."""
    problems = {name: _trial_problem(name) for name in _TRIALS if _installed(name)}
    for name, problem in problems.items():
        yield Finding(f"runtime {name}", problem or "works")
    usable = [name for name, problem in problems.items() if not problem]
    if not [name for name in usable if choice in ("auto", name)]:
        advice = "install openvino, or set GLYPH_RUNTIME to a runtime that works"
        yield Finding("runtime", f"GLYPH_RUNTIME={choice}", f"it does not work here; {advice}")


def _trial_problem(name: str) -> str | None:
    command = [sys.executable, "-c", _TRIALS[name]]
    try:
        done = subprocess.run(  # noqa: S603 - the command is ours
            command, capture_output=True, text=True, timeout=_TRIAL_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"took longer than {_TRIAL_S:g} s to import"
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]


def _versions(store: Store, settings: Settings) -> Iterator[Finding]:
    """Yield each version with what keeps it from serving."""
    models = store.models()
    yield Finding("store", f"{store.location}: {', '.join(models) or 'no model'}")
    for model in models:
        evaluation = Evaluation(store, model, settings.policy_of(model))
        control = evaluation.control
        for number in sorted(store.versions(model) + store.unfinished(model)):
            name, entry = f"{model} {number}", control.quarantined.get(number)
            try:
                store.verify(model, number)
                store.metadata(model, number)
            except StoreError as exc:
                yield Finding(name, "damaged", f"{exc}; publish it again")
                continue
            if entry and number not in evaluation.good:
                advice = f"to try it again: glyph models release {number} --model {model}"
                yield Finding(name, "quarantined", f"{entry.reason}; {advice}")
            elif control.unloaded:
                yield Finding(name, f"unloaded until: glyph models load --model {model}")
            elif number == evaluation.default:
                yield Finding(name, "default")
            else:
                wanted = number in evaluation.wanted or number in control.labels.values()
                yield Finding(name, "wanted" if wanted else f"not in {evaluation.policy}")
    if models and settings.model not in models:
        advice = "set GLYPH_MODEL to one of them, or train it"
        yield Finding("model", settings.model, f"the store has no version of it; {advice}")


def _address(bind: str) -> Finding:
    try:
        check_addresses(bind)
    except WrongSettingError as exc:
        return Finding("address", bind, str(exc))
    return Finding("address", f"{bind} is free")


def _limits() -> Iterator[Finding]:
    limit = memory_limit_bytes()
    small = limit is not None and limit < _LEAST_MIB * _MIB
    yield Finding(
        "memory",
        "no limit" if limit is None else f"{limit // _MIB} MiB",
        f"a service takes about {_LEAST_MIB} MiB; raise the control group's limit"
        if small
        else None,
    )
    yield Finding("cores", str(usable_cores()))
    try:
        yield Finding("connections", f"{connections_within_limit()} in each web worker")
    except SurroundingsError as exc:
        yield Finding("connections", "too few open files", str(exc))
    try:
        free = shutil.disk_usage(SHARED_MEMORY).free // _MIB
    except OSError as exc:
        yield Finding(str(SHARED_MEMORY), f"none ({exc.strerror}); other directories are used")
        return
    advice = f"at least {_LEAST_SHARED_MIB} MiB are expected: free some, or mount a larger one"
    problem = advice if free < _LEAST_SHARED_MIB else None
    yield Finding(str(SHARED_MEMORY), f"{free} MiB free", problem)
