"""Labels, and the shares of traffic that labelled versions get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from model_store.base.errors import StoreError
from model_store.control.document import Canary, Control, Shadow
from model_store.operations.evaluation import digest_of
from model_store.operations.guards import Author, change, require_passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_store.control.document import Change
    from model_store.stores.protocol import Store


def label(
    store: Store,
    model: str,
    name: str,
    version: int | None,
    *,
    force: bool = False,
    **author: Unpack[Author],
) -> Change:
    """Point a label at a version, or take the label away (None).

    Args:
        store: Where the model is.
        model: Whose label.
        name: Letters, digits, `_` and `-`.
        version: One that passed a trial.
        force: Point it at one that did not; a running service tries it then.
        author: Who, and why.
    """
    if version is None:
        edit = _remove_label(model, name)
    else:
        edit = _point_label(store, model, name, version, force=force)
    return change(store, model, "label", edit, version=version, label=name, **author)


def canary(
    store: Store,
    model: str,
    percent: float,
    version: int | None = None,
    *,
    label: str = "canary",
    sticky_header: str | None = None,
    force: bool = False,
    **author: Unpack[Author],
) -> Change:
    """Let a labelled version answer a share of the requests that name no version.

    Args:
        store: Where the model is.
        model: Whose traffic.
        percent: Of the requests; 0 ends the canary.
        version: Where the label is to point from now on; where it does already, if not given.
        label: Names the version.
        sticky_header: A request header; who sends the same value stays with the same version.
        force: Take a version that did not pass a trial.
        author: Who, and why.
    """
    point = _point_or_require_label(store, model, label, version, force=force)

    def edit(control: Control) -> Control:
        if percent == 0:
            return control.model_copy(update={"canary": None})
        share = Canary(label=label, percent=percent, sticky_header=sticky_header)
        return point(control).model_copy(update={"canary": share})

    return change(store, model, "canary", edit, version=version, label=label, **author)


def shadow(
    store: Store,
    model: str,
    percent: float,
    version: int | None = None,
    *,
    label: str = "shadow",
    force: bool = False,
    **author: Unpack[Author],
) -> Change:
    """Let a labelled version compute a share of the requests, too, unseen by the callers.

    Args:
        store: Where the model is.
        model: Whose traffic.
        percent: Of the requests; 0 ends the shadow.
        version: Where the label is to point from now on; where it does already, if not given.
        label: Names the version.
        force: Take a version that did not pass a trial.
        author: Who, and why.
    """
    point = _point_or_require_label(store, model, label, version, force=force)

    def edit(control: Control) -> Control:
        if percent == 0:
            return control.model_copy(update={"shadow": None})
        share = Shadow(label=label, percent=percent)
        return point(control).model_copy(update={"shadow": share})

    return change(store, model, "shadow", edit, version=version, label=label, **author)


def _point_or_require_label(
    store: Store, model: str, label: str, version: int | None, *, force: bool
) -> Callable[[Control], Control]:
    """Return an edit that points a label at a version, or checks that it points at one."""
    if version is not None:
        return _point_label(store, model, label, version, force=force)

    def edit(control: Control) -> Control:
        if label not in control.labels:
            raise StoreError(f"{model} has no label {label}; name the version that is to get it")
        return control

    return edit


def _point_label(
    store: Store, model: str, label: str, version: int, *, force: bool
) -> Callable[[Control], Control]:
    digest = digest_of(store, model, version)

    def edit(control: Control) -> Control:
        if not force:
            require_passed(control, model, version, digest)
        return control.model_copy(update={"labels": control.labels | {label: version}})

    return edit


def _remove_label(model: str, label: str) -> Callable[[Control], Control]:
    def edit(control: Control) -> Control:
        if label not in control.labels:
            have = ", ".join(sorted(control.labels)) or "none"
            raise StoreError(f"{model} has no label {label} (it has: {have})")
        for use, share in (("canary", control.canary), ("shadow", control.shadow)):
            if share and share.label == label:
                raise StoreError(f"the {use} of {model} runs on the label {label}; end it first")
        rest = {name: version for name, version in control.labels.items() if name != label}
        return control.model_copy(update={"labels": rest})

    return edit
