"""Every decoder that untrusted bytes reach, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.fuzz import bodies, documents, heads, pictures, whole_requests

if TYPE_CHECKING:
    from tests.benchmarks.fuzz.target import Target

TARGETS: dict[str, Target] = {
    **documents.TARGETS,
    **bodies.TARGETS,
    **pictures.TARGETS,
    **heads.TARGETS,
    **whole_requests.TARGETS,
}
