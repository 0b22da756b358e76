"""Python client for Glyph: images in, typed predictions out."""

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
from glyph_client.results import Choice, Model, Prediction, Predictions, Served, Version

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
