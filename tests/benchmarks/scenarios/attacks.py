"""Requests that are meant to do harm, each with the statuses that it may get."""

from __future__ import annotations

import base64
import gzip
import io
import itertools
import pickle
import struct
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from tests.benchmarks.scenarios.wire import JSON, RAW, request
from tests.benchmarks.scenarios.written import NPY, as_form

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MIB = 2**20
_BOMB_MIB = 100
_ROW = b"[" + b",".join([b"0"] * 28) + b"]"
_IMAGE = b"[" + b",".join([_ROW] * 28) + b"]"
_PLAIN = b'{"instances":[' + _IMAGE + b"]}"
_FORM = "multipart/form-data; boundary=----------edge"
_PNG = "image/png"


class Attack(NamedTuple):
    """What is sent, piece by piece, and what may come of it."""

    name: str
    pieces: Iterable[bytes]
    statuses: tuple[int, ...]
    then: str = "wait"
    """`wait` for the answer, `close` as soon as all is sent, or send `on and on`."""


def attacks() -> Iterator[Attack]:
    """Make all of them anew, a few at a time: together they take some 300 MB."""
    for some in (_json, _compressed, _arrays, _forms, _pictures, _wire, _heads):
        yield from some()


def _post(name: str, body: bytes, kind: str, *statuses: int, **headers: object) -> Attack:
    return Attack(name, [request("/predict", body, kind, **headers)], statuses)


def _with(value: bytes) -> bytes:
    """Put a value into an image, in the place of its first pixel."""
    return _PLAIN.replace(b"[[[0,", b"[[[" + value + b",", 1)


def _json() -> list[Attack]:
    one, deep = b'{"instances":[%b]}', 100_000
    numbers = {n: n.encode() for n in ("NaN", "-Infinity", "1e999", "-1", "256", "0.5", "true")}
    bodies = {
        f"{deep:,} brackets": b"[" * deep,
        f"{deep:,} brackets, closed": b"[" * deep + b"]" * deep,
        "900 brackets inside": one % (b"[" * 900 + b"]" * 900),
        f"{deep:,} objects inside each other": b'{"a":' * deep,
        "an integer of 5,000 digits": _with(b"9" * 5000),
        "an integer of a million digits": _with(b"9" * 1_000_000),
        **{f"the number {name}": _with(number) for name, number in numbers.items()},
        "the same key twice": _PLAIN[:-1] + b',"instances":[]}',
        "the same key twice, one escaped": _PLAIN[:-1] + rb',"inst\u0061nces":7}',
        "UTF-16": _PLAIN.decode().encode("utf-16"),
        "UTF-16 without a mark": _PLAIN.decode().encode("utf-16-be"),
        "UTF-32": _PLAIN.decode().encode("utf-32"),
        "a byte order mark": b"\xef\xbb\xbf" + _PLAIN,
        "a lone surrogate": rb'{"\ud800":1,"instances":[]}',
        "bytes that are no UTF-8": b'{"instances":["\xff\xfe"]}',
        "nothing": b"",
        "NUL bytes": bytes(1000),
        "cut off": _PLAIN[:-5],
        "two documents": _PLAIN * 2,
        "8 MiB of commas": one % (b"," * (8 * MIB - 100)),
        "8 MiB of spaces": b" " * (8 * MIB - 1),
        "one key of 8 MB": b'{"%b":1}' % (b"x" * 8_000_000),
        "one string of 8 MB": one % (b'"%b"' % (b"x" * 8_000_000)),
        "2 million empty lists": one % b",".join([b"[]"] * 2_000_000),
        "700,000 keys": b"{%b}" % b",".join(b'"%d":1' % n for n in range(700_000)),
        "2 million objects": one % b",".join([b"{}"] * 2_000_000),
        "a row of 4 million numbers": one % (b"[%b]" % b",".join([b"1"] * 4_000_000)),
    }
    found = [_post(f"JSON: {name}", body, JSON, 400, 413) for name, body in bodies.items()]
    escaped = next(a for a in found if a.name.endswith("one escaped"))
    found[found.index(escaped)] = escaped._replace(statuses=(200, 400))  # to orjson the last counts
    many = one % b",".join([_IMAGE] * 1025)
    broken = base64.b64encode(_png(28, 28)[:50])
    of_b64 = {
        "no base64": b"%%%%",
        "URL-safe base64": b"-_-_",
        "half a picture": broken,
        "8 MB of zeros": b"A" * 8_000_000,
        "2,000 x 20,000 pixels": base64.b64encode(_header_only(2000, 20_000)),
    }
    return [
        *found,
        _post("JSON: 1,025 images", many, JSON, 413),
        _post("JSON: 9 MB", _PLAIN.ljust(9_000_000), JSON, 413),
        *(
            _post(f"b64: {name}", one % (b'{"b64":"%b"}' % text), JSON, 400, 413, 415)
            for name, text in of_b64.items()
        ),
        _post("raw pixels: one byte less", bytes(783), RAW, 400),
        _post("raw pixels: 10,000 images", bytes(784 * 10_000), RAW, 413),
        _post("another Content-Type", _PLAIN, "text/plain", 415),
        _post("a Content-Type of 8,000 letters", _PLAIN, "x" * 8000, 415),
    ]


def _compressed() -> list[Attack]:
    bomb = gzip.compress(bytes(_BOMB_MIB * MIB))
    whole = gzip.compress(_PLAIN)
    no_dictionary = zlib.compressobj(zdict=b"instances")
    bodies: list[tuple[str, bytes, str, tuple[int, ...]]] = [
        (f"{_BOMB_MIB} MiB of zeros in {len(bomb) // 1024} KiB", bomb, "gzip", (413,)),
        ("a bomb in a bomb", gzip.compress(bomb), "gzip", (400,)),
        ("the same, named as such", gzip.compress(bomb), "gzip, gzip", (415,)),
        ("100,000 empty members", gzip.compress(b"") * 100_000, "gzip", (400,)),
        ("1,000 members of 100 kB", gzip.compress(bytes(100_000)) * 1000, "gzip", (413,)),
        ("8 MB of nothing", b"\0\0\0\xff\xff" * 1_600_000, "gzip", (400,)),
        ("8 MB of empty blocks", _empty_blocks(1_500_000), "gzip", (400,)),
        ("cut off", whole[:-9], "gzip", (400,)),
        ("cut off in its head", whole[:5], "gzip", (400,)),
        ("something behind it", whole + b"more", "gzip", (400,)),
        ("a wrong checksum", whole[:-8] + bytes(8), "gzip", (400,)),
        ("not compressed at all", _PLAIN, "gzip", (400,)),
        ("a bomb", zlib.compress(bytes(_BOMB_MIB * MIB)), "deflate", (413,)),
        (
            "a preset dictionary",
            no_dictionary.compress(_PLAIN) + no_dictionary.flush(),
            "deflate",
            (400,),
        ),
        ("another coding", _PLAIN, "br", (415,)),
    ]
    return [
        _post(f"{coding}: {name}", body, JSON, *statuses, Content_Encoding=coding)
        for name, body, coding, statuses in bodies
    ]


def _empty_blocks(count: int) -> bytes:
    head = gzip.compress(b"")[:10]
    return head + b"\0\0\0\xff\xff" * count


def _arrays() -> list[Attack]:
    class Trap:
        def __reduce__(self) -> Any:
            return open, ("/tmp/glyph-trap", "w")  # noqa: S108 - never made

    def headed(header: str, data: bytes = b"", length: int | None = None) -> bytes:
        text = header.encode()
        return (
            b"\x93NUMPY\1\0"
            + struct.pack("<H", len(text) if length is None else length)
            + text
            + data
        )

    def described(descr: str, shape: str, data: bytes = b"") -> bytes:
        return headed(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n", data)

    archive = io.BytesIO()
    np.savez(archive, images=np.zeros((28, 28), np.uint8))
    bodies = {
        "a shape of 10^18 pixels": described("'|u1'", "(1000000000, 1000000000)", bytes(784)),
        "a shape beyond 64 bits": described("'|u1'", f"({'9' * 40}, 28)", bytes(784)),
        "a negative shape": described("'|u1'", "(-1, 28, 28)", bytes(784)),
        "no pixel at all": described("'|u1'", "(0, 28, 28)"),
        "one byte less than it says": described("'|u1'", "(28, 28)", bytes(783)),
        "one byte more": described("'|u1'", "(28, 28)", bytes(785)),
        "a pickle": described("'|O'", "(1,)", pickle.dumps(Trap())),
        "named fields": described("[('a', '|u1')]", "(28, 28)", bytes(784)),
        "texts of a GB": described("'<U250000000'", "(1,)", bytes(784)),
        "a header of 60 kB": headed("{" + " " * 60_000 + "}", bytes(784)),
        "a header of brackets": headed("[" * 1000, bytes(784)),
        "a header of signs": headed("-" * 1000 + "1", bytes(784)),
        "a header with a call": headed("__import__('os').getcwd()", bytes(784)),
        "a header shorter than it says": headed("{}", b"", 65_000),
        "another version": b"\x93NUMPY\x09\x09" + bytes(100),
        "an archive (npz)": archive.getvalue(),
        "nothing": b"",
        "NaN": _npy(np.full((28, 28), np.nan)),
        "infinity": _npy(np.full((28, 28), np.inf)),
        "10,000 images": _npy(np.zeros((10_000, 28, 28), np.uint8)),
        "pictures of one pixel, 8 million": _npy(np.zeros((8_000_000, 1, 1), np.uint8)),
        "one picture of 8 million pixels in a row": _npy(np.zeros((1, 1, 8_000_000), np.uint8)),
    }
    return [_post(f"npy: {name}", body, NPY, 400, 413) for name, body in bodies.items()]


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _forms() -> list[Attack]:
    png = _png(28, 28)
    long = "multipart/form-data; boundary=" + "x" * 4000
    edge = b"------------edge"
    bodies: list[tuple[str, bytes, str, tuple[int, ...]]] = [
        ("10,000 files", as_form([b""] * 10_000), _FORM, (413,)),
        ("10,000 fields", as_form([b"1"] * 10_000, 'name="x"'), _FORM, (400,)),
        ("a field of 8 MB", as_form([bytes(8_000_000)], 'name="x"'), _FORM, (400,)),
        ("no file", as_form([]), _FORM, (400,)),
        ("an empty file", as_form([b""], 'name="x"; filename=""'), _FORM, (400,)),
        ("no boundary", as_form([png]), "multipart/form-data", (400,)),
        ("a boundary of 4,000 letters", as_form([png]), long, (400,)),
        ("another boundary", as_form([png]), f"{_FORM}s", (400,)),
        ("a head of 1 MB", edge + b"\r\nX: " + b"x" * MIB, _FORM, (400,)),
        ("8 MB before the form", bytes(8_000_000), _FORM, (400,)),
        ("8 MB of line ends", edge + b"\r\n" * 4_000_000, _FORM, (400,)),
        ("8 MB of near boundaries", as_form([b"\r\n----------edg" * 500_000]), _FORM, (400, 415)),
        ("a form in a form", as_form([as_form([png])]), _FORM, (400, 415)),
        ("cut off", as_form([png])[:-20], _FORM, (400,)),
        ("a file that is text", as_form([b"digit"]), _FORM, (400, 415)),
    ]
    return [_post(f"form: {name}", body, kind, *statuses) for name, body, kind, statuses in bodies]


def _png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "png")
    return file.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _header_only(width: int, height: int, *more: bytes) -> bytes:
    """Write a PNG that claims to be as large, and has no pixels."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + _chunk(b"IDAT", b"") + _chunk(b"IEND", b"")
    )


def _saved(kind: str, frames: int = 1, **options: object) -> bytes:
    file = io.BytesIO()
    first, *rest = [Image.new("RGB", (64, 64), (80 * n, 0, 0)) for n in range(frames)]
    more = {"save_all": True, "append_images": rest} if rest else {}
    first.save(file, kind, **more, **options)
    return file.getvalue()


def _pictures() -> list[Attack]:
    text = _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(_BOMB_MIB * MIB)))
    jpeg = _saved("jpeg")
    bodies: list[tuple[str, bytes, str, tuple[int, ...]]] = [
        ("a PNG of 67 bytes that claims 10,000 x 10,000", _header_only(10_000, 10_000), _PNG, ()),
        ("one that claims 20,000 x 20,000", _header_only(20_000, 20_000), _PNG, ()),
        ("one that claims 2^31 x 2^31", _header_only(2**31 - 1, 2**31 - 1), _PNG, ()),
        ("one of 0 x 0", _header_only(0, 0), _PNG, ()),
        ("one of 16,384 x 1", _header_only(16_384, 1), _PNG, ()),
        (f"a text of {_BOMB_MIB} MiB inside a PNG", _header_only(28, 28, text), _PNG, ()),
        ("half a PNG", _png(500, 500)[:200], _PNG, ()),
        ("a PNG of noise", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, _PNG, ()),
        ("an animated PNG", _saved("png", 3), _PNG, ()),
        ("an animated WebP", _saved("webp", 3), "image/webp", ()),
        ("a GIF that says it is a PNG", _saved("gif", 3), _PNG, ()),
        ("a TIFF", _saved("tiff"), _PNG, ()),
        ("an SVG", b'<svg xmlns="http://www.w3.org/2000/svg"/>', _PNG, ()),
        ("half a JPEG", jpeg[: len(jpeg) // 2], "image/jpeg", ()),
        ("a JPEG that claims 65,000 x 65,000", _claiming(jpeg, 65_000), "image/jpeg", ()),
        ("a WebP of 12 bytes", b"RIFF\0\0\0\0WEBP", "image/webp", ()),
        ("a BMP of 2 bytes", b"BM", "image/bmp", ()),
        ("a BMP that claims 2^31 rows", _claiming_bmp(), "image/bmp", ()),
        ("8 MB of fill bytes in a JPEG", b"\xff\xd8" + b"\xff" * 8_000_000, "image/jpeg", ()),
        (
            "2 million comments in a JPEG",
            b"\xff\xd8" + b"\xff\xfe\0\2" * 2_000_000,
            "image/jpeg",
            (),
        ),
        (
            "600,000 chunks in a PNG",
            _header_only(28, 28, *[_chunk(b"teSt", b"")] * 600_000),
            _PNG,
            (),
        ),
        ("nothing", b"", _PNG, ()),
        ("8 MB of zeros", bytes(8_000_000), _PNG, ()),
    ]
    return [
        _post(f"picture: {name}", body, kind, *(statuses or (400, 413, 415)))
        for name, body, kind, statuses in bodies
    ]


def _claiming(jpeg: bytes, side: int) -> bytes:
    """Change the size in a JPEG's frame header."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", side, side) + jpeg[at + 4 :]


def _claiming_bmp() -> bytes:
    bmp = _saved("bmp")
    return bmp[:22] + struct.pack("<i", 2**31 - 1) + bmp[26:]


def _wire() -> list[Attack]:
    """Write bodies that do not come as they are announced."""
    head = b"POST /predict HTTP/1.1\r\nHost: glyph\r\nContent-Type: application/json\r\n"
    soon = b"X-Request-Timeout-Ms: 500\r\n"
    chunked = head + soon + b"Transfer-Encoding: chunked\r\n\r\n"
    endless = itertools.chain([chunked], itertools.repeat(b"10000\r\n" + b" " * 65_536 + b"\r\n"))
    tiny = itertools.chain([chunked], itertools.repeat(b"1\r\n[\r\n" * 1000))
    both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    return [
        Attack("chunks without end", endless, (413, 408), "on and on"),
        Attack("chunks of a byte, without end", tiny, (400,), "on and on"),
        Attack("chunks that stop", [chunked + b"5\r\n{\r\n"], (408, 400)),
        Attack("a chunk's size that is none", [chunked + b"zz\r\n{}\r\n0\r\n\r\n"], (400,)),
        Attack("a chunk of 2^63 bytes", [chunked + b"7fffffffffffffff\r\n{}"], (400, 408, 413)),
        Attack("a length and chunks", [head + both], (400,)),
        Attack(
            "a length that never comes", [head + soon + b"Content-Length: 784\r\n\r\n{"], (408,)
        ),
        Attack("gone before the end", [head + b"Content-Length: 784\r\n\r\n{"], (0, 400), "close"),
        Attack(
            "a length of 10^18", [head + b"Content-Length: 1" + b"0" * 18 + b"\r\n\r\n{"], (413,)
        ),
        Attack("a negative length", [head + b"Content-Length: -5\r\n\r\n{"], (400,)),
        Attack("two lengths", [head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"], (400,)),
    ]


def _heads() -> list[Attack]:
    def get(name: str, path: str, *statuses: int, **headers: object) -> Attack:
        return Attack(name, [request(path, _PLAIN, JSON, **headers)], statuses)

    digits = "9" * 3000
    return [
        get("query: top_k of 3,000 digits", f"/predict?top_k={digits}", 400),
        get("query: 500 parameters", "/predict?" + "&".join(["a=1"] * 500), 400),
        get("query: fields of 3,000 commas", "/predict?fields=" + "," * 3000, 400),
        get("query: one that is not there", "/predict?debug=1", 400),
        get("header: a deadline of 3,000 digits", "/predict", 400, X_Request_Timeout_Ms=digits),
        get("header: Accept of 1,000 kinds", "/predict", 406, Accept="a/b," * 1000),
        get("header: Accept that is nonsense", "/predict", 406, Accept=";;q=,,/"),
        get("a request line of 10,000 letters", "/" + "x" * 10_000, 400, 414),
    ]
