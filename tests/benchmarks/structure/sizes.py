"""Measures the sizes of a code base's modules and functions, and the words of its docstrings."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from statistics import mean, median, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LONG_MODULE = 300
"""Lines beyond which a module is listed."""
_COMMANDED = ("give", "gives", "say", "says", "tell", "tells")
_BRANCHES = (
    *(ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler),
    *(ast.comprehension, ast.Assert, ast.match_case),
)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Sizes:
    """The figures of one code base."""

    modules: int
    module_lines: tuple[int, int, int]
    """Median, 90th percentile and most."""
    long_modules: tuple[str, ...]
    functions: int
    function_lines: tuple[int, int, int]
    """Likewise; a docstring counts, decorators do not."""
    complexity: float
    """Mean of one more than a function's branches."""
    annotated: float
    """Share of functions whose result has a type."""
    commanded: float
    """Share of functions' docstrings that begin with Give, Say or Tell."""
    returning: float
    """Share of those that begin with Return."""
    what: float
    """Uses of the word in a thousand words of docstrings."""


def read_sizes(root: Path, paths: Iterable[Path]) -> Sizes:
    """Measure modules; their names are given as seen from a folder."""
    sources = {path: path.read_text() for path in sorted(paths)}
    trees = [ast.parse(source) for source in sources.values()]
    lines = {path: len(source.splitlines()) for path, source in sources.items()}
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, Function)]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, _DOCUMENTED)]
    words = [word for node in nodes for word in _words(ast.get_docstring(node))]
    first = [begun[0] for node in functions if (begun := _words(ast.get_docstring(node)))]
    return Sizes(
        modules=len(lines),
        module_lines=_spread(list(lines.values())),
        long_modules=tuple(
            f"{path.relative_to(root)} ({count})"
            for path, count in lines.items()
            if count > LONG_MODULE
        ),
        functions=len(functions),
        function_lines=_spread([_length(node) for node in functions]),
        complexity=mean(map(complexity, functions)) if functions else 0.0,
        annotated=_share(node.returns is not None for node in functions),
        commanded=_share(word in _COMMANDED for word in first),
        returning=_share(word in {"return", "returns"} for word in first),
        what=1000 * _share(word == "what" for word in words),
    )


def complexity(function: Function) -> int:
    """Return McCabe's number: one more than the branches, without those of inner functions."""
    found, waiting = 1, list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function):
            continue
        found += isinstance(node, _BRANCHES)
        if isinstance(node, ast.BoolOp):
            found += len(node.values) - 1
        waiting.extend(ast.iter_child_nodes(node))
    return found


def _length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _words(text: str | None) -> list[str]:
    return re.findall(r"[a-z']+", (text or "").lower())


def _share(values: Iterable[bool]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def _spread(values: list[int]) -> tuple[int, int, int]:
    """Return median, 90th percentile and maximum."""
    if len(values) < 2:
        value = values[0] if values else 0
        return value, value, value
    return (
        round(median(values)),
        round(quantiles(values, n=10, method="inclusive")[-1]),
        max(values),
    )
