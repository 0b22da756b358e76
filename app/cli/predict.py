"""glyph predict: asks a running service about pictures, through the client of its own package."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args

import click

from imaging.preparation import Prepare

if TYPE_CHECKING:
    from glyph_client import Prediction

_ADVICE = "start it with glyph serve, or name it with --url or GLYPH_URL"


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--url",
    envvar="GLYPH_URL",
    default="http://127.0.0.1:8000",
    show_default=True,
    show_envvar=True,
    help="Address of the service.",
)
@click.option("--api-key", envvar="GLYPH_API_KEY", show_envvar=True, help="Key to ask with.")
@click.option("--model", help="Model to ask.  [default: the service's]")
@click.option("--version", type=click.IntRange(min=1), help="Version to ask.")
@click.option(
    "--prepare",
    type=click.Choice(get_args(Prepare)),
    default="auto",
    show_default=True,
    help="How pictures become pixels.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def cli(
    *,
    files: tuple[str, ...],
    url: str,
    api_key: str | None,
    model: str | None,
    version: int | None,
    prepare: str,
    as_json: bool,
) -> None:
    """Ask a running service what the pictures FILES show.

    \b
    Examples:
      glyph predict seven.png
      glyph predict --url https://glyph.example --model letters *.png --json
    """  # noqa: D301 - to click, the backspace character keeps the lines below apart
    try:
        from glyph_client import Glyph, GlyphError, UnreachableError  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise click.UsageError(
            "asking a service needs the package glyph-client; install it with: pip install ./client"
        ) from exc
    try:
        with Glyph(url, api_key=api_key, model=model) as service:
            found = service.predict(list(files), version=version, prepare=prepare)  # type: ignore[call-overload]
    except UnreachableError as exc:
        raise click.ClickException(f"{exc}; {_ADVICE}") from exc
    except (GlyphError, ValueError) as exc:
        raise click.ClickException(str(exc)) from exc
    rows = [_row(file, prediction) for file, prediction in zip(files, found, strict=True)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    width = max(map(len, files))
    for row, prediction in zip(rows, found, strict=True):
        notes = ", ".join(prediction.notes)
        line = f"{row['file']:<{width}}  {prediction.label}  {prediction.probability:7.2%}  {notes}"
        click.echo(line.rstrip())


def _row(file: str, prediction: Prediction) -> dict[str, object]:
    return {
        "file": file,
        "class": prediction.class_,
        "label": prediction.label,
        "probability": prediction.probability,
        "notes": list(prediction.notes),
        "model": prediction.served.model,
        "version": prediction.served.version,
    }
