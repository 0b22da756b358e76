"""The control document of a model: what an operator has decided about its versions.

Every change is a document of its own with the next number, a generation, which can be created only
once. That is the comparison before the swap and the audit trail in one: whoever finds its number
taken reads again, applies its edit again and takes the next one.
"""

from __future__ import annotations

import getpass
import socket
from datetime import datetime  # noqa: TC003 - pydantic needs it at run time
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Required, TypedDict, Unpack

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError

from model_store.base.errors import StoreError
from model_store.base.json_documents import Document, Sha256
from model_store.base.validation import first_error
from model_store.control.labels import Label  # noqa: TC001 - pydantic needs it at run time
from model_store.control.version_policy import PolicyText  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from collections.abc import Callable

CONTROL = "control"
MAX_GENERATION = 10**8 - 1
"""Eight digits, so that generations sort by their names."""
ATTEMPTS = 100
"""Each lost one means that somebody else's change was made, so that even a dozen writers without
a pause between their changes do not reach it."""

Percent = Annotated[float, Field(gt=0, le=100)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class Quarantine(Document):
    """Why a version is not loaded until it is released, or its digest changes."""

    digest: Sha256 | None
    """Of the manifest that was refused; None where it could not be read."""
    reason: str
    at: AwareDatetime
    by: str


class Canary(Document):
    """A share of the traffic that a labelled version answers."""

    label: Label
    percent: Percent
    sticky_header: HeaderName | None = None
    """Callers that send the same value of this request header stay with the same version."""


class Shadow(Document):
    """A share of the traffic that a labelled version computes, too, after the answer has gone."""

    label: Label
    percent: Percent


class Control(Document):
    """What is decided about a model; the defaults are those of a model nobody has touched."""

    policy: PolicyText | None = None
    """None leaves it to the service's setting."""
    pinned: int | None = None
    """The default version, whatever is published."""
    labels: dict[Label, int] = Field(default_factory=dict)
    quarantined: dict[int, Quarantine] = Field(default_factory=dict)
    passed: dict[int, Sha256] = Field(default_factory=dict)
    """Digests of the versions that were loaded and passed a trial."""
    canary: Canary | None = None
    shadow: Shadow | None = None
    unloaded: bool = False
    """No version is loaded."""

    def is_quarantined(self, version: int, digest: str | None) -> bool:
        """Return whether a version with this digest (None: no readable manifest) stays out."""
        found = self.quarantined.get(version)
        return found is not None and found.digest in (None, digest)

    def holds(self, version: int) -> str | None:
        """Return why a version must not be removed, or None."""
        if self.pinned == version:
            return "pinned"
        return next((f"labelled {name}" for name, n in self.labels.items() if n == version), None)


class Change(Document):
    """One generation: who did what, when and why, and the control document after it."""

    schema_version: Literal[1] = 1
    generation: int = Field(ge=1, le=MAX_GENERATION)
    at: AwareDatetime
    by: str
    action: str
    version: int | None = None
    label: str | None = None
    reason: str | None = None
    control: Control


class Audit(TypedDict, total=False):
    """What the audit trail says of a change, beside when and what."""

    by: Required[str]
    version: int | None
    label: str | None
    reason: str | None


class ChangeLog(Protocol):
    """The generations of one model, wherever they lie."""

    def newest(self) -> Change | None:
        """Read the last change."""

    def create(self, change: Change) -> bool:
        """Write a change durably; False where its generation is there already."""


class ContentionError(StoreError):
    """Raised when a change lost to others' changes over and over."""


def append(
    log: ChangeLog,
    base: Callable[[], Control],
    action: str,
    edit: Callable[[Control], Control],
    now: Callable[[], datetime],
    **audit: Unpack[Audit],
) -> Change:
    """Apply an edit to the newest control document; it may be called more than once.

    Args:
        log: The model's generations.
        base: Gives what is edited where there is no generation yet.
        action: What is done, in a word.
        edit: Gives the new document, or raises StoreError or ValidationError to refuse.
        now: Gives the time of the change.
        audit: Who does it, to what, and why.

    Raises:
        StoreError: If the edit refuses, or its document is not valid.
        ContentionError: If others' changes came first a hundred times.
    """
    for _ in range(ATTEMPTS):
        last = log.newest()
        generation = last.generation + 1 if last else 1
        if generation > MAX_GENERATION:
            raise StoreError(
                f"{action} is not possible: the model has had {MAX_GENERATION} changes"
            )
        try:
            edited = edit(last.control if last else base()).model_dump()  # a copy is not validated
            change = Change(generation=generation, at=now(), action=action, control=edited, **audit)
        except ValidationError as exc:
            first = first_error(exc)
            problem = f"field {first.field}: {first.problem_and_found}"
            raise StoreError(f"{action} is not possible: {problem}") from exc
        if log.create(change):
            return change
    raise ContentionError(f"{ATTEMPTS} others' changes came before this one ({action}); try again")


def whoami() -> str:
    """Name who runs this process: login name @ host name."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        login = "unknown"
    return f"{login}@{socket.gethostname()}"
