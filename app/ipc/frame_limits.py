"""Size limits of the frames between web workers and the model host.

Whatever does not fit is refused before it is sent: a version when it is loaded, a request when it
arrives. A larger frame would break the connection, and with it every request in flight.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.ipc.status import Shape

_MIB = 2**20
_ANSWER_BYTES = 32 * _MIB
"""Probabilities of one answer; as JSON they take some three times as much."""
_USUAL_CLASSES = 256
"""With at most so many classes, the largest number of images of a request always fits."""
_PIXELS_BYTES = 32 * _MIB
"""Smallest limit on the pixels of one request: pictures are compressed in its body."""
STATUS_BYTES = 16 * _MIB
"""Status of all loaded versions, sent to web workers at every change."""
_REST_BYTES = 4096
"""Other fields of a frame."""
_NUMBER_BYTES = 4


@dataclass(frozen=True, slots=True)
class FrameBounds:
    """The size limits of a service with these settings."""

    max_body_bytes: int
    max_images: int

    @property
    def pixels(self) -> int:
        """Bytes of the pixels of one request."""
        return max(self.max_body_bytes, _PIXELS_BYTES)

    @property
    def answer(self) -> int:
        """Bytes of the probabilities of one answer."""
        return max(_ANSWER_BYTES, self.max_images * _USUAL_CLASSES * _NUMBER_BYTES)

    @property
    def frame(self) -> int:
        """Bytes of any frame, in either direction."""
        return max(self.pixels, self.answer, 2 * STATUS_BYTES) + _REST_BYTES

    def answer_misfit(self, images: int, classes: int) -> str | None:
        """Return why the answer to so many images does not fit; None if it does."""
        size = images * classes * _NUMBER_BYTES
        if size <= self.answer:
            return None
        most = self.answer // (classes * _NUMBER_BYTES)
        return (
            f"the probabilities of {images} images in {classes} classes are {size} bytes; "
            f"an answer holds at most {self.answer}: send at most {most} images in one request"
        )

    def version_misfit(
        self, shape: Shape, classes: Sequence[str], status_bytes: int = 0
    ) -> str | None:
        """Return why a version cannot be served here; None if it can.

        Args:
            shape: Of one image.
            classes: Their names.
            status_bytes: Size of the status that is sent to web workers now.
        """
        image = math.prod(shape)
        if image > self.pixels:
            return (
                f"one image of {' x '.join(map(str, shape))} is {image} bytes; a request here "
                f"holds at most {self.pixels}: set GLYPH_MAX_BODY_BYTES to {image} or more"
            )
        if len(classes) * _NUMBER_BYTES > self.answer:
            most = self.answer // _NUMBER_BYTES
            return f"it has {len(classes)} classes; an answer holds at most {most}"
        names = len(json.dumps(classes))
        if status_bytes + names > STATUS_BYTES:
            return (
                f"the names of its {len(classes)} classes are {names} bytes; web workers are told "
                f"{status_bytes} bytes of versions already, and at most {STATUS_BYTES}: "
                "unload other versions or shorten the names"
            )
        return None
