"""JSON as TensorFlow Serving reads it, and its complaints with their offsets."""

from __future__ import annotations

import math

import pytest

from app.web.tf_serving.documents import parse_object, quote, type_name
from app.web.tf_serving.errors import InvalidArgumentError

INVALID = "Invalid value."
ARRAY = "Missing a comma or ] after an array element."
OBJECT = "Missing a comma or } after an object member."
NAME = "Missing a name for object member."
COLON = "Missing a colon after a name of object member."
TOO_BIG = "Number too big to be stored in double."


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        parse_object(body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "complaint", "offset"),
    [
        (b" \r\n\t", "The document is empty.", 4),
        (b"instances = [1, 2]", INVALID, 0),
        (b"   nope", INVALID, 4),
        (b'{"a":tru}', INVALID, 8),
        (b'{"a":-x}', INVALID, 6),
        (b"[1,]", INVALID, 3),
        (b"[", INVALID, 1),
        (b"[1 2]", ARRAY, 3),
        (b'{"a":[{"b":1} 2]}', ARRAY, 14),
        (b"[1,2", ARRAY, 4),
        (b'{"a":1 "b":2}', OBJECT, 7),
        (b'[{"a":1 "b":2}]', OBJECT, 8),
        (b'{"a":01}', OBJECT, 6),
        (b'{"a":1', OBJECT, 6),
        (b"{a:1}", NAME, 1),
        (b'{"a":1, }', NAME, 8),
        (b'{"a" 1}', COLON, 5),
        (b'{"a":"x', "Missing a closing quotation mark in string.", 7),
        (b'{"a":"x\ny"}', "Invalid encoding in string.", 7),
        (b'{"a":"\\q"}', "Invalid escape character in string.", 6),
        (b'{"a":"xx\\u12G4"}', "Incorrect hex digit after \\u escape in string.", 8),
        (b'{"a":1.}', "Miss fraction part in number.", 7),
        (b'{"a":1e}', "Miss exponent in number.", 7),
        (b'{"a":1e999}', TOO_BIG, 5),
        (b'{"a":NaN,"b":%b}' % (b"9" * 5000), TOO_BIG, 13),
        (b'{"\xc3\xa9":?}', INVALID, 6),
        (b'{"\xff":NaN,"a":?}', INVALID, 13),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_malformed_json_is_refused_with_what_and_where(body, complaint, offset):
    """The offset counts bytes."""
    assert f"JSON Parse error: {complaint} at offset: {offset}" == refusal(body)


def test_an_empty_body_has_no_offset():
    """It is noticed before it is parsed."""
    assert "JSON Parse error: The document is empty" == refusal(b"")


def test_large_bodies_are_not_parsed_with_the_same_care():
    """Python's own parser takes its time; what is wrong is then an invalid value in any case."""
    space = b" " * 256 * 1024

    assert f"JSON Parse error: {INVALID} at offset: 7" == refusal(b'{"a":1 "b":2}' + space)
    assert f"JSON Parse error: {INVALID} at offset: 11" == refusal(
        b'{"a":["\xc3\xa9",NaN]}' + space
    )
    assert {"a": 1} == parse_object(b'{"a":1} and more' + space)


@pytest.mark.parametrize("body", [b"[" * 300_000, b"[NaN," + b"[" * 10_000], ids=["quick", "own"])
def test_nesting_beyond_reason_is_refused(body):
    """By either parser, in place of the end of the process."""
    assert "JSON Parse error: nested too deep" == refusal(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"3", "3"),
        (b'"x"', '"x"'),
        (b"null", "null"),
        (b"NaN", "NaN"),
        (b"[1, {}]", "[\n    1,\n    {}\n]"),
    ],
)
def test_a_request_is_an_object(body, value):
    """Anything else is shown as it would be written there."""
    assert f"JSON Value: {value} Is not object" == refusal(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1} and more',
        b'{"a":1}{"a":2}',
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


def test_only_the_beginning_of_a_value_is_shown():
    """256 bytes, and of characters only whole ones; the rest is not even written."""
    shown = quote({"a": ["é" * 200]})

    assert '{\n    "a": [\n        "é' == shown[:23]
    assert len(shown.encode()) in {255, 256}
    assert 256 == len(quote([0] * 10**6))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "Null"),
        (True, "True"),
        (False, "False"),
        ({}, "Object"),
        ([], "Array"),
        ("", "String"),
        (1, "Number"),
        (1.5, "Number"),
    ],
)
def test_kinds_of_json_have_names(value, name):
    """Those of the parser there."""
    assert name == type_name(value)
