"""What the load generator is given, and what is read from it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.benchmarks.cases import Load
from tests.benchmarks.load import Measured, encode, parse

IMAGES = np.arange(2 * 28 * 28, dtype=np.int64).astype(np.uint8).reshape(2, 28, 28, 1)


def test_json_bodies_hold_rows_of_numbers():
    """As `/example` shows them."""
    document = json.loads(encode(IMAGES, Load(1, "json", 1)))

    assert {"instances": [IMAGES[0, :, :, 0].tolist()]} == document


def test_raw_bodies_hold_the_pixels():
    """Image after image; where they run out it starts again."""
    assert IMAGES.tobytes() + IMAGES[0].tobytes() == encode(IMAGES, Load(3, "raw", 1))


def test_the_result_is_found_among_other_output():
    """In units that people read."""
    result = '{"requests": 90, "microseconds": 2000000, "p50_us": 1500, "p99_us": 3000, '
    output = f'Running 2s test\nRESULT {result}"failures": 1}}\n'

    assert Measured(90, 2.0, 1.5, 3.0, 1) == parse(output)


def test_output_without_a_result_is_an_error():
    """A load generator that broke off measured nothing."""
    with pytest.raises(ValueError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused\n")
