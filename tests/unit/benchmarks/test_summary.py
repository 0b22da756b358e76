"""What is made of the benchmark's figures."""

from __future__ import annotations

import pytest

from tests.benchmarks.cases import FLOOR, Load, Rate, Server
from tests.benchmarks.summary import BULK_RAW, BUSY, ONE, Budget, Summary, budgets, ratio

BULK_JSON = Load(256, "json", 4)
GLYPH = Server("glyph", "compact", "openvino")
NAIVE = Server("naive", "compact", "openvino")


@pytest.fixture
def summary(results):
    return Summary(results)


def test_the_median_of_the_runs_counts(summary):
    """One run that something disturbed does not show."""
    assert 800 == summary.of(GLYPH, BUSY, "images_per_s")


def test_bulk_is_counted_in_images(summary):
    """36 requests of 256 images in a second."""
    assert 9216 == summary.of(GLYPH, BULK_RAW, "images_per_s")


def test_what_was_not_measured_is_none(summary):
    """A ratio to it is none either."""
    assert None is summary.of(GLYPH, BULK_JSON, "images_per_s")
    assert None is summary.beside(GLYPH, NAIVE, BULK_JSON)
    assert None is summary.spread(GLYPH, BULK_JSON)


def test_a_ratio_to_nothing_is_none():
    """A server that answered nothing gives nobody a ratio."""
    assert None is ratio(5.0, 0.0)


def test_a_server_is_seen_beside_others(summary):
    """Medians under the same load are divided."""
    assert 0.8 == summary.beside(GLYPH, FLOOR, BUSY)
    assert 4.0 == summary.beside(GLYPH, NAIVE, BUSY)


def test_one_client_is_seen_beside_single_images(summary):
    """A batch cannot form where one client waits for every answer."""
    assert 800 / 5000 == summary.beside_runtime(GLYPH, ONE)


def test_many_images_are_seen_beside_the_best_batch(summary):
    """Whatever batch size the runtime is fastest with."""
    assert 0.9 == summary.beside_runtime(GLYPH, BULK_RAW)


def test_many_images_are_seen_beside_all_streams(results):
    """What the runtime could do on every core that Glyph computes on."""
    results.rates.append(Rate("compact", "openvino", "bf16", 64, 18432, streams=2))
    summary = Summary(results)

    assert 0.5 == summary.beside_runtime(GLYPH, BULK_RAW)
    assert 800 / 5000 == summary.beside_runtime(GLYPH, ONE)
    assert 10240 == summary.rate("compact", "openvino", 64)


def test_the_spread_is_the_range_of_the_rates(summary):
    """As a share of their median."""
    assert 0.25 == summary.spread(GLYPH, BUSY)


def test_cpu_time_is_told_per_thousand_requests(summary):
    """Half a second for 800 requests."""
    assert 0.625 == summary.of(GLYPH, BUSY, "cpu_s_per_1000")


def test_failures_add_up(summary):
    """No median hides one."""
    assert 2 == summary.failures(GLYPH, BULK_RAW)


@pytest.mark.parametrize(
    ("what", "measured", "bound", "met"),
    [
        ("of the floor", 80, 80, True),
        ("raw bytes", 90, 85, True),
        ("p50 of one connection", 0.8, 0.9, True),
        ("first prediction", 1.2, 3, True),
        ("memory", 401, 400, False),
    ],
)
def test_every_budget_is_checked(summary, what, measured, bound, met):
    """Shares are lower bounds, times and memory upper ones."""
    (budget,) = (b for b in budgets(summary) if what in b.what)

    assert (measured, bound, met) == (
        pytest.approx(budget.measured),
        pytest.approx(budget.bound),
        budget.met,
    )


def test_a_budget_that_was_not_measured_is_left_out(results):
    """Nothing is called met or missed for want of a figure."""
    results.runs = [r for r in results.runs if r.server == GLYPH and r.load == BUSY]
    results.starts_s = []
    results.memory_mib = []

    assert [] == budgets(Summary(results))


def test_a_share_below_its_bound_is_missed():
    """A floor under a value, not a ceiling."""
    assert not Budget("share", 79.9, 80, "%", at_least=True).met
