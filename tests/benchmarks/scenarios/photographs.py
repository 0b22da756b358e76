"""Are digits told that come as people send them: large, tilted, coloured, on paper, as files?"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np
import requests
from PIL import Image, ImageDraw
from tqdm import tqdm

from tests.benchmarks.scenarios.images import real_digits
from tests.benchmarks.scenarios.photographed import GROUNDS, Photograph, photograph
from tests.benchmarks.scenarios.report import Report
from tests.benchmarks.scenarios.stage import json_option, served
from tests.benchmarks.scenarios.written import NPY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.service import Service

_PATIENCE_S = 60
_WANTED = 0.97
_FIELDS = "class,probability,notes,pixels"
_SOME = 250
"""Untouched images in one request."""
_SHOWN = 56
_COLUMNS = 7
_TILE = 112
_LINE = 14


class Told(NamedTuple):
    """One photograph and its answer."""

    sent: Photograph
    shows: int
    answer: dict[str, Any]

    @property
    def right(self) -> bool:
        """Whether the answer is what the photograph shows."""
        return bool(self.answer["class"] == self.shows)


@click.command()
@click.option("--images", "count", default=500, show_default=True, help="Photographs to make.")
@click.option("--seed", default=1, show_default=True, help="Of everything random about them.")
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Show some here, as PNG: what came, what the model saw, and the answer.",
)
@json_option
def photographs(count: int, seed: int, sheet: Path | None, json_path: Path | None) -> None:
    """Send digits enlarged, moved, tilted, coloured, on all kinds of paper; and untouched.

    The untouched ones are sent both as they are and to be prepared, which must cost nothing.

    GLYPH_DATA_DIR=mnist python -m tests.benchmarks.scenarios photographs --sheet sheet.png
    """
    images, shown = real_digits()
    rng = np.random.default_rng(seed)
    picks = rng.permutation(len(images))[:count]
    with served() as service, requests.Session() as session:
        told = [
            Told(sent, int(shown[pick]), _ask(session, service, sent))
            for turn, pick in enumerate(tqdm(picks, leave=False, disable=None, unit="photograph"))
            for sent in [photograph(images[pick], turn, rng)]
        ]
        untouched = {
            prepare: _classes(session, service, images, prepare) for prepare in ("never", "always")
        }
    if sheet is not None:
        _contact_sheet(told[:_SHOWN]).save(sheet)
    right = {prepare: classes == shown for prepare, classes in untouched.items()}
    report = Report(f"{len(told)} photographed digits, seed {seed}")
    _add(report, "photographs", told, wanted=_WANTED)
    for ground in GROUNDS:
        for kind in ("png", "jpeg"):
            some = [one for one in told if (one.sent.ground, one.sent.kind) == (ground, kind)]
            if some:
                _add(report, f"of these {ground}, {kind}", some)
    for name, chosen in (("the same, untouched", picks), ("all, untouched", slice(None))):
        as_they_are, prepared = right["never"][chosen], right["always"][chosen]
        report.add(
            name,
            f"{prepared.mean():.2%} of {len(prepared)} prepared; {as_they_are.mean():.2%} as is",
            "not worse prepared",
            holds=bool(prepared.sum() >= as_they_are.sum()),
        )
    report.finish(json_path)


def _ask(session: requests.Session, service: Service, sent: Photograph) -> dict[str, Any]:
    answer = session.post(
        f"{service.url}/predict?fields={_FIELDS}",
        data=sent.file,
        headers={"Content-Type": f"image/{sent.kind}"},
        timeout=_PATIENCE_S,
    )
    if not answer.ok:
        raise click.ClickException(f"a photograph got {answer.status_code}: {answer.text[:300]}")
    prediction: dict[str, Any] = answer.json()["predictions"][0]
    return prediction


def _classes(
    session: requests.Session, service: Service, images: NDArray[np.uint8], prepare: str
) -> NDArray[np.int64]:
    """Ask about untouched images; gives the class of each."""
    told = []
    starts = range(0, len(images), _SOME)
    for start in tqdm(starts, leave=False, disable=None, desc=f"prepare={prepare}", unit="request"):
        body = io.BytesIO()
        np.save(body, images[start : start + _SOME])
        answer = session.post(
            f"{service.url}/predict?prepare={prepare}",
            data=body.getvalue(),
            headers={"Content-Type": NPY, "Accept": NPY, "X-Request-Timeout-Ms": "60000"},
            timeout=_PATIENCE_S,
        )
        if not answer.ok:
            raise click.ClickException(f"untouched images got {answer.status_code}: {answer.text}")
        told.append(np.load(io.BytesIO(answer.content), allow_pickle=False).argmax(axis=1))
    return np.concatenate(told)


def _add(report: Report, name: str, told: list[Told], wanted: float | None = None) -> None:
    right = sum(one.right for one in told)
    measured = f"{right} of {len(told)}, {right / len(told):.2%}"
    if wanted is None:
        report.add(name, measured)
        return
    report.add(name, measured, f"at least {wanted:.0%}", holds=right >= wanted * len(told))


def _contact_sheet(told: list[Told]) -> Image.Image:
    """Draw each photograph beside what the model saw; wrong answers on red."""
    width, height = 2 * _TILE + 8, _TILE + 2 * _LINE + 8
    rows = -(-len(told) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * width, rows * height), "dimgrey")
    draw = ImageDraw.Draw(sheet)
    for place, one in enumerate(told):
        x, y = place % _COLUMNS * width, place // _COLUMNS * height
        if not one.right:
            draw.rectangle((x, y, x + width, y + height), fill="darkred")
        picture = Image.open(io.BytesIO(one.sent.file)).convert("RGBA")
        picture.thumbnail((_TILE, _TILE))
        sheet.paste(picture, (x + 2, y + 2 * _LINE + 2), picture)
        seen = Image.fromarray(np.array(one.answer["pixels"], np.uint8))
        large = seen.resize((_TILE, _TILE), Image.Resampling.NEAREST)
        sheet.paste(large, (x + _TILE + 6, y + 2 * _LINE + 2))
        said = f"{one.shows} is told {one.answer['class']}, {one.answer['probability']:.0%}"
        draw.text((x + 2, y), f"{said}, {one.sent.ground}", fill="white")
        draw.text((x + 2, y + _LINE), ", ".join(one.answer["notes"]), fill="white")
    return sheet
