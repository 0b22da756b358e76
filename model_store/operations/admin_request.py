"""A command on its way from the web side to the model host, as a document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from model_store.base.errors import StoreError
from model_store.base.validation import first_error
from model_store.operations.commands import COMMANDS, AdminCommand, Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model_store.control.document import Change
    from model_store.stores.protocol import Store


class CommandError(StoreError):
    """Raised when a request is no command; the text names the field and the problem."""


class _Envelope(BaseModel):
    """Fields of a request beside those of its command."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    action: str
    model: str
    by: str


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """A command for one model, with its author; the web side sends it to the host as a dict."""

    model: str
    by: str
    command: AdminCommand

    @property
    def action(self) -> str:
        """Return the action's name."""
        return self.command.action

    @property
    def version(self) -> int | None:
        """Return the version that the command names, if any."""
        version: int | None = getattr(self.command, "version", None)
        return version

    def as_dict(self) -> dict[str, Any]:
        """Return the document that `read` reads."""
        fields = self.command.model_dump()
        return {"action": self.action, "model": self.model, **fields, "by": self.by}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> AdminRequest:
        """Check a document.

        Raises:
            CommandError: If a field is missing, unknown or of another kind.
        """
        try:
            envelope = _Envelope.model_validate(dict(document))
            kind = COMMANDS.get(envelope.action)
            if kind is None:
                have = ", ".join(COMMANDS)
                raise CommandError(f"field action: {envelope.action!r} is none of {have}")
            command = kind.model_validate(envelope.model_extra)
        except ValidationError as exc:
            raise CommandError(str(first_error(exc))) from exc
        return cls(envelope.model, envelope.by, command)

    def apply(self, store: Store, policy: str) -> Change:
        """Carry the command out.

        Args:
            store: Where the model is.
            policy: The model's version policy by the service's setting.

        Raises:
            StoreError: If it is refused, or the store fails.
        """
        return self.command.apply(Target(store, self.model, policy, self.by))
