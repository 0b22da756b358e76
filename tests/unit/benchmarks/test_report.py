"""The benchmark's Markdown."""

from __future__ import annotations

import pytest

from tests.benchmarks.report import END, START, details, overview, replace_section, table
from tests.benchmarks.summary import Summary


def test_a_table_aligns_numbers_to_the_right():
    """The first column is text."""
    expected = "| server | rate |\n| --- | ---: |\n| floor | 1,000 |"

    assert expected == table(["server", "rate"], [["floor", "1,000"]])


@pytest.mark.parametrize(
    "line",
    [
        "| floor | 1,000 | 1,000 | - |",
        "| naive, OpenVINO | 200 | 200 | - |",
        "| **Glyph**, OpenVINO bf16 | 800 | 800 | 9,216 (2 failed) |",
        "| **Glyph**, OpenVINO bf16 | of the floor | 80% | 80% | - |",
        "| **Glyph**, OpenVINO bf16 | of the runtime alone | 16% | 8% | 90% |",
        "| **Glyph**, OpenVINO bf16 | of the naive service | 4.0 x | 4.0 x | - |",
        "| compact | **Glyph**, OpenVINO bf16 | 0.80 | 9.0 | 0.62 | 401 | 1.2 |",
        "| compact | OpenVINO bf16 | 5,000 | 10,240 | 0.20 |",
        "| compact, openvino: bulk as raw bytes, of the runtime alone | 90 % | ≥ 85 % | met |",
        "| compact, openvino: command to first prediction | 1.2 s | ≤ 3.0 s | met |",
    ],
)
def test_the_overview_has_a_line_for(results, line):
    """Rates, costs, the runtime alone and budgets; a dash for what was not measured."""
    assert line in overview(Summary(results)).splitlines()


def test_the_overview_names_the_machine(results):
    """Figures without a machine mean nothing."""
    text = overview(Summary(results))

    assert "on A Processor, 2 cores" in text
    assert "python 3.12.0, gunicorn 26.1.0; Glyph as it comes." in text


def test_the_overview_names_what_was_set(results):
    """Nobody takes a tuned service for one that is as it comes."""
    results.machine["settings"] = "GLYPH_PRECISION=f32"

    assert "gunicorn 26.1.0; Glyph with GLYPH_PRECISION=f32." in overview(Summary(results))


def test_the_details_have_every_ratio(results):
    """Rate, of the floor, of the runtime, of the naive service, p50, p99, CPU, failures, spread."""
    line = "| **Glyph**, OpenVINO bf16 | 800 | 80% | 8% | 4.0 x | 1.00 | 9.00 | 0.62 | 0 | 25% |"

    assert line in details(Summary(results)).splitlines()


def test_a_section_is_replaced_between_its_marks():
    """Everything around it stays, and doing it again changes nothing."""
    document = f"before\n{START}\nold\n{END}\nafter\n"

    once = replace_section(document, "new\n")

    assert f"before\n{START}\nnew\n{END}\nafter\n" == once
    assert once == replace_section(once, "new\n")


@pytest.mark.parametrize(
    "document",
    ["", START, f"{END} {START}", f"{START} {START} {END}", f"{START} {END} {END}"],
)
def test_a_document_without_clear_marks_is_refused(document):
    """Rather than losing what somebody wrote."""
    with pytest.raises(ValueError, match="one <!-- benchmark: start -->"):
        replace_section(document, "new")
