"""Reads the body of a predict request, common ones by the fast path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.web.api.tensorflow_serving.documents import parse_object
from app.web.api.tensorflow_serving.errors import InvalidArgumentError
from app.web.api.tensorflow_serving.plain_bodies import read_plain_body
from app.web.api.tensorflow_serving.tensors import SIGNATURE, images_of
from app.web.http.json_parsing import describe

if TYPE_CHECKING:
    from app.ipc.status import Shape


def decode_images(body: bytes, shape: Shape, max_images: int) -> tuple[str, int, bytes]:
    """Decode a body.

    Args:
        body: `{"signature_name": ..., "instances": [...]}`, or with `inputs`.
        shape: Rows, columns and channels that the model takes.
        max_images: Bound on the images.

    Returns:
        The key that the images stand at, `instances` or `inputs`, their number, and their uint8
        pixels, row-major, image after image.

    Raises:
        InvalidArgumentError: If anything is malformed, or does not fit the model.
        TooLargeError: If there are too many.
    """
    plain = read_plain_body(body, shape, max_images)
    if plain is not None:
        return plain
    document = parse_object(body)
    name = signature_of(document)
    if name != SIGNATURE:
        raise InvalidArgumentError(f'Serving signature name: "{name}" not found in signature def')
    return images_of(document, shape, max_images)


def signature_of(document: dict[str, Any]) -> str:
    """Return the name of the signature that a request asks for.

    Raises:
        InvalidArgumentError: If it is no string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidArgumentError(f"signature_name is {describe(name)}; a string is expected")
    return name or SIGNATURE
