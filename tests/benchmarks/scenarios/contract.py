"""Made-up requests by the description: whether the service keeps to what it says of itself."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import requests

from app.auth.key_file import create_key
from tests.benchmarks.scenarios.contract_terms import ANSWERS
from tests.benchmarks.scenarios.report import Report
from tests.benchmarks.scenarios.stage import json_option, served
from tests.service import ROOT, wait_until

if TYPE_CHECKING:
    from tests.service import Service

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - made up
SETTINGS = {
    "admin_token": TOKEN,
    "web_workers": 1,
    "max_images": 64,
    "host_timeout_s": 120,
}
_CHANGES = ("--include-tag", "Changes", "--include-path-regex", "^/v2/repository/models/")
_OTHERS = ("--exclude-tag", "Changes", "--exclude-path-regex", "^/v2/repository/models/")
_AS_ADMIN = f"""
[auth.openapi.adminToken]
bearer = "{TOKEN}"
"""
_AS_CALLER = """
[auth.openapi.apiKey]
api_key = "%s"
[auth.openapi.bearerKey]
bearer = "%s"
"""
_CONFIG = """\
hooks = "tests.benchmarks.scenarios.contract_hooks"
suppress-health-check = ["all"]
request-timeout = 60

[dictionaries.names]
values = ["mnist"]
[dictionaries.versions]
values = [1]
[parameters]
name = { dictionary = "names", probability = 0.7 }
version = { dictionary = "versions", probability = 0.7 }

[generation]
database = "none"

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 429]
"""
_OK = 200
TITLES = (
    "Server error",
    "Undocumented status code",
    "Undocumented Content-Type",
    "Response violates schema",
    "Schema-violating request accepted",
    "Schema-valid request rejected",
)


class Found(NamedTuple):
    """What came of a run."""

    operations: int
    cases: int
    answers: Counter[int]
    """By status."""
    failures: Counter[str]
    """By what is wrong, and with which operation."""
    accepted: int
    """Failures that are none."""
    output: str


def run(service: Service, cases: int, seed: int, *options: str, credentials: str = "") -> Found:
    """Have Schemathesis ask a service.

    Args:
        service: Is asked.
        cases: About how many made-up requests; those that follow from the description are more.
        seed: Of chance.
        options: For Schemathesis.
        credentials: Part of the configuration that names them.
    """
    description = service.get("/openapi.json").json()
    operations = sum(len(item) for item in description["paths"].values())
    with tempfile.TemporaryDirectory() as place:
        config, found, answers = (Path(place, name) for name in ("c.toml", "found", "answers"))
        config.write_text(_CONFIG + credentials)
        answers.touch()
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run"]
        command += [f"{service.url}/openapi.json", "--no-color", "--continue-on-failure"]
        command += ["--max-examples", str(math.ceil(cases / operations)), "--seed", str(seed)]
        command += ["--report", "json", "--report-json-path", found, *options]
        environment = os.environ | {ANSWERS: str(answers), "PYTHONPATH": str(ROOT)}
        process = subprocess.run(
            command, cwd=place, env=environment, text=True, capture_output=True, check=False
        )
        return _read(json.loads(found.read_text()), answers.read_text(), process.stdout)


def _read(found: dict[str, Any], answers: str, output: str) -> Found:
    if not found["complete"]:
        raise click.ClickException(output)
    failures: Counter[str] = Counter()
    for failure in found["failures"]:
        failures[f"{failure['title']}: {', '.join(failure['operations'])}"] += failure["count"]
    return Found(
        operations=found["operations"]["tested"],
        cases=found["test_cases"]["generated"],
        answers=Counter(int(line.rpartition("\t")[2]) for line in answers.splitlines()),
        failures=failures,
        accepted=found["filtered"],
        output=output,
    )


@click.command()
@click.option("--cases", default=2000, show_default=True, help="About how many requests.")
@click.option("--seed", default=1, show_default=True, help="Of chance.")
@click.option("--verbose", is_flag=True, help="Print all that Schemathesis says.")
@json_option
def contract(*, cases: int, seed: int, verbose: bool, json_path: Path | None) -> None:
    """Ask what /openapi.json describes, and more, and check every answer against it.

    As anybody, everything; with the admin token, the changes; and with an API key, everything else,
    each on a service of its own. Schemathesis checks statuses, schemas, headers and kinds of the
    answers, that wrong requests are refused and right ones taken, and that nothing is had or
    changed without the key or the token.
    """
    report = Report("Made-up requests by the description")
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "keys.json")
        key = create_key(path, "made-up", limit="1000000/second", days=None)
        runs = (
            ("anybody", {}, cases, "", ()),
            ("with the admin token", {}, cases // 4, _AS_ADMIN, _CHANGES),
            ("with a key", {"api_keys_file": path}, cases // 4, _AS_CALLER % (key, key), _OTHERS),
        )
        for who, settings, count, credentials, options in runs:
            with served(**SETTINGS | settings) as service:
                prepare(service)
                found = run(service, count, seed, *options, credentials=credentials)
                if verbose or found.failures:
                    click.echo(found.output)
                _report(report, who, found)
                alive = service.get("/healthz").status_code
            report.add(f"{who}: the service afterwards", str(alive), "200", holds=alive == _OK)
    report.finish(json_path)


def prepare(service: Service) -> None:
    """Return the version that serves a label, so that it can be requested by label."""
    admin = {"Authorization": f"Bearer {TOKEN}"}
    promoted = requests.post(
        f"{service.url}/models/mnist/promote", json={"version": 1}, headers=admin, timeout=60
    )
    promoted.raise_for_status()
    wait_until(lambda: service.get("/models/mnist", headers=admin).json()["labels"], "a label")


def _report(report: Report, who: str, found: Found) -> None:
    answers = ", ".join(f"{status}: {count:,}" for status, count in sorted(found.answers.items()))
    report.add(f"{who}: operations", str(found.operations))
    report.add(f"{who}: cases", f"{found.cases:,}")
    report.add(f"{who}: answers", answers)
    for title in TITLES:
        count = sum(n for failure, n in found.failures.items() if failure.startswith(title))
        report.add(f"{who}: {title.lower()}", str(count), "0", holds=count == 0)
    rest = [failure for failure in found.failures if not failure.startswith(TITLES)]
    report.add(f"{who}: anything else", "; ".join(rest) or "0", "0", holds=not rest)
    report.add(f"{who}: differences that are meant", f"{found.accepted:,}")
