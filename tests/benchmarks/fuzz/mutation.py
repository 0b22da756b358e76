"""Changes inputs: any of their bytes, or what a document in them says."""

from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from tests.benchmarks.fuzz.target import Mutator, Target

_USUAL_BYTES = 64 * 2**10
_SELDOM = 0.002
_OWN_SHARE = 0.7
_EDGES = (0, 1, 2, 7, 8, 15, 16, 27, 28, 63, 64, 127, 128, 255, 256, 783, 784, 1023, 1024, 4095)
_EDGES += (32767, 32768, 65535, 65536, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
_NUMBERS = (*_EDGES, -1, -255, 0.5, 1.0, 255.0, 1e308, 1e-9, -0.0, float("nan"), float("inf"))
_VALUES: tuple[Any, ...] = (None, True, False, "", "7", "\ud800", "\0", [], {}, [[]], {"b64": ""})
_NUMERALS = (b"NaN", b"1e999", b"-0", b"00", b"0x1", b"+1", b"1_0", b"9" * 400, "\u0665".encode())


def mutate(rng: Random, data: bytes, others: Sequence[bytes], target: Target) -> bytes:
    """Change an input once or a few times; most often by the target's own means."""
    for _ in range(rng.choice((1, 1, 1, 1, 2, 5))):
        if target.mutators and rng.random() < _OWN_SHARE:
            try:
                data = rng.choice(target.mutators)(rng, data)
                continue
            except Exception:  # noqa: BLE001, S110 - it is not any more what it was
                pass
        if target.words and rng.random() < 1 / 8:
            data = _put(rng, data, rng.choice(target.words))
        elif rng.random() < 1 / 8:
            data = _splice(rng, data, rng.choice(others))
        else:
            data = rng.choice(_ANY)(rng, data)
    if rng.random() < _SELDOM:
        return _grow(rng, data, target.most_bytes)
    return data[: min(target.most_bytes, _USUAL_BYTES)]


def change_bytes(rng: Random, data: bytes) -> bytes:
    """Change any of the bytes."""
    return rng.choice(_ANY)(rng, data)


def change_json(rng: Random, data: bytes) -> bytes:
    """Change a value or a key of a JSON document, or how it is written.

    Raises:
        ValueError: If it is none.
    """
    document = json.loads(data)
    holder, key = _place(rng, document)
    change = rng.randrange(10)
    if change < 6:
        holder[key] = _another(rng, holder[key])
    elif change == 6:
        del holder[key]
    elif change == 7:
        holder[key] = [holder[key]] * rng.choice((1, 1, 2, 9))
    elif change == 8:
        other, place = _place(rng, document)
        holder[key] = other[place]
    elif isinstance(holder, list):
        holder.insert(key, _another(rng, holder[key]))
    else:
        holder[rng.choice(("", "b64", "images", "inputs", "instances", "\ud800", key * 2))] = (
            holder[key]
        )
    separators = rng.choice(((",", ":"), (",", ":"), (", ", ": "), (" ,\n", "\t:\r\n")))
    return json.dumps(document, separators=separators, ensure_ascii=rng.random() < 1 / 2).encode(
        errors="surrogatepass"
    )


def _place(rng: Random, document: Any) -> tuple[Any, Any]:
    """Choose a place anywhere in a document."""
    holder: Any = [document]
    key: Any = 0
    while isinstance(inner := holder[key], dict | list) and inner and rng.random() < 7 / 8:
        holder = inner
        key = rng.choice([*inner]) if isinstance(inner, dict) else rng.randrange(len(inner))
    if isinstance(holder, list) and holder[0] is document:
        raise ValueError("the document itself")
    return holder, key


def _another(rng: Random, value: Any) -> Any:
    if isinstance(value, int | float) and rng.random() < 7 / 8:
        if rng.random() < 1 / 2:
            return rng.randrange(256)
        return rng.choice((rng.choice(_NUMBERS), value + 1, _as_float(value)))
    if isinstance(value, str) and value and rng.random() < 3 / 4:
        changed = change_bytes(rng, value.encode(errors="surrogatepass"))
        return changed.decode(errors="replace")
    return rng.choice((*_VALUES, *_NUMBERS))


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a number of hundreds of digits
        return math.inf


def _flip(rng: Random, data: bytes) -> bytes:
    changed = bytearray(data or b"\0")
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(rng: Random, data: bytes) -> bytes:
    changed = bytearray(data or b"\0")
    changed[rng.randrange(len(changed))] = rng.choice((0, 255, 127, 128, rng.randrange(256)))
    return bytes(changed)


def _integer(rng: Random, data: bytes) -> bytes:
    """Write a number over some bytes, as a header has it."""
    form = rng.choice(("<H", ">H", "<I", ">I", "<Q", "<i"))
    size = struct.calcsize(form)
    number = rng.choice(_EDGES) & (2 ** (8 * size - form.endswith("i")) - 1)
    start = rng.randrange(min(len(data), rng.choice((32, 2**16))) + 1)
    return data[:start] + struct.pack(form, number) + data[start + size :]


def _numeral(rng: Random, data: bytes) -> bytes:
    """Write a number in place of the digits that stand somewhere."""
    start = rng.randrange(len(data) + 1)
    while start < len(data) and not data[start : start + 1].isdigit():
        start += 1
    end = start
    while end < len(data) and data[end : end + 1].isdigit():
        end += 1
    number = rng.choice((*_NUMERALS, *(str(rng.choice(_NUMBERS)).encode() for _ in range(8))))
    return data[:start] + number + data[end:]


def _insert(rng: Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + rng.randbytes(rng.choice((1, 1, 2, 4, 16))) + data[start:]


def _delete(rng: Random, data: bytes) -> bytes:
    start, end = _part(rng, data)
    return data[:start] + data[end:]


def _repeat(rng: Random, data: bytes) -> bytes:
    start, end = _part(rng, data)
    return data[:end] + data[start:end] * rng.choice((1, 1, 2, 8)) + data[end:]


def _move(rng: Random, data: bytes) -> bytes:
    start, end = _part(rng, data)
    rest = data[:start] + data[end:]
    place = rng.randrange(len(rest) + 1)
    return rest[:place] + data[start:end] + rest[place:]


def _cut(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _part(rng: Random, data: bytes) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 2, 4, 16, 64, 512)))


def _put(rng: Random, data: bytes, word: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + word + data[start + rng.choice((0, len(word))) :]


def _splice(rng: Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _grow(rng: Random, data: bytes, most: int) -> bytes:
    """Repeat a part until the input is as large as any may be."""
    start, end = _part(rng, data)
    part = data[start:end] or b"\0"
    return (data[:end] + part * (most // len(part)) + data[end:])[:most]


_ANY: tuple[Mutator, ...] = (
    *(_flip, _flip, _overwrite, _overwrite, _integer, _integer, _numeral, _insert, _delete),
    *(_repeat, _move, _cut),
)


def within(
    take_apart: Callable[[bytes], tuple[bytes, Callable[[bytes], bytes]]], *inner: Mutator
) -> Mutator:
    """Make a mutator that changes what is wrapped in something else.

    Args:
        take_apart: Gives what is inside, and what wraps it again.
        inner: Changes it; by default any of its bytes.
    """

    def change(rng: Random, data: bytes) -> bytes:
        content, wrap = take_apart(data)
        return wrap(rng.choice(inner or (change_bytes,))(rng, content))

    return change
