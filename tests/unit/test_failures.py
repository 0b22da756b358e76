"""What is written about failures names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from app.config.settings import PREFIX, Settings
from tests.benchmarks.scenarios.chaos.invariants import Invariant
from tests.benchmarks.scenarios.chaos.judging import REFUSALS

ROOT = Path(__file__).parents[2]
FAILURES = (ROOT / "docs" / "explanation" / "failures.md").read_text(encoding="utf-8")


def test_every_invariant_is_written_down():
    """In the order and by the names under which the chaos scenario tells of them."""
    written = re.findall(r"^\d\. (.*)$", FAILURES, re.MULTILINE)

    assert len(Invariant) == len(written)
    for invariant, line in zip(Invariant, written, strict=True):
        assert line.startswith(str(invariant))


def test_the_refusals_are_those_that_are_judged():
    """Statuses, and which of them say when to try again."""
    *others, last = map(str, REFUSALS)
    assert f"to a correct request {', '.join(others)} or {last}" in FAILURES
    with_time = " and ".join(str(status) for status, needed in REFUSALS.items() if needed)
    assert f"{with_time} with `Retry-After`" in FAILURES


def test_metrics_alerts_and_settings_exist():
    """Each that is named is one that there is."""
    metrics = set(re.findall(r"`(glyph_[a-z_]+)", FAILURES))
    alerts = set(re.findall(r"`(Glyph[A-Z][A-Za-z]+)`", FAILURES))
    settings = set(re.findall(rf"`({PREFIX}[A-Z_]+)`", FAILURES))

    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    rules = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    assert set() == {name for name in metrics if f"`{name}" not in reference}
    assert set() == {name for name in alerts if f"alert: {name}\n" not in rules}
    assert set() == settings - {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
