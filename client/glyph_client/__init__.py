"""A client: images in, typed predictions out.

It stands alone: of all that Glyph is made of it needs only httpx and numpy.
"""

from glyph_client.answers import Choice, Model, Prediction, Predictions, Served, Version
from glyph_client.asynchronous import AsyncGlyph
from glyph_client.blocking import Glyph
from glyph_client.errors import (
    AccessError,
    DeadlineError,
    FailedError,
    GlyphError,
    ImageError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnreachableError,
)

__all__ = [
    "AccessError",
    "AsyncGlyph",
    "Choice",
    "DeadlineError",
    "FailedError",
    "Glyph",
    "GlyphError",
    "ImageError",
    "Model",
    "NotFoundError",
    "Prediction",
    "Predictions",
    "RefusedError",
    "Served",
    "UnavailableError",
    "UnreachableError",
    "Version",
]
