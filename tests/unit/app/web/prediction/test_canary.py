"""Which requests a canary gets."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config.share import Share
from app.ipc.status import CanaryStatus, ModelStatus
from app.web.prediction.canary import Traffic, environ_key, why_idle

REQUESTS = 20_000
USERS = [f"user-{number}" for number in range(REQUESTS)]
PERCENTS = st.floats(0.01, 100)


@pytest.fixture(scope="module")
def make_shapes(describe_serving):
    """Return a function that makes a model with version 3 as default and 4 beside it."""

    def run(percent=None, header=None, **changes):
        canary = CanaryStatus(version=4, label="new", percent=percent or 1, sticky_header=header)
        model = ModelStatus(
            name="shapes",
            ready=True,
            reason=None,
            default=3,
            versions=(describe_serving(4), describe_serving(3)),
            labels={"new": 4},
            canary=canary if percent is not None else None,
        )
        return model.model_copy(update=changes)

    return run


def user(name: str) -> dict[str, str]:
    """Return a request's environment with the caller in a header."""
    return {"HTTP_X_USER": name}


def within_bounds(taken: int, share: float) -> bool:
    """Return True if a count is within four standard deviations of its expectation."""
    return abs(taken - REQUESTS * share) <= 4 * (REQUESTS * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("percent", [0.5, 10, 50, 99])
def test_a_canary_gets_its_share_of_the_requests(make_shapes, percent):
    """Within what chance allows; everybody else gets the default version."""
    traffic = Traffic(draw=random.Random(7).random)  # noqa: S311 - no secret
    shapes = make_shapes(percent)

    chosen = Counter(traffic.choose(shapes, {}) for _ in range(REQUESTS))

    assert {0, 4} == set(chosen)
    assert within_bounds(chosen[4], percent / 100)


@pytest.mark.parametrize("percent", [10, 50])
def test_a_sticky_canary_gets_its_share_of_the_callers(make_shapes, percent):
    """Names that differ in a digit are spread as well as any."""
    shapes = make_shapes(percent, "X-User")

    taken = sum(Traffic().choose(shapes, user(name)) == 4 for name in USERS)

    assert within_bounds(taken, percent / 100)


@given(st.text(st.characters(max_codepoint=255), max_size=50), PERCENTS)
def test_a_caller_stays_on_one_side(make_shapes, name, percent):
    """In every worker, and however often."""
    draws = iter([0.0, 0.99])  # would tell on whoever draws
    shapes = make_shapes(percent, "X-User")
    sides = {Traffic(draw=lambda: next(draws)).choose(shapes, user(name)) for _ in range(2)}

    assert 1 == len(sides)


@given(st.text(st.characters(max_codepoint=255), max_size=50), PERCENTS, PERCENTS)
def test_a_greater_share_keeps_who_was_in_the_smaller_one(make_shapes, name, one, other):
    """Nobody goes back and forth while a canary is raised step by step."""
    small, great = (
        Traffic().choose(make_shapes(percent, "X-User"), user(name))
        for percent in sorted((one, other))
    )

    assert not (small == 4 and great == 0)


@given(st.text(max_size=20), st.floats(0, 1, exclude_max=True))
def test_the_whole_is_everybody(make_shapes, name, place):
    """100 percent leaves nobody out, sticky or not."""
    traffic = Traffic(draw=lambda: place)

    shapes = make_shapes(100, "X-User")

    assert 4 == traffic.choose(shapes, user(name)) == traffic.choose(shapes, {})


def test_callers_without_the_header_are_drawn(make_shapes):
    """One by one, so that the share holds for them as well."""
    draws = iter([0.05, 0.15])
    traffic = Traffic(draw=lambda: next(draws))
    sticky = make_shapes(10, "X-User")

    assert [4, 0] == [traffic.choose(sticky, {}) for _ in range(2)]


def test_models_do_not_share_their_callers(make_shapes):
    """Who is on one model's canary is no more likely to be on another's."""
    one, other = (make_shapes(50, "X-User", name=name) for name in ("shapes", "wide"))
    both = sum(
        Traffic().choose(one, user(name)) == 4 == Traffic().choose(other, user(name))
        for name in USERS
    )

    assert within_bounds(both, 0.25)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"default": 4}, "version 4 is the default version"),
        ({"versions": ()}, "version 4 does not serve"),
        ({"default": None}, "there is no default version beside it"),
    ],
)
def test_a_canary_that_cannot_serve_gets_nothing(make_shapes, changes, why):
    """The default version answers, and nothing is counted; it says why."""
    counted = Counter()
    traffic = Traffic(on_choice=lambda *split: counted.update([split]))
    model = make_shapes(100, **changes)

    assert 0 == traffic.choose(model, {})
    assert why == why_idle(model, model.canary)
    assert {} == counted


def test_a_canary_of_another_shape_gets_nothing(make_shapes, describe_serving):
    """Callers of the default version would be refused for images that were right."""
    versions = (describe_serving(4, input_shape=(1, 3, 1)), describe_serving(3))
    model = make_shapes(100, versions=versions)

    assert 0 == Traffic().choose(model, {})
    assert (
        "it takes images of 1 x 3 x 1; callers of the default version send 2 x 2 x 1"
        == why_idle(model, model.canary)
    )


def test_both_sides_are_counted(make_shapes):
    """By model, so that the share can be seen."""
    counted = Counter()
    draws = iter([0.0, 0.5, 0.9])
    traffic = Traffic(draw=lambda: next(draws), on_choice=lambda *split: counted.update([split]))
    for _ in range(3):
        traffic.choose(make_shapes(10), {})

    assert {("shapes", "canary"): 1, ("shapes", "default"): 2} == counted


def test_without_a_canary_nothing_is_drawn(make_shapes):
    """Nor counted."""
    assert 0 == Traffic(draw=None, on_choice=None).choose(make_shapes(), {})


def test_the_services_share_is_for_models_without_a_canary(make_shapes):
    """Where they have the label; what was decided about a model goes first."""
    traffic = Traffic(Share("new", 100, None))

    assert 4 == traffic.choose(make_shapes(), {})
    assert 0 == traffic.choose(make_shapes(labels={"old": 3}), {})
    assert 10 == traffic.canary(make_shapes(10)).percent


@pytest.mark.parametrize(("header", "key"), [("X-User", "HTTP_X_USER"), ("cookie", "HTTP_COOKIE")])
def test_headers_are_found_as_wsgi_names_them(header, key):
    """Capitals make no difference."""
    assert key == environ_key(header)
