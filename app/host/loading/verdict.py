"""What a trial found out about a version; it crosses from the trial's process to the host."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from app.host.loading.runtime_selection import RuntimePlan  # noqa: TC001 - pydantic needs it at run time


class UnfitError(Exception):
    """Raised when a version is not to be served; the text is a sentence that says why."""

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
        """Of the manifest; None where the files are not those it lists, whatever it says."""
        self.lasting = lasting
        """It is the version's fault, on every machine."""
        self.transient = transient
        """It is this machine's fault, and may be over soon: the version is tried again."""
        self.out_of_memory = out_of_memory
        """There was too little memory."""


class Failed(BaseModel):
    """A version that is not to be served, and whose fault that is."""

    model_config = ConfigDict(frozen=True)

    reason: str
    digest: str | None = None
    lasting: bool
    transient: bool = False
    out_of_memory: bool = False

    @classmethod
    def of(cls, unfit: UnfitError) -> Failed:
        """Describe an error."""
        return cls(
            reason=str(unfit),
            digest=unfit.digest,
            lasting=unfit.lasting,
            transient=unfit.transient,
            out_of_memory=unfit.out_of_memory,
        )

    def error(self) -> UnfitError:
        """Create the error that this describes."""
        return UnfitError(
            self.reason,
            digest=self.digest,
            lasting=self.lasting,
            transient=self.transient,
            out_of_memory=self.out_of_memory,
        )


class Passed(BaseModel):
    """A version that may be loaded, and how it runs on this machine."""

    model_config = ConfigDict(frozen=True)

    digest: str
    runtime_plan: RuntimePlan


Verdict = Passed | Failed


class Message(BaseModel):
    """One line that a trial writes to the host."""

    model_config = ConfigDict(frozen=True)

    pid: int
    """Of the process that was started: a copy of it that the version made is not believed."""
    is_roomy: bool
    """The machine has as much memory as a trial may take."""
    verdict: Verdict | None = None
    """None while the version itself is about to be run."""
