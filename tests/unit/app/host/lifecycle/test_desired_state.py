"""Which versions are to be loaded, and which is the default."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.host.lifecycle.desired_state import Plan, applies_to, plan
from model_store import Control, Quarantine

DIGEST, OTHER = "ab" * 32, "cd" * 32


def quarantine(digest: str | None, by: str = "ann") -> Quarantine:
    return Quarantine(digest=digest, reason="bad", at=datetime(2026, 1, 1, tzinfo=UTC), by=by)


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("latest", (5,)),
        ("latest:1", (5,)),
        ("latest:3", (5, 4, 2)),
        ("latest:9", (5, 4, 2, 1)),
        ("all", (5, 4, 2, 1)),
        ("2", (2,)),
        ("1,4", (4, 1)),
        ("3,4", (4,)),
        ("3", ()),
    ],
)
def test_a_policy_chooses_newest_first(policy, wanted):
    """Numbers that the store does not hold are passed over."""
    assert Plan(wanted, wanted) == plan([1, 2, 4, 5], Control(), policy, barred=())


def test_barred_versions_count_for_nothing():
    """The newest three are the newest three good ones."""
    assert (4, 2, 1) == plan([1, 2, 3, 4, 5], Control(), "latest:3", barred={3, 5}).wanted


def test_a_models_own_policy_goes_first():
    """What an operator set for the model is more than the service's setting."""
    assert (5, 4) == plan([4, 5], Control(policy="all"), "latest", barred=()).wanted


def test_a_pinned_version_is_the_default_whatever_is_published():
    """The newest is loaded too, so that it can be asked for."""
    planned = plan([1, 2, 3], Control(pinned=1), "latest", barred=())

    assert Plan((1, 3), (1, 3)) == planned
    assert 1 == planned.default({1, 3})


@pytest.mark.parametrize(
    ("barred", "loaded"), [((), {3}), ({1}, {3})], ids=["not loaded", "barred"]
)
def test_without_the_pinned_version_the_newest_is_the_default(barred, loaded):
    """A service with something good to serve serves it."""
    assert 3 == plan([1, 2, 3], Control(pinned=1), "latest", barred).default(loaded)


def test_a_pinned_version_that_is_gone_is_not_wanted():
    """What the store does not hold cannot be loaded."""
    assert Plan((3,), (3,)) == plan([3], Control(pinned=1), "latest", barred=())


def test_labelled_versions_are_loaded_but_are_no_default():
    """A canary must not take all the traffic because the newest is refused."""
    control = Control(labels={"canary": 2, "old": 1, "gone": 9})
    planned = plan([1, 2, 3], control, "latest", barred=())

    assert Plan((3, 2, 1), (3,)) == planned
    assert planned.default({1, 2}) is None


def test_a_barred_version_is_not_loaded_for_its_label():
    """A label is no way around a quarantine."""
    assert (3,) == plan([2, 3], Control(labels={"canary": 2}), "latest", barred={2}).wanted


def test_of_an_unloaded_model_nothing_is_wanted():
    """Not even what is pinned or labelled."""
    control = Control(unloaded=True, pinned=1, labels={"stable": 1})

    assert Plan((), ()) == plan([1, 2], control, "all", barred=())


@pytest.mark.parametrize(
    ("entry", "digest", "expected"),
    [
        (quarantine(DIGEST), DIGEST, True),
        (quarantine(DIGEST), OTHER, False),
        (quarantine(DIGEST), None, False),
        (quarantine(None), DIGEST, True),
        (quarantine(None), None, True),
        (quarantine(None, "glyph-serve"), DIGEST, False),
        (quarantine(None, "glyph-serve"), None, False),
    ],
)
def test_a_quarantine_is_about_a_digest(entry, digest, expected):
    """Another digest is another version. Files that were not those listed are looked at again."""
    assert expected == applies_to(entry, digest)
