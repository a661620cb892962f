"""Where a job is prepared and run: what it needs is sent, its role is made, and SageMaker is asked."""

from dataclasses import dataclass
from typing import Any, Protocol

from deploy.facts import Facts
from deploy.job import places, requests
from deploy.job.kinds import JobFile
from deploy.job.requests import Site
from deploy.job.role import JobStack, ensure_role
from deploy.job.running import PROCESSING, TRAINING, Kind, Run, run
from deploy.job.sending import Sender
from deploy.progress import CLOCK, Clock, Say, say

Request = dict[str, Any]


class Clients(Protocol):
    """An account, as `deploy.aws.Aws` is one."""

    def client(self, service: str, /) -> Any:
        """Return the client of a service."""


@dataclass(frozen=True)
class Desk:
    """
    A job, the account that it runs in, and what is known of both.

    Attributes:
        dry: make requests only, and change nothing.
    """

    job: JobFile
    aws: Clients
    facts: Facts
    dry: bool = False
    say: Say = say
    clock: Clock = CLOCK

    def processing(self, data: str | None) -> Request:
        """Send the data set and the script; return the request for a job that begins now."""
        found = self._sender.data_set(data)
        return requests.processing(self.job, self._site(), found, self._sender.send(self.job.script))

    def training(self, data: str | None) -> Request:
        """Send the channels and the program; return the request for a job that begins now."""
        found = self._sender.channels(data)
        code = self._sender.send(self.job.code) if self.job.code else None
        return requests.training(self.job, self._site(), found, code)

    def process(self, data: str | None) -> str:
        """Process the data set, and return the address below which the outputs lie."""
        outcome = self._run(PROCESSING, self.processing(data))
        return places.processed(self.job, self.facts.bucket, outcome["ProcessingJobName"])

    def train(self, data: str | None) -> str:
        """Train on the channels, and return the address of the model's archive."""
        return str(self._run(TRAINING, self.training(data))["ModelArtifacts"]["S3ModelArtifacts"])

    def stack(self) -> JobStack:
        """Return the stack of the job's role."""
        return JobStack(self.aws.client("cloudformation"), self.job.name, self.say, self.clock)

    @property
    def _sender(self) -> Sender:
        owner = self.facts.account.number
        return Sender(self.job, self.aws.client("s3"), self.facts.bucket, owner, self.dry, self.say)

    def _site(self) -> Site:
        """Return where the job runs; its role, if it is one of its own, has no name before it is made."""
        return Site(self.facts.images[0].uri, self.job.role or "", self.facts.bucket, self.clock.now())

    def _run(self, kind: Kind, request: Request) -> Request:
        role = ensure_role(self.job, self.facts, self.stack())
        return run(Run(self.aws.client("sagemaker"), kind, {**request, "RoleArn": role}, self.say, self.clock))
