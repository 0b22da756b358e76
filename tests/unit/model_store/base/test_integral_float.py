"""Whole numbers, however JSON writes them."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from model_store.base.integral_float import INTEGRAL_FLOAT


class Model(BaseModel):
    model_config = ConfigDict(strict=True)

    count: Annotated[int, INTEGRAL_FLOAT]


@pytest.mark.parametrize("text", ["2", "2.0", "2e0", "0.2e1"])
def test_a_whole_number_is_taken(text):
    """By its value."""
    assert 2 == Model.model_validate_json(f'{{"count": {text}}}').count


@pytest.mark.parametrize("text", ["2.5", '"2"', "true", "null", "[2]", "1e300", "1e400"])
def test_nothing_else_is_taken_for_one(text):
    """No fraction, text, boolean, or number so large that it may be any."""
    with pytest.raises(ValidationError):
        Model.model_validate_json(f'{{"count": {text}}}')
