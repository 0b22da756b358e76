"""Reads an inference request: its JSON, and the tensors that follow it as bytes."""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.web.api.open_inference.tensors import INPUT, Tensor
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError
from app.web.http.json_parsing import describe_fault, parse_json
from app.web.http.request_body import LONGEST_TIMEOUT_MS
from imaging.preparation import Prepare  # noqa: TC001 - pydantic needs it at run time
from model_store.base.integral_float import INTEGRAL_FLOAT
from model_store.base.validation import first_error

HEADER_LENGTH = "Inference-Header-Content-Length"
"""How many bytes of the body are JSON; all of them where it is missing."""
OUTPUT = "probabilities"
"""The one tensor that a model gives."""
_SHORT_NUMBER = re.compile("[0-9]{1,12}")
_MOST_TENSORS = 16
"""Checked before each is looked at, as is the next one; only one tensor, of up to four
dimensions, can be right."""
_MOST_DIMENSIONS = 16
_QUOTE_LENGTH = 40
_LONGEST_US = LONGEST_TIMEOUT_MS * 1000


class _Lenient(BaseModel):
    """Ignores unknown fields, which clients send for other servers; null is a missing field."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _InputParameters(_Lenient):
    binary_data_size: Annotated[int, Field(ge=0), INTEGRAL_FLOAT] | None = None
    shared_memory_region: Any = None


class _Input(_Lenient):
    name: str
    datatype: str
    shape: Annotated[list[Annotated[int, INTEGRAL_FLOAT]], Field(max_length=_MOST_DIMENSIONS)]
    parameters: _InputParameters | None = None
    data: Any = None  # not a list of anything: to look at each number takes longer than all else


class _OutputParameters(_Lenient):
    binary_data: bool | None = None
    classification: Annotated[int, Field(ge=0), INTEGRAL_FLOAT] | None = None
    shared_memory_region: Any = None


class _Output(_Lenient):
    name: str
    parameters: _OutputParameters | None = None


class _RequestParameters(_Lenient):
    binary_data_output: bool | None = None
    timeout: Annotated[int, Field(ge=0, le=_LONGEST_US), INTEGRAL_FLOAT] | None = None
    prepare: Prepare | None = None


class _Request(_Lenient):
    id: str | None = None
    inputs: Annotated[list[_Input], Field(max_length=_MOST_TENSORS)]
    outputs: Annotated[list[_Output], Field(max_length=_MOST_TENSORS)] | None = None
    parameters: _RequestParameters | None = None


class OutputOptions(NamedTuple):
    """The format of the output."""

    binary: bool = False
    """As bytes behind the JSON, not in it."""
    top: int = 0
    """Only so many of the likeliest classes, as text; 0 is the probabilities of all."""


class InferenceRequest(NamedTuple):
    """A parsed inference request."""

    input: Tensor
    output: OutputOptions = OutputOptions()
    id: str | None = None
    """To be given back."""
    timeout_s: float | None = None
    """How long the caller waits, if the request says so itself."""
    prepare: Prepare = "auto"
    """Which pictures are made like what the model has learnt from."""


def read_request(body: bytes, header_length: str | None) -> InferenceRequest:
    """Read a body; its bytes are not copied.

    Args:
        body: JSON, the tensors' bytes behind it; or, where it has no JSON at all, one image.
        header_length: What the header of that name says.

    Raises:
        BadInputError: If it is malformed; the message names the place.
    """
    view = memoryview(body)
    length = _header_length(header_length, len(body))
    if not length and header_length is not None:
        return InferenceRequest(Tensor(INPUT, "UINT8", None, view), OutputOptions(binary=True))
    request = _parse(view[:length])
    parameters = request.parameters or _RequestParameters()
    return InferenceRequest(
        _tensor(request, view[length:]),
        _output_options(request.outputs, binary=bool(parameters.binary_data_output)),
        request.id,
        parameters.timeout / 1e6 if parameters.timeout else None,
        parameters.prepare or "auto",
    )


def _header_length(header: str | None, size: int) -> int:
    if header is None:
        return size
    if not _SHORT_NUMBER.fullmatch(header) or int(header) > size:
        raise BadInputError(
            f"header {HEADER_LENGTH} is {header[:_QUOTE_LENGTH]!r}; the number of bytes that are "
            f"JSON is expected, of the {size} that the body has",
            code=ErrorCode.REQUEST_PARAMETER,
        )
    return int(header)


def _parse(text: memoryview) -> _Request:
    try:
        return _Request.model_validate(parse_json(text))
    except orjson.JSONDecodeError as exc:
        raise BadInputError(
            f"the request is {describe_fault(exc)}", code=ErrorCode.REQUEST_MALFORMED_JSON
        ) from None
    except ValidationError as exc:
        raise BadInputError(_explain(exc)) from None


def _explain(exc: ValidationError) -> str:
    first = first_error(exc)
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first.path).lstrip(".")
    message = f"{place or 'the request'}: {first.phrase}"
    found = first.found
    if isinstance(found, str):
        found = found[:_QUOTE_LENGTH]
    if isinstance(found, str | int | float | None):
        message += f" (found {orjson.dumps(found).decode()})"
    return message


def _tensor(request: _Request, binary: memoryview) -> Tensor:
    names = [given.name[:_QUOTE_LENGTH] for given in request.inputs]
    if names != [INPUT]:
        found = f"the inputs are named {', '.join(names)}" if names else "there is no input"
        raise BadInputError(f"{found}; the model takes one, named {INPUT}")
    given = request.inputs[0]
    parameters = given.parameters or _InputParameters()
    data: Any = given.data
    size = parameters.binary_data_size
    if parameters.shared_memory_region is not None:
        raise BadInputError(f"input {INPUT} is in shared memory, which is not supported")
    if size is not None and data is not None:
        raise BadInputError(f"input {INPUT} has both data and binary_data_size; one is expected")
    if len(binary) != (size or 0):
        said = f"binary_data_size says {size}" if size is not None else "no input declares any"
        raise BadInputError(f"{len(binary)} bytes follow the JSON; {said}")
    if size is not None:
        data = binary
    elif not isinstance(data, list):
        raise BadInputError(
            f"input {INPUT} has no data; a list is expected, or in its parameters "
            f"binary_data_size and in the request the header {HEADER_LENGTH}"
        )
    return Tensor(given.name, given.datatype, tuple(given.shape), data)


def _output_options(outputs: list[_Output] | None, *, binary: bool) -> OutputOptions:
    if not outputs:
        return OutputOptions(binary)
    for output in outputs:
        if output.name != OUTPUT:
            name = output.name[:_QUOTE_LENGTH]
            raise BadInputError(f"unexpected inference output {name!r}; there is one, {OUTPUT}")
    if len(outputs) > 1:
        raise BadInputError(f"output {OUTPUT} is requested {len(outputs)} times; once is expected")
    parameters = outputs[0].parameters or _OutputParameters()
    if parameters.shared_memory_region is not None:
        raise BadInputError(
            f"output {OUTPUT} is requested in shared memory, which is not supported"
        )
    if parameters.binary_data is not None:
        binary = parameters.binary_data
    return OutputOptions(binary, parameters.classification or 0)
