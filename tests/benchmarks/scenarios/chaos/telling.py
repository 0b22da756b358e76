"""Prints what chaos did: a line for each kind of event, each invariant, and what broke it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tests.benchmarks.scenarios.chaos.invariants import Invariant, by_event
from tests.benchmarks.scenarios.chaos.judging import ANSWER
from tests.benchmarks.scenarios.chaos.kinds import KINDS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from tests.benchmarks.scenarios.chaos.invariants import Finding, Happened
    from tests.benchmarks.scenarios.load import Note
    from tests.benchmarks.scenarios.report import Report

_BEFORE_S = 20.0
_FINDINGS = 3
"""Told of each invariant; further ones are counted."""


def tell_kinds(
    report: Report,
    notes: Sequence[Note],
    happened: Sequence[Happened],
    doomed: Sequence[tuple[float, set[int]]],
    slower: float,
) -> None:
    """Add a line for each kind of event that was made or skipped."""
    counts = by_event(notes, happened, doomed)
    for kind in (kind for kind in KINDS if kind in counts):
        made = [one for one in happened if one.kind == kind and not one.skipped]
        if not made:
            reason = next(one.words for one in happened if one.kind == kind)
            report.add(kind, f"skipped: {reason}")
            continue
        worst_s, bound_s = max(one.whole_after_s for one in made), KINDS[kind].whole_s * slower
        report.add(
            kind,
            f"{len(made)} times; {_outcomes(counts[kind])}; whole after {worst_s:.1f} s at worst",
            f"within {bound_s:g} s" + ("" if KINDS[kind].refuses else "; no refusal"),
            holds=worst_s <= bound_s,
        )


def tell_invariants(report: Report, findings: Sequence[Finding], requests: int) -> None:
    """Add a line for each invariant."""
    for invariant in Invariant:
        broken = [one for one in findings if one.invariant is invariant]
        report.add(
            str(invariant),
            f"broken {len(broken)} times" if broken else "held",
            f"always ({requests:,} requests)" if invariant is Invariant.RIGHT else "always",
            holds=not broken,
        )


def tell_findings(findings: Sequence[Finding], happened: Sequence[Happened], begin: float) -> None:
    """Print what broke each invariant, and the events shortly before."""
    for invariant in Invariant:
        broken = sorted((f for f in findings if f.invariant is invariant), key=lambda f: f.at)
        for finding in broken[:_FINDINGS]:
            click.echo(f"\n{finding.at - begin:.1f} s, {invariant}: {finding.sentence}")
            for event in shortly_before(finding.at, happened):
                click.echo(f"  {line_of(event, begin)}")
        if len(broken) > _FINDINGS:
            click.echo(f"  ... and {len(broken) - _FINDINGS} more of this kind")


def shortly_before(moment: float, happened: Sequence[Happened]) -> list[Happened]:
    """Return the events that went on in the seconds before a moment."""
    return [
        one
        for one in happened
        if one.start <= moment and one.end + one.whole_after_s >= moment - _BEFORE_S
    ]


def line_of(event: Happened, begin: float) -> str:
    """Return an event in one line."""
    what = f"{event.number}. {event.kind}: {event.words}"
    span = f"{event.start - begin:7.1f} to {event.end - begin:.1f} s"
    return f"{span}  {what}" + (
        "" if event.skipped else f"; whole {event.whole_after_s:.1f} s later"
    )


def _outcomes(counts: Counter[str]) -> str:
    failed = ", ".join(f"{n} {what}" for what, n in counts.most_common() if what != ANSWER)
    return f"{counts[ANSWER]:,} answers, {failed or 'none failed'}"
