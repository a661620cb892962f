"""What a user is told when CloudFormation cannot do, or could not do, what was asked of a stack."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.errors import NoLongerWaiting, Refused

# What a removal takes with it, by whose stack it is.
WHOLE = {"STAGE": "the whole stage, its endpoint too", "API": "the whole API; the endpoint stays", "JOB": "the role"}


@dataclass(frozen=True)
class Refusals:
    """
    The messages about one stack; each function returns what is to be raised.

    Attributes:
        stack: its name.
        stage: whose stack it is.
        region: where it is, for the commands that are shown.
        owner: what the commands call whose stack it is.
    """

    stack: str
    stage: str
    region: str
    owner: str = "STAGE"

    def busy(self, status: str) -> Refused:
        """Something else is being done to the stack."""
        return Refused(
            f"{self.stack} is in the middle of something else ({status}).",
            "Somebody else works on it, or an earlier command of yours goes on.",
            f"Wait until it is done, then try again: make status {self.owner}={self.stage}",
        )

    def half_removed(self) -> Refused:
        """A removal failed, and has to be finished before anything else."""
        return Refused(
            f"{self.stack} was to be removed, and that failed half-way (DELETE_FAILED).",
            f"Remove the rest first: make destroy {self.owner}={self.stage}",
        )

    def stuck(self, why: Sequence[str]) -> Refused:
        """Neither an update nor the way back worked."""
        return Refused(
            f"{self.stack} is stuck: an update failed, and so did the way back (UPDATE_ROLLBACK_FAILED).",
            *why,
            "Remove the cause, then let CloudFormation try again:",
            f"aws cloudformation continue-update-rollback {self._named}",
            f"Or remove {WHOLE[self.owner]}: make destroy {self.owner}={self.stage}",
        )

    def not_created(self, status: str, why: Sequence[str]) -> Refused:
        """A first try failed."""
        return Refused(f"{self.stack} could not be created ({status}):", *why)

    def not_updated(self, status: str, why: Sequence[str]) -> Refused:
        """An update failed, and the version before is there again."""
        return Refused(f"{self.stack} could not be updated ({status}); what served before still serves:", *why)

    def gone(self) -> Refused:
        """Somebody removed the stack while it was waited for."""
        again = "train_job" if self.owner == "JOB" else "deploy"
        said = f"{self.stack} is gone: somebody removed it meanwhile."
        return Refused(said, f"make {again} {self.owner}={self.stage}")

    def not_removed(self, status: str, why: Sequence[str]) -> Refused:
        """A removal failed."""
        return Refused(
            f"{self.stack} could not be removed ({status}):",
            *why,
            "What is left may still be billed. Remove the cause, then do it again; what is gone is passed over:",
            f"make destroy {self.owner}={self.stage}",
        )

    def no_longer_waiting(self) -> NoLongerWaiting:
        """The user pressed Ctrl-C."""
        return NoLongerWaiting(
            f"No longer waiting; AWS goes on with {self.stack} by itself.",
            f"See how it ends: make status {self.owner}={self.stage}",
            f"or: aws cloudformation describe-stack-events {self._named}",
        )

    @property
    def _named(self) -> str:
        return f"--stack-name {self.stack} --region {self.region}"
