"""Docstrings begin with a verb of the field: Return, Check, Create; never Give, Say or Tell."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = ("app", "client", "deploy", "imaging", "model_store", "tests", "training")
FORBIDDEN = {"give", "gives", "say", "says", "tell", "tells"}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def first_words(source: str) -> list[tuple[str, str]]:
    """Return name and first word of every docstring in a module."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, DOCUMENTED)]
    docstrings = [(getattr(node, "name", "module"), ast.get_docstring(node)) for node in nodes]
    return [(name, text.split()[0].strip(".,:;").lower()) for name, text in docstrings if text]


@pytest.mark.parametrize("root", ROOTS)
def test_no_docstring_begins_with_give_say_or_tell(root):
    paths = sorted((ROOT / root).rglob("*.py"))
    assert paths, f"{root} holds no Python"
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in paths
        for name, word in first_words(path.read_text())
        if word in FORBIDDEN
    ]

    assert not found


def test_every_kind_of_docstring_is_read():
    source = '"""Module."""\nclass A:\n    """Class."""\n    def f(self):\n        """Give it."""\n'
    source += 'async def g():\n    """Tells: it."""\n'

    words = {("module", "module"), ("A", "class"), ("f", "give"), ("g", "tells")}
    assert words == set(first_words(source))
