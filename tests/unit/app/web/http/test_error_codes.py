"""The stable names of errors."""

import ast
import re
from pathlib import Path

import pytest

from app.web.http import errors
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import ServiceError
from app.web.openapi.schemas import error_schema

ROOT = Path(__file__).parents[5]
CODES = ROOT / "app/web/http/error_codes.py"
PAGE = ROOT / "docs/reference/codes.md"


def used_in(source):
    """Return the names of the codes that a module mentions."""
    return {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == ErrorCode.__name__
    }


def table():
    """Write the rows that document the codes."""
    return [f"| `{code}` | {code.meaning} | {code.action} |" for code in ErrorCode]


def test_every_code_is_raised_and_every_raised_one_is_listed():
    """No code is left over, and none is made up where it is raised."""
    sources = [path.read_text() for path in (ROOT / "app").rglob("*.py") if path != CODES]
    used = set().union(*map(used_in, sources))

    assert set(ErrorCode.__members__) == used


def test_every_kind_of_error_has_a_code():
    """What a place that raises does not name, its class does."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, ServiceError) and kind is not ServiceError]

    assert len(kinds) > 10
    assert all(isinstance(kind.default_code, ErrorCode) for kind in kinds)


@pytest.mark.parametrize("code", ErrorCode)
def test_a_code_is_dotted_lower_case_and_explained(code):
    """As programs compare it, and people look it up."""
    assert re.fullmatch(r"[a-z]+(\.[a-z_]+)?", code.value)
    assert code.name == code.value.replace(".", "_").upper()
    assert code.meaning.endswith(".")
    assert code.action.endswith(".")


def test_the_page_has_every_code():
    """With its meaning and what to do."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert table() == rows


def test_the_description_has_every_code():
    """So that clients made from it know them."""
    assert [code.value for code in ErrorCode] == error_schema()["properties"]["code"]["enum"]


def test_a_place_that_raises_may_name_a_code_of_its_own():
    """Else it is that of the class."""
    plain = errors.NotFoundError("no")
    own = errors.NotFoundError("no", code=ErrorCode.LABEL_NOT_FOUND, limit=3)

    assert b'{"error":"no","code":"model.not_found"}\n' == plain.body()
    assert b'{"error":"no","code":"label.not_found","limit":3}\n' == own.body()
