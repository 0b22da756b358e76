"""A real browser for the tests of the page, and what they do with it."""

from __future__ import annotations

import json
import shutil

from playwright.sync_api import expect

from tests.service import wait_until

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PREDICT = "**/predict?*"
"""What the page asks; a test that answers it in the service's place routes it."""

_HEAR_VIOLATIONS = (
    "addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.blockedURI}`))"
)


class Watch:
    """Opens the page in fresh contexts, and notes all that goes wrong in them."""

    def __init__(self, browser, url):
        self._browser = browser
        self._url = url
        self._contexts = []
        self.wrong = []
        """Errors in the console, exceptions, what the policy stopped, requests to elsewhere."""

    def open(self, *, failures=False, **options):
        """Open the page.

        A failed request is an error in the console, so a test that provokes one says so.
        """
        self._contexts.append(self._browser.new_context(**options))
        page = self._contexts[-1].new_page()
        page.add_init_script(_HEAR_VIOLATIONS)
        page.on("console", lambda message: self._heard(message, failures))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", self._asked)
        page.goto(self._url)
        return page

    def close(self):
        """Close what was opened."""
        for context in self._contexts:
            context.close()

    def _heard(self, message, failures):
        expected = failures and message.text.startswith("Failed to load resource")
        if message.type == "error" and not expected:
            self.wrong.append(message.text)

    def _asked(self, request):
        if not request.url.startswith((self._url, "data:", "blob:")):
            self.wrong.append(request.url)


def scaled(page, points):
    """Place points of the unit square on the pad."""
    box = page.locator("#pad").bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def draw(page, strokes):
    """Draw with the mouse."""
    for stroke in strokes:
        start, *points = scaled(page, stroke)
        page.mouse.move(*start)
        page.mouse.down()
        for point in points:
            page.mouse.move(*point)
        page.mouse.up()


def read(page):
    """Read the answer to what is drawn by now."""
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    return page.locator("#label").inner_text()


def wait_for(page, condition):
    """Let the page go on until a condition holds."""

    def holds():
        page.wait_for_timeout(10)
        return condition()

    wait_until(holds, "what the page was to do")


def inked(page, start, end):
    """Count the pad's pixels that have ink, from one corner of a box to the other."""
    return page.evaluate(
        """([[left, top], [right, bottom]]) => {
          const pad = document.getElementById("pad");
          const [x, y, x1, y1] = [left, top, right, bottom].map((at) => Math.floor(at * pad.width));
          const size = [Math.max(1, x1 - x), Math.max(1, y1 - y)];
          const { data } = pad.getContext("2d").getImageData(x, y, ...size);
          return data.filter((value, n) => n % 4 === 3 && value > 0).length;
        }""",
        [start, end],
    )


def answer(route, *, label="7", count=10, version=1, notes=()):
    """Answer a prediction as the service would."""
    probabilities = [0.0] * count
    probabilities[-1] = 0.75
    prediction = {
        "label": label,
        "class": count - 1,
        "probability": 0.75,
        "probabilities": probabilities,
        "notes": list(notes),
        "pixels": [[0, 255]] * 2,
    }
    body = {"predictions": [prediction], "model": {"name": "mnist", "version": version}}
    route.fulfill(status=200, content_type="application/json", body=json.dumps(body))


def refuse(route, status, sentence, **headers):
    """Refuse a prediction as the service would."""
    body = json.dumps({"error": sentence})
    kind = {"Content-Type": "application/json"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    route.fulfill(status=status, headers=kind | named, body=body)


def hand_over(page, event, kind, carrier, file):
    """Drop or paste a file."""
    page.evaluate(
        """([event, kind, carrier, file, bytes]) => {
          const transfer = new DataTransfer();
          const content = new Uint8Array(bytes);
          transfer.items.add(new File([content], file.name, { type: file.mimeType }));
          const options = { [carrier]: transfer, bubbles: true, cancelable: true };
          document.body.dispatchEvent(new window[kind](event, options));
        }""",
        [event, kind, carrier, file | {"buffer": None}, list(file["buffer"])],
    )
