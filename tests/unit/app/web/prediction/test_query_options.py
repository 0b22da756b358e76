"""The query of /predict: what may be asked for, and how a slip is answered."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from app.web.http.errors import BadInputError
from app.web.prediction.query_options import FIELDS, USUAL, USUAL_FIELDS, QueryOptions, read_query

PREPARE = "there are auto, always, never, digit, fit, exact"


def refusal(*pairs: tuple[str, str]) -> str:
    with pytest.raises(BadInputError) as caught:
        read_query(urlencode(pairs))
    return str(caught.value)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], USUAL),
        ([("prepare", "always")], QueryOptions(prepare="always")),
        ([("prepare", "never"), ("top_k", "3")], QueryOptions(prepare="never", top_k=3)),
        ([("fields", "label")], QueryOptions(fields=frozenset({"label"}))),
        ([("fields", "top,label,top")], QueryOptions(fields=frozenset({"label", "top"}))),
        ([("fields", ",".join(FIELDS))], QueryOptions(fields=frozenset(FIELDS))),
    ],
)
def test_what_may_be_asked_for(pairs, expected):
    """Each parameter alone or with others, in any order."""
    assert expected == read_query(urlencode(pairs))


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("topk", "3", "unknown query parameter 'topk'; there are prepare, top_k, fields; did you "),
        ("x" * 99, "", f"unknown query parameter '{'x' * 40}'; there are prepare, top_k, fields"),
        (
            "prepare",
            "alway",
            f"unknown value of prepare: 'alway'; {PREPARE}; ",
        ),
        (
            "prepare",
            "",
            f"unknown value of prepare: ''; {PREPARE}",
        ),
        ("fields", "", "unknown name in fields: ''; there are label, class, "),
        (
            "fields",
            "label,note",
            "'note'; there are label, class, probability, probabilities, top, ",
        ),
        ("top_k", "0", "top_k is '0'; a whole number from 1 to the number of classes is expected"),
        ("top_k", "-1", "top_k is '-1'; a whole number from 1"),
        ("top_k", "1.0", "top_k is '1.0'; a whole number from 1"),
        ("top_k", "²", "top_k is '²'; a whole number from 1"),
        ("top_k", "9" * 5000, f"top_k is '{'9' * 40}'; a whole number from 1"),
    ],
)
def test_what_is_not_known_is_refused(name, value, sentence):
    """With what there is."""
    assert sentence in refusal((name, value))


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [("topk", "1", "top_k"), ("prepare", "neve", "never"), ("fields", "lable", "label")],
)
def test_a_slip_is_guessed(name, value, meant):
    """The nearest name is offered."""
    assert refusal((name, value)).endswith(f"did you mean {meant}?")


def test_a_parameter_stands_once():
    """Else nobody knows which is meant."""
    expected = "query parameter top_k appears 2 times; once is expected"
    assert expected == refusal(("top_k", "1"), ("top_k", "2"))


def test_more_classes_than_there_are_are_refused():
    """A model has so many."""
    QueryOptions(top_k=3).check_classes(3)
    with pytest.raises(BadInputError, match="top_k is '4'; a whole number from 1 to 3 is expected"):
        QueryOptions(top_k=4).check_classes(3)


@pytest.mark.parametrize(
    ("asked", "pictures", "expected"),
    [
        (USUAL, False, set(USUAL_FIELDS)),
        (USUAL, True, {*USUAL_FIELDS, "notes"}),
        (QueryOptions(top_k=1), False, {*USUAL_FIELDS, "top"}),
        (QueryOptions(top_k=1), True, {*USUAL_FIELDS, "top", "notes"}),
        (QueryOptions(top_k=1, fields=frozenset({"label"})), True, {"label", "top"}),
        (QueryOptions(fields=frozenset({"pixels"})), True, {"pixels"}),
    ],
)
def test_the_fields_of_an_answer(asked, pictures, expected):
    """The usual ones unless others are named; pictures have notes, and top_k adds top."""
    assert expected == asked.fields_of(pictures=pictures)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (USUAL, False),
        (QueryOptions(prepare="always"), False),
        (QueryOptions(top_k=1), True),
        (QueryOptions(fields=frozenset({"label"})), True),
    ],
)
def test_what_only_json_can_hold(asked, expected):
    """Numbers alone have no fields."""
    assert expected == asked.needs_json


def test_bytes_that_are_no_utf8_are_a_slip_too():
    """A client may send any bytes in its first line."""
    with pytest.raises(BadInputError, match="unknown query parameter 'top_k\ufffd'"):
        read_query("top_k\xbd=3")
