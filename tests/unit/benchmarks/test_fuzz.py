"""What a decoder should not do is found, and its inputs are worth trying."""

from __future__ import annotations

from random import Random

import pytest

from app.web.http.errors import ServiceError
from imaging.errors import PictureError
from tests.benchmarks.fuzz.mutation import mutate
from tests.benchmarks.fuzz.targets import TARGETS
from tests.benchmarks.fuzz.watching import watch

_ENOUGH = 200


def fuzz(name, findings):
    """Fuzz a decoder that does what it should not for a moment."""
    return watch(
        "tests.unit.benchmarks.misbehaving",
        name,
        findings,
        seconds=0.5,
        seed=1,
        limit_s=0.1,
        guided=False,
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("raises", "KeyError"),
        ("hangs", "hang"),
        ("eats", "memory"),
        ("crashes", "exit-11"),
        ("dawdles", "slow"),
    ],
)
def test_what_no_decoder_should_do_is_found(tmp_path, name, kind):
    """The input is saved, and beside it what is known."""
    run = fuzz(name, tmp_path)

    assert [kind] == [finding.rpartition("-")[0] for finding in run.findings[:1]]
    saved = tmp_path / name / run.findings[0]
    assert b"right" != saved.read_bytes()
    assert saved.with_suffix(".txt").exists()


def test_what_is_found_again_is_told_again(tmp_path):
    """Its input is there from the first time."""
    assert fuzz("raises", tmp_path).findings == fuzz("raises", tmp_path).findings


def test_refusing_is_right(tmp_path):
    """It is counted, though."""
    run = fuzz("refuses", tmp_path)

    assert [] == run.findings
    assert 0 < run.accepted < run.inputs


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_accepted(name):
    """Else nothing behind the first check would be tried."""
    for seed in TARGETS[name].seeds():
        TARGETS[name].decode(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_some_of_what_is_tried_is_accepted_and_some_is_not(name):
    """Inputs are neither all the same nor all hopeless."""
    target = TARGETS[name]
    seeds, rng = target.seeds(), Random(1)  # noqa: S311
    accepted = sum(
        _accepts(target, mutate(rng, rng.choice(seeds), seeds, target)) for _ in range(_ENOUGH)
    )

    assert 0.05 * _ENOUGH < accepted < 0.95 * _ENOUGH


def _accepts(target, data):
    try:
        target.decode(data)
    except (ServiceError, PictureError):
        return False
    return True
