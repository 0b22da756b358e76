"""The client and a real service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glyph_client import Glyph, RefusedError

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs" / "guides" / "python-client.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["blocking", "asynchronous"])
def test_the_readmes_examples_run_as_written(service, example, tmp_path):
    """They print what stands behind each print."""
    there = example.replace("http://127.0.0.1:8000", service.url)
    assert there != example

    command = [sys.executable, "-W", "error", "-c", there]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client")}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert "" == ran.stderr
    assert re.findall(r"print\(.*\)  # (.*)", example) == ran.stdout.splitlines()


def test_pictures_and_arrays_get_the_same_answer(service, tmp_path):
    """A picture of the model's size is taken as it is, alone or in a form."""
    with Glyph(service.url) as glyph:
        image = glyph.example()
        path = tmp_path / "seven.png"
        Image.fromarray(image).save(path)

        ways = [image, path, Image.fromarray(image), path.read_bytes()]
        alone = [glyph.predict(way) for way in ways]
        together = glyph.predict([*ways, *ways])

    for one in (*alone, *together):
        assert ("7", ()) == (one.label, one.notes)
        np.testing.assert_allclose(one.probabilities, alone[0].probabilities, atol=1e-6)


def test_what_is_too_much_for_one_request_goes_in_several(service):
    """The service takes 1024 images; an array of large ones is many more bytes than it takes."""
    with Glyph(service.url, batch_size=5000) as glyph:
        image = glyph.example()
        many = glyph.predict(np.repeat(image[np.newaxis], 2500, axis=0))
        large = glyph.predict(np.kron(image, np.ones((80, 80), np.uint8))[np.newaxis].repeat(3, 0))

    assert ["7"] * 2500 == many.labels
    assert ["7"] * 3 == large.labels
    assert 3 == len(large.served)


def test_a_refusal_names_the_file(service, tmp_path):
    """One of several, with the sentence of the service."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")

    with Glyph(service.url) as glyph, pytest.raises(RefusedError, match=r"broken\.png") as refused:
        glyph.predict([Image.new("L", (28, 28)), broken])

    assert 400 == refused.value.status
    assert refused.value.request_id
