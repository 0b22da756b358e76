"""Shares of traffic, as settings write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config.share import Share, parse_shadow, parse_share

LABELS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
HEADERS = st.none() | st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("canary=10", Share("canary", 10, None)),
        ("canary=100", Share("canary", 100, None)),
        ("next_one=0.5:X-User", Share("next_one", 0.5, "X-User")),
    ],
)
def test_a_share_is_read(text, share):
    """Label, percent and perhaps a header."""
    assert share == parse_share(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "canary", "=10", "canary=", "canary=0", "canary=0.0", "canary=101", "canary=-1"),
        *("canary=1e1", "canary=nan", "canary=10:", "canary=10:X User", "can ary=10", " canary=10"),
        "canary=10\n",
    ],
)
def test_anything_else_is_refused(text):
    """The sentence shows what is expected."""
    with pytest.raises(ValueError, match=r"such as canary=10:X-User"):
        parse_share(text)


def test_a_share_that_runs_again_is_read():
    """Label and percent."""
    assert Share("next", 2.5, None) == parse_shadow("next=2.5")


@pytest.mark.parametrize("text", ["", "next", "next=0", "next=101", "next=10:X-User"])
def test_what_runs_again_heeds_no_header(text):
    """Anything but label and percent is refused with a sentence that shows what is expected."""
    with pytest.raises(ValueError, match=r"^label=percent is expected, .* such as next=10$"):
        parse_shadow(text)


@given(LABELS, st.integers(1, 10_000), HEADERS)
def test_what_is_written_is_read_again(label, hundredths, header):
    """Whatever the label, the percent and the header."""
    text = f"{label}={hundredths / 100}" + (f":{header}" if header else "")

    assert Share(label, hundredths / 100, header) == parse_share(text)
