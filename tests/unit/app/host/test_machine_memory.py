"""How much memory is left here: what the machine has, and what the container and limits leave."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from app.host.machine.memory import available_bytes

MIB = 2**20
ASK = "from app.host.machine.memory import available_bytes; print(available_bytes())"


@pytest.fixture
def meminfo(tmp_path):
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:  9000000 kB\nMemFree:  100 kB\nMemAvailable:  2097152 kB\n")
    return path


def test_without_limits_it_is_what_the_machine_has(meminfo, tmp_path):
    """What is only cached can be had."""
    assert 2048 * MIB == available_bytes(meminfo, tmp_path)


@pytest.mark.parametrize(("limit", "expected"), [("max", 2048), (str(1024 * MIB), 924)])
def test_a_container_leaves_what_it_does_not_use(meminfo, tmp_path, limit, expected):
    """`max` is no limit."""
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text(str(100 * MIB))

    assert expected * MIB == available_bytes(meminfo, tmp_path)


@pytest.mark.parametrize(
    ("kind", "bound"), [(resource.RLIMIT_AS, 1976), (resource.RLIMIT_DATA, 3000)]
)
def test_a_limit_of_the_process_leaves_what_it_has_not_mapped(kind, bound):
    """As `ulimit -v` and `ulimit -d` set it; of addresses, a runtime takes more than it fills."""

    def limit():
        resource.setrlimit(kind, (3000 * MIB, 3000 * MIB))

    output = subprocess.run(
        [sys.executable, "-c", ASK], preexec_fn=limit, capture_output=True, check=True
    ).stdout

    assert 0 < int(output) < bound * MIB
