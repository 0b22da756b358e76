"""Version policies: which versions of a model are wanted, as a short text.

`latest` is the newest version, `latest:3` the newest three, `all` every one, and `2,5` these two.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import StringConstraints

from model_store.base.names import MODEL_NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_POLICY = "latest"
POLICY_PATTERN = r"^(latest(:[1-9][0-9]{0,8})?|all|[1-9][0-9]{0,17}(,[1-9][0-9]{0,17})*)$"
POLICY_FORMS = "latest, latest:N, all, or version numbers such as 2,5"

PolicyText = Annotated[str, StringConstraints(pattern=POLICY_PATTERN)]


def choose(policy: PolicyText, versions: Iterable[int]) -> list[int]:
    """Pick what a policy wants of the versions that may be loaded; oldest first.

    Args:
        policy: A text that matches `POLICY_PATTERN`.
        versions: What is there and not quarantined, in any order.
    """
    present = sorted(versions)
    word, _, count = policy.partition(":")
    if word == "all":
        return present
    if word == "latest":
        return present[-int(count or 1) :]
    named = {int(number) for number in policy.split(",")}
    return [version for version in present if version in named]


def policy_of(setting: str, model: str) -> str:
    """Find a model's policy in a setting: one for all, or `mnist=latest:2;shapes=all`.

    Raises:
        ValueError: If the setting is malformed; says what was found and what is expected.
    """
    policies: dict[str, str] = {}
    for part in setting.split(";"):
        name, _, policy = (piece.strip() for piece in part.rpartition("="))
        if name and not re.fullmatch(MODEL_NAME_PATTERN, name):
            raise ValueError(f"{name!r} is no model name")
        if name in policies:
            raise ValueError(f"{name or 'every model'} has two policies")
        if not re.fullmatch(POLICY_PATTERN, policy):
            raise ValueError(f"{policy!r} is no policy; {POLICY_FORMS} are expected")
        policies[name] = policy
    return policies.get(model) or policies.get("") or DEFAULT_POLICY
