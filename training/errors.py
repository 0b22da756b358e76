"""What stops a training run; each is one line for the user and exit code 1.

TrainingError
├── DataError          a data set is missing or malformed; names the file
├── RecipeError        a recipe is unknown or malformed; names the field
└── ComparisonError    the export does not answer as Keras does; nothing is published
"""

from __future__ import annotations


class TrainingError(Exception):
    """Base of every error that is expected."""


class DataError(TrainingError):
    """Raised when a data set cannot be used."""


class RecipeError(TrainingError):
    """Raised when a recipe cannot be used."""


class ComparisonError(TrainingError):
    """Raised when the exported model and the Keras model disagree."""
