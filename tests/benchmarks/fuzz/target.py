"""What is fuzzed: a decoder, and what is known of the bytes that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

MOST_BYTES = 2**20
"""Of any input."""

Mutator = Callable[[Random, bytes], bytes]
"""Changes an input; may raise anything on one that it cannot take apart."""


@dataclass(frozen=True)
class Target:
    """A decoder that untrusted bytes reach."""

    decode: Callable[[bytes], object]
    """Raises ServiceError or PictureError on bad input; any other exception is a finding."""
    seeds: Callable[[], list[bytes]]
    """Generates inputs that are accepted."""
    mutators: tuple[Mutator, ...] = ()
    """Those that keep more of an input right than to change any byte does."""
    words: tuple[bytes, ...] = ()
    """What stands in inputs and means something."""
    growth_mib: int = 64
    """How much memory it may take for one input."""
    most_bytes: int = MOST_BYTES
    """Of one input."""
