"""What must hold whatever happens, and where it was broken.

docs/explanation/failures.md has the same list for people.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.benchmarks.scenarios.chaos.judging import ANSWER, FRONTS, OK, REFUSAL, WRONG
from tests.benchmarks.scenarios.load import LOST, TIMED_OUT, UNCONNECTED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tests.benchmarks.scenarios.load import Note

LOST_WITH_WORKER = "lost with its worker"
_DOOMED_S = 1.0
"""A connection of a killed worker is known to be lost so soon."""


class Invariant(StrEnum):
    """One line of the list."""

    RIGHT = "every answer is right, and its version's"
    DOCUMENTED = "every refusal is documented"
    CONNECTED = "a connection is lost only with the web worker that held it"
    ENDED = "every request ends"
    UNHARMED = "what is no fault of a process costs no answer"
    WHOLE = "the service is whole again in time"
    VERDICTS = "good versions serve, and bad ones are refused"
    FLAT = "nothing grows"
    CLEAN = "nothing is left behind"


@dataclass(frozen=True, slots=True)
class Happened:
    """An event that was made."""

    number: int
    kind: str
    words: str
    start: float
    """Monotonic seconds, as the next."""
    end: float
    whole_after_s: float
    refuses: bool
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """An invariant that was broken."""

    invariant: Invariant
    at: float
    """Monotonic seconds."""
    sentence: str


def classify(note: Note, doomed: Collection[tuple[float, set[int]]]) -> str:
    """Return what became of a request: answer, refusal 503, lost with its worker, ..."""
    if note.said.startswith(ANSWER):
        return ANSWER
    if note.said.startswith(REFUSAL):
        return note.said
    if note.said.startswith(WRONG):
        return "wrong"
    if note.status == LOST:
        return LOST_WITH_WORKER if _is_doomed(note, doomed) else f"lost: {note.said}"
    return {UNCONNECTED: "not connected", TIMED_OUT: "timed out"}[note.status]


def examine(
    notes: Sequence[Note],
    happened: Sequence[Happened],
    doomed: Collection[tuple[float, set[int]]],
    variants: Mapping[int, str | None],
) -> list[Finding]:
    """Return what is wrong with any request."""
    found = []
    for note in notes:
        outcome = classify(note, doomed)
        broken = _broken(note, outcome, event_of(note, happened), variants)
        if broken is not None:
            sentence = f"{FRONTS[note.stream]}: {broken[1]}"
            found.append(Finding(broken[0], note.done, sentence))
    return found


def event_of(note: Note, happened: Iterable[Happened]) -> Happened | None:
    """Return the event that a request's fate is put down to: the last that had begun."""
    return max(
        (one for one in happened if one.start <= note.done), key=lambda one: one.start, default=None
    )


def by_event(
    notes: Sequence[Note],
    happened: Sequence[Happened],
    doomed: Collection[tuple[float, set[int]]],
) -> dict[str, Counter[str]]:
    """Count what became of requests, by the kind of the event that they fell to."""
    counts: dict[str, Counter[str]] = {one.kind: Counter() for one in happened}
    for note in notes:
        event = event_of(note, happened)
        if event is not None:
            counts[event.kind][classify(note, doomed)] += 1
    return counts


def _broken(
    note: Note, outcome: str, event: Happened | None, variants: Mapping[int, str | None]
) -> tuple[Invariant, str] | None:
    if outcome == ANSWER:
        _, version, variant = note.said.split()
        if variants.get(int(version)) == variant:
            return None
        kind = variants.get(int(version), "never published")
        return Invariant.RIGHT, f"version {version} ({kind}) answers as {variant} does"
    allowed = outcome.startswith(REFUSAL) and event is not None and event.refuses
    if allowed or outcome == LOST_WITH_WORKER:
        return None
    took = f"after {note.done - note.sent:.2f} s"
    if outcome == "wrong":
        return (Invariant.RIGHT if note.status == OK else Invariant.DOCUMENTED), note.said
    if outcome.startswith(REFUSAL):
        return Invariant.UNHARMED, f"{outcome} {took}"
    return (
        Invariant.ENDED if note.status == TIMED_OUT else Invariant.CONNECTED
    ), f"{outcome} {took}"


def _is_doomed(note: Note, doomed: Collection[tuple[float, set[int]]]) -> bool:
    return any(
        note.port in ports and note.sent <= at + _DOOMED_S and note.done >= at - _DOOMED_S
        for at, ports in doomed
    )
