"""What an operator does to the versions of a model; each operation is one change in the store.

A running service follows within its next look. Every operation raises StoreError with a sentence
that says what to do instead, where it refuses.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Unpack

from model_store.base.errors import StoreError
from model_store.control.document import Control, Quarantine, whoami
from model_store.control.version_policy import POLICY_FORMS, POLICY_PATTERN
from model_store.operations.evaluation import Evaluation, digest_of
from model_store.operations.guards import Author, change, require_passed, require_released
from model_store.operations.labels_and_traffic import canary, label, shadow

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_store.control.document import Change
    from model_store.stores.protocol import Store

__all__ = [
    "canary",
    "label",
    "load",
    "pin",
    "policy",
    "promote",
    "quarantine",
    "release",
    "rollback",
    "shadow",
    "unload",
    "unpin",
]

STABLE = "stable"
"""The label of the version that was promoted."""


def promote(
    store: Store,
    model: str,
    version: int,
    *,
    force: bool = False,
    policy: str | None = None,
    **author: Unpack[Author],
) -> Change:
    """Make a version the default one, and `stable`.

    It is pinned if another one is, or if the policy would choose another. A canary that ran on it
    ends.

    Args:
        store: Where the model is.
        model: Whose version.
        version: Which.
        force: Promote it without a passed trial, and out of quarantine.
        policy: The service's, which counts where the model has none of its own.
        author: Who, and why.
    """
    digest = digest_of(store, model, version)

    def edit(control: Control) -> Control:
        if not force:
            require_passed(control, model, version, digest)
        after = _promoted(control, version)
        wanted = Evaluation(store, model, policy, after).wanted
        if control.pinned is None and wanted[-1:] == [version]:
            return after
        return after.model_copy(update={"pinned": version})

    return change(store, model, "promote", edit, version=version, **author)


def rollback(
    store: Store,
    model: str,
    to: int | None = None,
    *,
    policy: str | None = None,
    **author: Unpack[Author],
) -> Change:
    """Go back to a version, and pin it, so that nothing newer takes over until it is unpinned.

    Args:
        store: Where the model is.
        model: Whose version.
        to: Which; the newest one below the default version that passed a trial, if not given.
        policy: The service's, which counts where the model has none of its own.
        author: Who, and why.
    """
    target = _version_before(store, model, policy) if to is None else to
    digest = digest_of(store, model, target)

    def edit(control: Control) -> Control:
        require_released(control, model, target, digest)
        labels = control.labels | {STABLE: target}
        return control.model_copy(update={"pinned": target, "labels": labels})

    return change(store, model, "rollback", edit, version=target, **author)


def pin(store: Store, model: str, version: int, **author: Unpack[Author]) -> Change:
    """Make a version the default one, whatever is published."""
    digest = digest_of(store, model, version)

    def edit(control: Control) -> Control:
        require_released(control, model, version, digest)
        return control.model_copy(update={"pinned": version})

    return change(store, model, "pin", edit, version=version, **author)


def unpin(store: Store, model: str, **author: Unpack[Author]) -> Change:
    """Let the policy choose the default version again."""

    def edit(control: Control) -> Control:
        if control.pinned is None:
            raise StoreError(f"no version of {model} is pinned")
        return control.model_copy(update={"pinned": None})

    return change(store, model, "unpin", edit, version=store.control(model).pinned, **author)


def quarantine(
    store: Store,
    model: str,
    version: int,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    **author: Unpack[Author],
) -> Change:
    """Keep a version from being loaded until it is released, or its files change."""
    digest = None if version in store.unfinished(model) else digest_of(store, model, version)
    entry = Quarantine(
        digest=digest,
        reason=author.get("reason") or "no reason was given",
        at=now(),
        by=author.get("by") or whoami(),
    )

    def edit(control: Control) -> Control:
        return control.model_copy(update={"quarantined": control.quarantined | {version: entry}})

    return change(store, model, "quarantine", edit, version=version, **author)


def release(store: Store, model: str, version: int, **author: Unpack[Author]) -> Change:
    """Let a version be loaded again if its trial goes well, whoever quarantined it."""

    def edit(control: Control) -> Control:
        if version not in control.quarantined:
            have = ", ".join(map(str, sorted(control.quarantined))) or "none"
            raise StoreError(f"{model} version {version} is not quarantined (these are: {have})")
        rest = {n: entry for n, entry in control.quarantined.items() if n != version}
        return control.model_copy(update={"quarantined": rest})

    return change(store, model, "release", edit, version=version, **author)


def policy(store: Store, model: str, text: str | None, **author: Unpack[Author]) -> Change:
    """Decide which versions are loaded; None leaves it to the service's setting."""
    if text is not None and not re.fullmatch(POLICY_PATTERN, text):
        raise StoreError(f"{text!r} is no policy; {POLICY_FORMS} are expected")
    return _set(store, model, "policy", {"policy": text}, **author)


def unload(store: Store, model: str, **author: Unpack[Author]) -> Change:
    """Load no version of a model, and let those go that are loaded."""
    return _set(store, model, "unload", {"unloaded": True}, **author)


def load(store: Store, model: str, **author: Unpack[Author]) -> Change:
    """Load what the policy, the pin and the labels want again."""
    return _set(store, model, "load", {"unloaded": False}, **author)


def _set(
    store: Store, model: str, action: str, update: dict[str, object], **author: Unpack[Author]
) -> Change:
    return change(store, model, action, lambda c: c.model_copy(update=update), **author)


def _promoted(control: Control, version: int) -> Control:
    rest = {n: entry for n, entry in control.quarantined.items() if n != version}
    share = control.canary
    ends = share is not None and control.labels.get(share.label) == version
    return control.model_copy(
        update={
            "labels": control.labels | {STABLE: version},
            "quarantined": rest,
            "canary": None if ends else share,
        }
    )


def _version_before(store: Store, model: str, policy: str | None) -> int:
    evaluation = Evaluation(store, model, policy)
    present = evaluation.default
    for version in reversed(evaluation.good):
        passed = evaluation.control.passed.get(version)
        if present and version < present and passed == digest_of(store, model, version):
            return version
    raise StoreError(
        f"no version of {model} below {present} has passed a trial; name the one to go back to"
    )
