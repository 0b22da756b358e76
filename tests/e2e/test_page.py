"""The page at /, in a real browser: drawn on, read, and looked at by axe."""

from __future__ import annotations

import io

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from tests.browsing import CHROMIUM, PREDICT, answer, draw, hand_over, inked, read, refuse, scaled
from tests.handwriting import DIGITS

SIZES = [(320, 640), (640, 450), (1280, 900)]
"""A small phone, a screen at 200 %, and a desk."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


def test_each_digit_is_read_right(opened):
    """Drawn stroke by stroke, and cleared by the keyboard in between."""
    page = opened()
    found = {}

    for digit, strokes in DIGITS.items():
        draw(page, strokes)
        found[digit] = read(page)
        page.keyboard.press("Delete")

    assert {digit: digit for digit in DIGITS} == found
    assert "" == read(page)
    assert "mnist version 1" == page.inner_text("#of-model")


def test_the_answer_comes_while_the_pen_is_down(opened):
    """With the pixels that the model saw, what was done to them, and the times."""
    page = opened()
    (start, *points) = scaled(page, DIGITS["7"][0])

    page.mouse.move(*start)
    page.mouse.down()
    for point in points:
        page.mouse.move(*point, steps=2)
    found = read(page)
    seen = page.evaluate(
        "[...document.getElementById('saw').getContext('2d').getImageData(0, 0, 28, 28).data]"
    )
    best = page.locator("#bars .best").inner_text().split()
    page.mouse.up()

    assert ("7", "7") == (found, best[0])
    assert 28 * 28 * 4 == len(seen)
    assert 200 < max(seen[3::4])
    assert "28 \N{MULTIPLICATION SIGN} 28" == page.inner_text("#size")
    assert all(page.inner_text(f"#{fact}").endswith(" ms") for fact in ("round-trip", "inference"))


def test_a_finger_draws_and_does_not_scroll(opened):
    """On a phone, where the page is longer than the screen."""
    page = opened(viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True)
    touch = page.context.new_cdp_session(page)

    for kind, (x, y) in zip(
        ["touchStart", *["touchMove"] * 6], scaled(page, DIGITS["1"][0]), strict=True
    ):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    assert "1" == read(page)
    assert 0 == page.evaluate("scrollY")


def test_a_pen_that_is_pressed_draws_broader(opened):
    """By the ink on the pad."""
    page = opened()
    page.route(PREDICT, answer)
    pen = page.context.new_cdp_session(page)
    inks = []

    for force in (0.1, 0.9):
        for kind, (x, y) in zip(
            ["mousePressed", "mouseMoved", "mouseReleased"],
            scaled(page, [(0.5, 0.2), (0.5, 0.5), (0.5, 0.5)]),
            strict=True,
        ):
            at = {"x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
            event = at | {"type": kind, "pointerType": "pen", "force": force}
            pen.send("Input.dispatchMouseEvent", event)
        page.evaluate("new Promise(requestAnimationFrame)")
        inks.append(inked(page, (0, 0), (1, 1)))
        page.keyboard.press("Delete")

    thin, broad = inks
    assert thin > 0
    assert broad > 1.5 * thin


def test_everything_can_be_done_from_the_keyboard(opened):
    """Reached by Tab, drawn by arrows, undone and cleared; what the pen does is spoken."""
    page = opened()
    spoken = page.locator("#spoken")
    reached = []
    while page.locator("#pad:focus").count() == 0:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent"))
    assert ["API", "OpenAPI", "Metrics", ""] == [text.strip() for text in reached]

    for key in [*["Shift+ArrowUp"] * 3, *["Shift+ArrowLeft"] * 2, " "]:
        page.keyboard.press(key)
    expect(spoken).to_have_text("Pen down")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.down("ArrowLeft")  # held, so that the way goes aslant
    for _ in range(9):
        page.keyboard.press("ArrowDown")
    page.keyboard.up("ArrowLeft")
    for _ in range(15):
        page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")

    assert "7" == read(page)
    assert inked(page, (0.45, 0.43), (0.45, 0.8)) > 0
    expect(spoken).to_contain_text("7, ")
    page.keyboard.press("Control+z")
    assert "" == read(page)
    for button in ("undo", "clear", "choose", "try"):
        page.keyboard.press("Tab")
        assert button == page.evaluate("document.activeElement.id")
    page.keyboard.press("Enter")
    expect(page.locator("#label")).to_have_text("7")


def test_a_picture_is_sent_as_it_is(opened):
    """Chosen, dropped or pasted; doubts are told in words, and undo takes it away."""
    page = opened()
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(stream, "JPEG")
    picture = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": stream.getvalue()}
    ways = {
        "chosen": lambda: page.set_input_files("#file", picture),
        "dropped": lambda: hand_over(page, "drop", "DragEvent", "dataTransfer", picture),
        "pasted": lambda: hand_over(page, "paste", "ClipboardEvent", "clipboardData", picture),
    }
    sent = []

    def doubt(route):
        sent.append((route.request.headers["content-type"], route.request.post_data_buffer))
        answer(route, label=way, notes=["blank", "resized", "unheard of"])

    page.route(PREDICT, doubt)
    for way, give in ways.items():
        give()
        expect(page.locator("#label")).to_have_text(way)
        notes = page.locator("#notes").inner_text().splitlines()
        assert ["Nothing was found on the paper.", "unheard of"] == notes[::2]
        page.keyboard.press("Control+z")
        assert "" == read(page)

    assert [("image/jpeg", stream.getvalue())] * 3 == sent


def test_what_is_no_picture_is_told(opened):
    """Without asking the service."""
    page = opened()
    file = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"seven"}
    page.set_input_files("#file", file)

    sentence = "notes.txt is not a picture that this browser can read."
    expect(page.locator("#trouble")).to_have_text(sentence)


def test_axe_finds_nothing_serious(opened):
    """With an answer, and with the form for a key; in light and in dark."""
    page = opened(reduced_motion="reduce", failures=True)
    axe = Axe()

    def violations():
        found = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += [(scheme, v["id"], v["nodes"]) for v in axe.run(page).response["violations"]]
        return found

    draw(page, DIGITS["3"])
    read(page)
    assert [] == violations()
    page.route(PREDICT, lambda route: refuse(route, 401, "an API key is needed"))
    draw(page, DIGITS["1"])
    expect(page.locator("#key-form")).to_be_visible()
    assert [] == violations()


def test_nothing_sticks_out_at_any_size(opened):
    """No scrolling sideways, and targets that a finger hits."""
    page = opened()
    draw(page, DIGITS["8"])
    read(page)
    page.locator("summary").click()

    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = [button.bounding_box() for button in page.locator(".tools button").all()]
        assert all(box["width"] >= 44 <= box["height"] for box in boxes)
        assert all(box["x"] + box["width"] <= width for box in boxes)
