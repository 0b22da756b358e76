"""The verdict of a trial, as it is sent from the trial's process to the host."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from app.host.batching.loaded_version import RuntimePlan  # noqa: TC001 - pydantic needs it at run time


class UnfitError(Exception):
    """Raised when a version must not be served; the message says why."""

    def __init__(
        self,
        reason: str,
        *,
        digest: str | None = None,
        lasting: bool = True,
        transient: bool = False,
        out_of_memory: bool = False,
    ) -> None:
        super().__init__(reason)
        self.digest = digest
        """Digest of the manifest; None if the files do not match it."""
        self.lasting = lasting
        """The version is at fault, on every machine."""
        self.transient = transient
        """A temporary fault of this machine: the version is tried again."""
        self.out_of_memory = out_of_memory
        """There was too little memory."""


class Failed(BaseModel):
    """A version that must not be served, and whether it is at fault."""

    model_config = ConfigDict(frozen=True)

    reason: str
    digest: str | None = None
    lasting: bool
    transient: bool = False
    out_of_memory: bool = False

    @classmethod
    def of(cls, unfit: UnfitError) -> Failed:
        """Create from an error."""
        return cls(
            reason=str(unfit),
            digest=unfit.digest,
            lasting=unfit.lasting,
            transient=unfit.transient,
            out_of_memory=unfit.out_of_memory,
        )

    def error(self) -> UnfitError:
        """Return the error that this describes."""
        return UnfitError(
            self.reason,
            digest=self.digest,
            lasting=self.lasting,
            transient=self.transient,
            out_of_memory=self.out_of_memory,
        )


class Passed(BaseModel):
    """A version that may be loaded, and its runtime plan on this machine."""

    model_config = ConfigDict(frozen=True)

    digest: str
    runtime_plan: RuntimePlan


Verdict = Passed | Failed


class Message(BaseModel):
    """One line that a trial writes to the host."""

    model_config = ConfigDict(frozen=True)

    pid: int
    """Process id of the worker: messages of a process that the version forked are ignored."""
    is_roomy: bool
    """The machine has as much free memory as a trial may use."""
    verdict: Verdict | None = None
    """None in the message before the version is run."""
