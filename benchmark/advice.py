"""
From what an instance holds to what is set on AWS.

SageMakerVariantInvocationsPerInstance = MAX_RPS * SAFETY_FACTOR * 60, with 0.5 as the factor to begin with: AWS,
"Load testing your auto scaling configuration" (sagemaker/latest/dg/endpoint-scaling-loadtest.html).
SageMakerVariantConcurrentRequestsPerModelHighResolution counts requests in flight, every 10 seconds; the same factor
is taken for it. MaxConcurrentTransforms times MaxPayloadInMB is at most 100: CreateTransformJob.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MAX_IN_FLIGHT = 100  # MB


@dataclass(frozen=True)
class Capacity:
    """The most that keeps the budget; times in ms, rates per second."""

    budget_ms: float
    concurrency: int
    rate: float
    p50_ms: float
    p99_ms: float
    best_rate: float  # whatever the latency
    held_rate: float  # requests that come at a fixed rate, whether or not the last ones are answered
    held_p99_ms: float


@dataclass(frozen=True)
class Advice:
    """The numbers to set."""

    model: str
    capacity: Capacity
    safety: float
    transforms: int
    execution_parameters: Mapping[str, Any]
    first_worker_mb: float
    further_worker_mb: float
    start_seconds: float

    @property
    def invocations_per_instance(self) -> int:
        """Return the target for requests per minute and instance."""
        return max(1, int(self.capacity.held_rate * self.safety * 60))

    @property
    def concurrent_requests(self) -> int:
        """Return the target for requests in flight per instance."""
        return max(1, int(self.capacity.concurrency * self.safety))

    @property
    def payload_mb(self) -> int:
        """Return the largest MaxPayloadInMB that goes with the transforms."""
        return MAX_IN_FLIGHT // self.transforms

    def as_json(self) -> str:
        """Return everything, for programs."""
        targets = {
            "SageMakerVariantInvocationsPerInstance": self.invocations_per_instance,
            "SageMakerVariantConcurrentRequestsPerModelHighResolution": self.concurrent_requests,
            "MaxConcurrentTransforms": self.transforms,
            "MaxPayloadInMB": self.payload_mb,
        }
        return json.dumps({**asdict(self), "set": targets}, indent=1) + "\n"

    def as_text(self) -> str:
        """Return everything, for people."""
        held, said = self.capacity, self.execution_parameters
        return f"""\
{self.model}, on this machine, with p99 within {held.budget_ms:g} ms

  what one instance holds
    {held.concurrency} requests at once: {held.rate:,.0f}/s, p50 {held.p50_ms:.1f} ms, p99 {held.p99_ms:.1f} ms
    {held.held_rate:,.0f}/s that come at a fixed rate: p99 {held.held_p99_ms:.1f} ms
    {held.best_rate:,.0f}/s at the most, whatever the latency

  autoscaling, one of the two (safety factor {self.safety:g})
    SageMakerVariantConcurrentRequestsPerModelHighResolution  {self.concurrent_requests}
      in a stage: autoscaling.concurrent_requests
    SageMakerVariantInvocationsPerInstance                    {self.invocations_per_instance:,}
      for a policy of your own; stages have none

  batch transform
    MaxConcurrentTransforms  {self.transforms}, with MaxPayloadInMB at most {self.payload_mb}
      in a stage: batch.max_concurrent, batch.max_payload_mb
    /execution-parameters    {json.dumps(said)}

  memory and start
    the first worker     {self.first_worker_mb:,.0f} MB, with all that is there once
    each further worker  {self.further_worker_mb:,.0f} MB
    first answer after   {self.start_seconds:.1f} s

These are this machine's numbers, and the load ran on the same CPUs: measure on the instance type that will serve.
"""
