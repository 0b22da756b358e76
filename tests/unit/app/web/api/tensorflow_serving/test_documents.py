"""The body of a request: what is parsed beyond JSON, and what is refused with its place."""

from __future__ import annotations

import math

import pytest

from app.web.api.tensorflow_serving.documents import parse_object
from app.web.api.tensorflow_serving.errors import InvalidArgumentError

NESTED = "the body is nested too deep; an image has 3 levels"
DEPTH = "the body is not valid JSON: depth limit exceeded (line 1, column 1026)"


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        parse_object(body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        (b"", 1, 1),
        (b" \r\n\t", 1, 1),
        (b"instances = [1, 2]", 1, 1),
        (b"   nope", 1, 4),
        (b'{"a":tru}', 1, 6),
        (b'{"a":-x}', 1, 7),
        (b"[1,]", 1, 3),
        (b"[", 1, 2),
        (b"[1 2]", 1, 4),
        (b'{"a":[{"b":1} 2]}', 1, 15),
        (b"[1,2", 1, 5),
        (b'{"a":1 "b":2}', 1, 8),
        (b'{"a":01}', 1, 6),
        (b'{"a":1', 1, 7),
        (b"{a:1}", 1, 2),
        (b'{"a":1, }', 1, 7),
        (b'{"a" 1}', 1, 6),
        (b'{"a":"x', 1, 8),
        (b'{"a":"x\ny"}', 1, 8),
        (b'{"a":"\\q"}', 1, 7),
        (b'{"a":"xx\\u12G4"}', 1, 9),
        (b'{"a":1.}', 1, 8),
        (b'{"a":1e}', 1, 8),
        (b'{"a":1e999}', 1, 6),
        (b'{"\xc3\xa9":?}', 1, 6),
        (b'{"\xff":NaN,\n"a":?}', 2, 5),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_malformed_json_is_refused_with_what_and_where(body, line, column):
    """Behind a NaN as well."""
    sentence = refusal(body)

    assert sentence.startswith("the body is not valid JSON: ")
    assert sentence.endswith(f" (line {line}, column {column})")


def test_an_integer_of_thousands_of_digits_is_refused():
    """By either parser."""
    digits = b"9" * 5000

    assert "number is infinity" in refusal(b'{"a":%b}' % digits)
    assert "the body has a number of thousands of digits" == refusal(b'{"a":NaN,"b":%b}' % digits)


def test_large_bodies_are_parsed_by_the_quick_parser_alone():
    """Python's own parser takes its time; NaN is a fault then."""
    space = b" " * 256 * 1024

    assert refusal(b'{"a":["\xc3\xa9",NaN]}' + space).endswith(" (line 1, column 11)")
    assert {"a": 1} == parse_object(b'{"a":1} and more' + space)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [(b"[" * 300_000, DEPTH), (b"[NaN," + b"[" * 10_000, NESTED)],
    ids=["quick", "own"],
)
def test_nesting_beyond_reason_is_refused(body, sentence):
    """By either parser, in place of the end of the process."""
    assert sentence == refusal(body)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"3", "the number 3"),
        (b'"x"', "the string 'x'"),
        (b"null", "null"),
        (b"NaN", "the number nan"),
        (b"[1, {}]", "a list of 2"),
    ],
)
def test_a_request_is_an_object(body, found):
    """Anything else is named."""
    assert f"the body is {found}; an object is expected" == refusal(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1} and more',
        b'{"a":1}{"a":2}',
        b'{"a":1}\xff',
        b'\xef\xbb\xbf{"a":1}x',
        b' {"a":1}',
    ],
)
def test_what_follows_the_document_is_not_read(body):
    """Nor is a byte order mark before it."""
    assert {"a": 1} == parse_object(body)


def test_the_tokens_that_json_lacks_are_read():
    """As JavaScript has them."""
    read = parse_object(b'{"a":[NaN, Infinity, -Infinity]}')["a"]

    assert math.isnan(read[0])
    assert [math.inf, -math.inf] == read[1:]


@pytest.mark.parametrize("body", [b'{"\xff":1}', b'{"\\udcff":1}'], ids=["byte", "escape"])
def test_text_that_is_no_unicode_is_read(body):
    """Be it written as a byte or as an escape."""
    assert {"\udcff": 1} == parse_object(body)
