"""What every encoding is decoded into."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol

from app.web.http.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Picture = bytes | NDArray[np.uint8]
    """A file, or pixels that came without one."""


class Images(NamedTuple):
    """The images of a request."""

    rows: int
    """How many."""
    pixels: bytes | memoryview
    """uint8, row-major, image after image, in the model's shape."""
    notes: Sequence[tuple[str, ...]] | None = None
    """On each, what was done to it and what looks doubtful; None where none was a picture."""


class ReadPictures(Protocol):
    """Makes pictures into what the model takes, as the request wants it."""

    def __call__(
        self, pictures: Sequence[Picture], name: Callable[[int], str] | None = None
    ) -> Images:
        """Read pictures.

        Args:
            pictures: In the order of the request.
            name: Says which one is at fault; None where there can be only one.

        Raises:
            ServiceError: If one cannot be read; the class says why.
        """
        ...


def no_pictures(
    pictures: Sequence[Picture],  # noqa: ARG001
    name: Callable[[int], str] | None = None,
) -> NoReturn:
    """Read none, where there cannot be any.

    Raises:
        BadInputError: Always.
    """
    what = name(0) if name is not None else "the body"
    raise BadInputError(f"{what} is a picture; pixels are expected")
