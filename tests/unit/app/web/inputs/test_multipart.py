"""Forms with files: every file in order, and what else a form may have."""

from __future__ import annotations

import pytest

from app.web.http.errors import BadInputError, ServiceError, TooLargeError
from app.web.inputs.images import Images
from app.web.inputs.multipart import decode_form

TYPE = "multipart/form-data; boundary=edge"
NOISE = bytes(range(256)) * 1024
"""Longer than what is parsed at a time; has line ends of all kinds in it."""


class Files:
    """Keeps what it is given."""

    def __call__(self, pictures, name):
        self.contents = pictures
        self.names = [name(index) for index in range(len(pictures))]
        return Images(len(pictures), b"")


def part(content: bytes, disposition: str = 'name="image"; filename="a.png"') -> bytes:
    head = f"--edge\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--edge--\r\n"


def read(body: bytes, content_type: str = TYPE, most: int = 4) -> Files:
    files = Files()
    decode_form(body, content_type, most, files)
    return files


def refusal(body: bytes, content_type: str = TYPE, error: type[ServiceError] = BadInputError):
    with pytest.raises(error) as caught:
        read(body, content_type)
    assert error is caught.type
    return str(caught.value)


@pytest.mark.parametrize("content_type", [TYPE, 'multipart/form-data; boundary="edge"'])
def test_files_are_read_in_order(content_type):
    """Whatever their fields are called."""
    names = ["first", "second", "first"]
    parts = [part(b"%d" % n, f'name="{name}"; filename="{n}.png"') for n, name in enumerate(names)]

    files = read(form(*parts), content_type)

    assert [b"0", b"1", b"2"] == files.contents
    assert ["file 0 ('0.png')", "file 1 ('1.png')", "file 2 ('2.png')"] == files.names


@pytest.mark.parametrize("content", [b"", b"\r\n--edg", NOISE, b"\r\n" * 99_999, b"\r" * 70_000])
def test_a_file_may_hold_anything(content):
    """But the boundary."""
    assert [content, b"next"] == read(form(part(content), part(b"next"))).contents


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("multipart/form-data", "has no boundary"),
        ("multipart/form-data; boundary=", "has no boundary"),
        ("multipart/form-data; boundary=" + "x" * 71, f"has the boundary '{'x' * 71}'"),
        ('multipart/form-data; boundary="édge"', "has the boundary 'édge'"),
    ],
)
def test_a_form_without_a_boundary_is_refused(content_type, found):
    """It could not be taken apart."""
    expected = f"the Content-Type of the form {found}; 1 to 70 ASCII characters are expected"
    assert expected == refusal(form(part(b"")), content_type)


UNTOUCHED = part(b"", 'name="second"; filename=""')
TEXT = part(NOISE, 'name="comment"')


@pytest.mark.parametrize(
    "parts",
    [
        (TEXT, part(b"1"), part(b"2")),
        (part(b"1"), TEXT, part(b"2"), TEXT),
        (part(b"1"), UNTOUCHED, part(b"2")),
        (UNTOUCHED, UNTOUCHED, part(b"1"), part(b"2"), UNTOUCHED, UNTOUCHED),
        (part(b"1", 'name="a"; filename=""'), UNTOUCHED, TEXT, part(b"2")),
    ],
)
def test_texts_and_untouched_inputs_are_passed_over(parts):
    """A page's form has them; they do not count as files."""
    assert [b"1", b"2"] == read(form(*parts), most=2).contents


@pytest.mark.parametrize("other", [UNTOUCHED, part(b"", 'name="a"')], ids=["untouched", "texts"])
def test_there_are_not_too_many_others(other):
    """They take time, though nothing comes of them; the rest is not parsed."""
    expected = "the form has more than 100 parts that are no files; at most so many are passed over"

    assert [b"1"] == read(form(*[other] * 100, part(b"1"))).contents
    assert expected == refusal(form(*[other] * 102, b"rubbish"), error=TooLargeError)


def test_an_empty_file_that_was_chosen_is_a_file():
    """Whoever reads it says what is wrong with it."""
    assert [b""] == read(form(part(b""), UNTOUCHED)).contents


def test_a_field_that_would_say_something_in_the_query_is_refused():
    """It would not be listened to."""
    body = form(part(b"1"), part(b"always", 'name="prepare"'))
    with pytest.raises(BadInputError) as caught:
        decode_form(body, TYPE, 4, Files(), reserved=("prepare",))

    expected = "the form's field 'prepare' is not read; give it in the query: ?prepare=..."
    assert expected == str(caught.value)


@pytest.mark.parametrize("parts", [(), (TEXT,), (UNTOUCHED,)], ids=["empty", "text", "untouched"])
def test_a_form_without_files_is_refused(parts):
    """There is nothing to classify."""
    assert "the form has no file; give at least one picture" == refusal(form(*parts))


def test_too_many_files_without_names_are_refused():
    """They are files all the same, if there is something in them."""
    unnamed = part(b"1", 'name="a"; filename=""')

    assert [b"1"] * 4 == read(form(*[unnamed] * 4, UNTOUCHED)).contents
    expected = "the form has more than 4 files; at most so many are taken"
    assert expected == refusal(form(*[unnamed] * 5), error=TooLargeError)


def test_too_many_files_are_refused():
    """Before the rest is parsed."""
    expected = "the form has more than 4 files; at most so many are taken"
    assert expected == refusal(form(*[part(b"")] * 5, b"rubbish"), error=TooLargeError)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rubbish",
        part(b"1")[:-2],
        part(b"1")[:30],
        b"--edge\r\nContent-Type: image/png\r\n\r\n1\r\n--edge--\r\n",
        part(b"1", 'name="\xff"').replace(b"\xc3\xbf", b"\xff") + b"--edge--",
    ],
    ids=["empty", "no form", "no end", "half a head", "no disposition", "no UTF-8"],
)
def test_a_malformed_form_is_refused(body):
    """Also one that is cut off."""
    assert "the form is cut off, or its parts are malformed" == refusal(body)


def test_every_cut_is_noticed():
    """No part is taken for a whole form."""
    whole = form(part(b"one"), part(b"two"))[:-2]
    for length in range(len(whole)):
        assert "the form is cut off, or its parts are malformed" == refusal(whole[:length])


def test_headers_of_parts_are_bounded():
    """They are held until their end is seen."""
    body = form(part(b"", f'name="{"x" * 200_000}"; filename=""'))

    assert "more than 65536 bytes of the form are outside of its files" == refusal(body)
