"""How the page asks: not too often, patiently, with a key, and whom it believes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browsing import CHROMIUM, PREDICT, answer, draw, read, refuse, scaled, wait_for
from tests.handwriting import DIGITS

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


def test_at_most_one_request_is_under_way(opened):
    """What is drawn meanwhile is one more; an answer about what was cleared is not shown."""
    page = opened()
    page.clock.install()
    held = []

    def hold(route):
        held.append(route)

    page.route(PREDICT, hold)
    draw(page, DIGITS["4"])
    wait_for(page, lambda: len(held) == 1)
    draw(page, DIGITS["1"])
    page.clock.run_for(5000)
    draw(page, DIGITS["1"])
    assert 1 == len(held)
    answer(held[0], label="first")
    wait_for(page, lambda: len(held) == 2)
    expect(page.locator("#label")).to_have_text("first")
    page.keyboard.press("Delete")
    assert "" == read(page)
    page.mouse.click(*scaled(page, [(0.5, 0.5)])[0])
    wait_for(page, lambda: len(held) == 3)
    answer(held[1], label="late")
    answer(held[2], label="third")

    expect(page.locator("#label")).to_have_text("third")


def test_a_busy_service_is_left_alone_for_as_long_as_it_says(opened):
    """The page tells of it, and asks no earlier for what is drawn meanwhile."""
    page = opened(failures=True)
    page.clock.install()
    asked = []

    def busy_at_first(route):
        asked.append(route)
        if len(asked) == 1:
            refuse(route, 429, "the queue is full", Retry_After="60")
        else:
            answer(route, label="at last")

    page.route(PREDICT, busy_at_first)
    page.mouse.click(*scaled(page, [(0.5, 0.5)])[0])
    trouble = page.locator("#trouble")
    expect(trouble).to_have_text("The queue is full. Retrying in 60 s.")
    draw(page, DIGITS["4"])
    page.clock.run_for(20_000)
    draw(page, DIGITS["4"])
    assert 1 == len(asked)
    page.clock.run_for(60_000)

    expect(page.locator("#label")).to_have_text("at last")
    expect(trouble).to_be_hidden()


def test_a_service_that_is_not_ready_is_asked_again(opened):
    """Though nothing more is drawn."""
    page = opened(failures=True)
    page.clock.install()
    ready = []

    def ready_later(route):
        if ready:
            answer(route)
        else:
            refuse(route, 503, "it is being loaded", Retry_After="60")

    page.route(PREDICT, ready_later)
    page.mouse.click(*scaled(page, [(0.5, 0.5)])[0])
    expect(page.locator("#trouble")).to_contain_text("It is being loaded.")
    ready.append(True)
    page.clock.run_for(61_000)

    expect(page.locator("#label")).to_have_text("7")


def test_a_refusal_is_shown_and_not_repeated(opened):
    """It would be refused again: the service's own sentence says why."""
    page = opened(failures=True)
    page.clock.install()
    routes = []

    def refuse_it(route):
        routes.append(route)
        refuse(route, 400, "the picture has 3 frames; one is expected")

    page.route(PREDICT, refuse_it)
    page.mouse.click(*scaled(page, [(0.5, 0.5)])[0])

    sentence = "The picture has 3 frames; one is expected."
    expect(page.locator("#trouble")).to_have_text(sentence)
    page.clock.run_for(60_000)
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    assert 1 == len(routes)


def test_a_key_is_asked_for_sent_and_kept_for_the_tab(opened):
    """A wrong one is asked for again; markup in a sentence is text."""
    page = opened(failures=True)
    sent = []

    def guarded(route):
        sent.append(route.request.headers.get("authorization"))
        if sent[-1] == "Bearer right":
            answer(route, label="in")
        else:
            refuse(route, 401, "an API key is needed: Bearer <key>")

    page.route(PREDICT, guarded)
    page.mouse.click(*scaled(page, [(0.5, 0.5)])[0])
    form = page.locator("#key-form")
    for key in ("wrong", "right"):
        expect(form).to_contain_text("An API key is needed: Bearer <key>.")
        form.get_by_label("API key").fill(key)
        form.get_by_role("button").click()
    expect(page.locator("#label")).to_have_text("in")
    expect(form).to_be_hidden()
    page.reload()
    page.mouse.click(*scaled(page, [(0.5, 0.5)])[0])
    expect(page.locator("#label")).to_have_text("in")

    assert [None, "Bearer wrong", "Bearer right", "Bearer right"] == sent


def test_many_classes_show_the_ten_likeliest(opened):
    """By the labels of the version that answered, though it is newer than the page."""
    page = opened()
    letters = [chr(ord("A") + n) for n in range(26)]
    page.route(PREDICT, lambda route: answer(route, label="Z", count=26, version=2))
    page.route("**/models/mnist/versions/2", lambda route: route.fulfill(json={"classes": letters}))

    page.mouse.click(*scaled(page, [(0.5, 0.5)])[0])
    expect(page.locator("#label")).to_have_text("Z")

    bars = page.locator("#bars tr:visible").all_inner_texts()
    assert 10 == len(bars)
    assert ["Z", "75.0 %"] == bars[0].split("\t")[0::2]
    assert "The likeliest 10 of 26 classes." == page.inner_text("#more")
    assert "mnist version 2" == page.inner_text("#of-model")
