"""Counts the rooms of a folder, the imports between them, and the cycles among its folders.

A room is a module or a folder directly inside; an arrow is a pair of rooms of which one imports the
other, also where only a type checker reads the import. Nothing is imported, only parsed.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Arrows = dict[str, set[str]]
"""Room -> the rooms that it imports."""


@dataclass(frozen=True)
class Plan:
    """The rooms of one container."""

    rooms: frozenset[str]
    arrows: Arrows

    @property
    def arrow_count(self) -> int:
        """Number of pairs of rooms of which one imports the other."""
        return sum(len(imported) for imported in self.arrows.values())

    def cycles(self) -> list[frozenset[str]]:
        """Return every set of several rooms that import each other, directly or by others."""
        reached = {room: _reachable(self.arrows, room) for room in self.rooms}
        sets = {
            frozenset(other for other in reached[room] if room in reached[other])
            for room in self.rooms
        }
        return sorted((found for found in sets if len(found) > 1), key=sorted)


def read_plan(tree: Path, packages: tuple[str, ...], container: str = "") -> Plan:
    """Read the rooms of a container.

    Args:
        tree: Root of the source tree.
        packages: The project's top-level packages.
        container: Dotted name of a package. By default the whole: what is directly inside `app`,
            and the other packages.
    """
    modules = dict(_modules(tree, packages))
    rooms: set[str] = set()
    arrows: Arrows = defaultdict(set)
    for name, path in modules.items():
        room = _room(name, container)
        if room is None:
            continue
        imports = _imports(path, modules)
        if room != "__init__" or imports:  # one with a docstring alone is no room
            rooms.add(room)
        for imported in imports:
            other = _room(imported, container)
            if other not in {None, room}:
                arrows[room].add(str(other))
    return Plan(frozenset(rooms), dict(arrows))


def folder_plan(tree: Path, packages: tuple[str, ...]) -> Plan:
    """Read the arrows between all folders of the tree, of any depth."""
    modules = dict(_modules(tree, packages))
    folders = {name: _folder(name, path) for name, path in modules.items()}
    arrows: Arrows = defaultdict(set)
    for name, path in modules.items():
        for imported in _imports(path, modules):
            if folders[imported] != folders[name]:
                arrows[folders[name]].add(folders[imported])
    return Plan(frozenset(folders.values()), dict(arrows))


def _modules(tree: Path, packages: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for package in packages:
        for path in sorted((tree / package).rglob("*.py")):
            parts = path.relative_to(tree).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def _room(module: str, container: str) -> str | None:
    """Return the room that a module lies in; None outside of the container."""
    if module == container:
        return "__init__"
    if not container:
        first, *rest = module.split(".")
        return first if first != "app" else (f"app.{rest[0]}" if rest else None)
    if not module.startswith(f"{container}."):
        return None
    return module.removeprefix(f"{container}.").split(".")[0]


def _folder(module: str, path: Path) -> str:
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def _imports(path: Path, modules: dict[str, Path]) -> set[str]:
    """Return the project's modules that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in modules else node.module)
    return {name for name in found if name in modules}


def _reachable(arrows: Arrows, start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        for room in arrows.get(waiting.pop(), ()):
            if room not in reached:
                reached.add(room)
                waiting.append(room)
    return reached
