"""Why a picture is not read.

PictureError
├── MalformedPictureError      it is empty, damaged, or of a form that the model cannot take
├── PictureSizeError           it is of another size than the model's, and is not to be scaled
├── PictureTooLargeError       it would take too much memory or time to decode
└── UnsupportedFormatError     its file is of a format that is not decoded
"""

from __future__ import annotations


class PictureError(ValueError):
    """Base of every reason; its text is for the person who sent the picture."""


class MalformedPictureError(PictureError):
    """Raised when a picture is empty, damaged, or of a form that cannot be used."""


class PictureSizeError(PictureError):
    """Raised when a picture is of another size than the model's, and is not to be scaled."""


class PictureTooLargeError(PictureError):
    """Raised when a picture is over a bound."""

    def __init__(self, message: str, *, found: int, limit: int) -> None:
        """Create an error.

        Args:
            message: Names the bound, what was found, and what is expected.
            found: What the picture has, in the bound's unit.
            limit: The bound.
        """
        super().__init__(message)
        self.found = found
        self.limit = limit


class UnsupportedFormatError(PictureError):
    """Raised when a file is of a format that is not decoded."""
