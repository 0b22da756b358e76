"""The README says what the code says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args, get_origin

from app.config.settings import PREFIX, Settings
from app.web.openapi.routes import ROUTES
from training import recipes

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def settings_table():
    """Render every setting as the README shows it."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        meaning = field.description
        if get_origin(field.annotation) is Literal:
            meaning += "; " + ", ".join(f"`{value}`" for value in get_args(field.annotation))
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def test_the_settings_table_is_complete():
    """Every setting stands there with its default, its meaning and what it may be."""
    assert settings_table() in README, f"put this into the README:\n{settings_table()}"


def routes_table():
    """Render every route as the README shows it."""
    rows = ["| route | what it is for |", "| --- | --- |"]
    return "\n".join(rows + [f"| `{route}` | {about} |" for route, about in ROUTES.items()]) + "\n"


def test_every_route_is_described():
    """Nobody finds a route by accident, and it is for the same wherever one reads of it."""
    assert routes_table() in README, f"put this into the README:\n{routes_table()}"


def test_every_recipe_is_described():
    """The table of recipes is complete."""
    assert [] == [name for name in recipes.names() if f"| `{name}` |" not in README]
