"""What version policies choose."""

from __future__ import annotations

import re

import pytest

from model_store.control.version_policy import POLICY_PATTERN, choose, policy_of


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("latest", [9]),
        ("latest:1", [9]),
        ("latest:2", [5, 9]),
        ("latest:7", [2, 5, 9]),
        ("all", [2, 5, 9]),
        ("5", [5]),
        ("9,2,7,2", [2, 9]),
    ],
)
def test_a_policy_chooses_among_the_versions(policy, expected):
    """Oldest first; what is not there is not chosen."""
    assert re.fullmatch(POLICY_PATTERN, policy)
    assert expected == choose(policy, [9, 2, 5])


@pytest.mark.parametrize("policy", ["latest", "latest:3", "all", "1"])
def test_of_nothing_nothing_is_chosen(policy):
    """A model without good versions has none."""
    assert [] == choose(policy, [])


@pytest.mark.parametrize(
    "text", ["", "newest", "latest:0", "latest:", "latest:x", "0", "1,", "1, 2", "-1", "all,1"]
)
def test_other_texts_are_no_policies(text):
    """They never get into a document."""
    assert None is re.fullmatch(POLICY_PATTERN, text)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("all", "all"),
        ("mnist=latest:2", "latest:2"),
        ("shapes=all", "latest"),
        ("shapes=all;latest:3", "latest:3"),
        ("all; mnist = 2,5", "2,5"),
    ],
)
def test_a_setting_may_name_models(setting, expected):
    """A policy without a name is that of all others; without any, it is latest."""
    assert expected == policy_of(setting, "mnist")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("newest", "'newest' is no policy; latest, latest:N, all, or version numbers such as 2,5"),
        ("mnist=", "'' is no policy"),
        ("a b=all", "'a b' is no model name"),
        ("mnist=all;mnist=latest", "mnist has two policies"),
        ("all;latest", "every model has two policies"),
    ],
)
def test_a_malformed_setting_is_explained(setting, sentence):
    """What was found and what is expected."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        policy_of(setting, "mnist")
