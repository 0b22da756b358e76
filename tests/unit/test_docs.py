"""The documents say what the code says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Literal, get_args, get_origin

import click
import pytest

from app.cli import cli
from app.config.settings import PREFIX, Settings
from app.web.openapi.routes import ROUTES
from tests.cli_reference import cli_reference
from training import recipes

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README_LINES, README_BYTES = 150, 9000
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def settings_table():
    """Render every setting as the reference shows it."""
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
    table = settings_table()
    assert table in read("reference/settings.md"), f"put this there:\n{table}"


def routes_table():
    """Render every route as the reference shows it."""
    rows = ["| route | what it is for |", "| --- | --- |"]
    return "\n".join(rows + [f"| `{route}` | {about} |" for route, about in ROUTES.items()]) + "\n"


def test_every_route_is_described():
    """Nobody finds a route by accident, and it is for the same wherever one reads of it."""
    table = routes_table()
    assert table in read("reference/http.md"), f"put this there:\n{table}"


def test_every_recipe_is_described():
    """The table of recipes is complete."""
    guide = read("guides/training.md")
    assert [] == [name for name in recipes.names() if f"| `{name}` |" not in guide]


def test_the_commands_are_as_their_help_says():
    """Made anew by `python -m tests.cli_reference > docs/reference/cli.md`."""
    assert cli_reference() == read("reference/cli.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_have_the_options_that_are_written(page):
    """Each `glyph` command in a block of a page is one that there is, with options that it has."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL):
        for line in block.splitlines():
            command = re.match(r"(?:\.venv/bin/)?glyph ([^#|>]*)", line)
            if command:
                check_options(shlex.split(command[1]))


def check_options(arguments: list[str]) -> None:
    """Fail if a command or one of its options is not there."""
    command, context = cli, click.Context(cli)
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        found = command.get_command(context, arguments[0])
        assert found is not None, arguments
        command, arguments = found, arguments[1:]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    known |= {"--help", "-h", "--version"}
    asked = {word.partition("=")[0] for word in arguments if re.match("--?[a-z]", word)}
    assert asked <= known, (command.name, asked - known)


def test_the_readme_is_short():
    """Somebody who has never heard of Glyph reads it to its end."""
    readme = (ROOT / "README.md").read_bytes()
    assert len(readme.splitlines()) <= README_LINES
    assert len(readme) <= README_BYTES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """In the repository as on the site."""
    links = LINK.findall(re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL))
    assert [] == [link for link in links if not (page.parent / link).exists()]


def test_nothing_is_trained_into_the_model_that_serves():
    """The commands that a newcomer copies publish models of their own."""
    for page in PAGES:
        for line in page.read_text("utf-8").splitlines():
            if "--data digits" in line and line.startswith(("make train", "glyph train")):
                assert "--model" in line, f"{page.name}: {line}"
