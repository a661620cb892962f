"""How many workers, with how many threads each: from the CPUs and the memory that this container may really use."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from serving.errors import StartError
from serving.memory import Footprint
from serving.settings import MEGABYTE, Settings

HEADROOM = 0.1  # of the memory: for the bodies of requests, and for nginx
# Serverless endpoints have 1 to 6 GB and a share of CPU time that goes with it, but see two to four whole CPUs.
# Of the instances even those with the least memory have more of it for each CPU.
SERVERLESS_MEMORY = 6144 * MEGABYTE
SERVERLESS_MEMORY_PER_CPU = 1792 * MEGABYTE
SERVERLESS = (
    "one worker for a serverless size: little memory for the CPUs that are seen; "
    "SAGEMAKER_MODEL_SERVER_WORKERS asks for more"
)


@dataclass(frozen=True)
class Plan:
    """Workers and native threads; `workers * threads` never exceeds `cpus`, unless the operator says so."""

    cpus: float
    workers: int
    threads: int
    memory: int | None = None  # bytes; None if nobody says
    footprint: Footprint | None = None  # None until it was measured, and where it cannot be
    reason: str = "a worker for each whole CPU"

    @property
    def in_words(self) -> Mapping[str, Any]:
        """Return the plan as one log line has it: sizes in MB, none where nothing could be measured."""
        sizes = {"memory": self.memory}
        if self.footprint:
            sizes |= {"once": self.footprint.once, "worker": self.footprint.each, "model": self.footprint.model}
        return {
            "cpus": self.cpus,
            "workers": self.workers,
            "threads": self.threads,
            **{f"{name}_mb": round(size / MEGABYTE) for name, size in sizes.items() if size is not None},
            **({"shared": self.footprint.shared} if self.footprint else {}),
            "reason": self.reason,
        }


def make_plan(settings: Settings, cpus: float, memory: int | None) -> Plan:
    """Give each whole CPU a worker, or the operator's number of workers an equal share of the CPUs."""
    limit = settings.memory or memory
    plan = Plan(cpus=cpus, workers=0, threads=0, memory=limit)
    if settings.workers:
        return with_workers(plan, settings.workers, "as many workers as were asked for")
    if is_serverless_size(cpus, limit):
        return with_workers(plan, 1, SERVERLESS)
    return with_workers(plan, max(1, int(cpus)), plan.reason)


def is_serverless_size(cpus: float, memory: int | None) -> bool:
    """Tell whether there is as little memory, for these CPUs, as serverless endpoints have and no instance has."""
    return memory is not None and memory <= SERVERLESS_MEMORY and memory < SERVERLESS_MEMORY_PER_CPU * cpus


def with_workers(plan: Plan, workers: int, reason: str) -> Plan:
    """Return the plan with so many workers, which share the whole CPUs."""
    return replace(plan, workers=workers, threads=max(1, int(plan.cpus) // workers), reason=reason)


def settle(plan: Plan, footprint: Footprint | None, asked: int | None) -> Plan:
    """
    Return the plan that fits into the memory: with fewer workers, unless the operator *asked* for a number.

    Raises:
        StartError: with the arithmetic, when that number does not fit, or not even one worker does.
    """
    plan = replace(plan, footprint=footprint)
    if footprint is None or plan.memory is None:
        return plan
    fitting = workers_that_fit(footprint, plan.memory)
    if fitting >= plan.workers:
        return plan
    least = asked or 1
    if fitting < least and footprint.once + least * footprint.each <= plan.memory:
        return with_workers(plan, least, f"less than {HEADROOM:.0%} of the memory stays free for requests")
    if fitting < least:
        raise StartError(refusal(plan, footprint, plan.memory, fitting))
    does = "does" if fitting == 1 else "do"
    reason = f"{plan.workers} workers, one for each whole CPU, do not fit into the memory; {fitting} {does}"
    return with_workers(plan, fitting, reason)


def workers_that_fit(footprint: Footprint, memory: int) -> int:
    """Return how many workers the memory has room for, less the headroom; 0 if none."""
    room = memory * (1 - HEADROOM) - footprint.once
    return max(0, int(room // max(1, footprint.each)))


def refusal(plan: Plan, footprint: Footprint, memory: int, fitting: int) -> str:
    """Return the arithmetic of a plan that does not fit, and what to do."""
    workers = plan.workers if fitting else 1
    needed = in_megabytes(footprint.once + workers * footprint.each)
    once, each = in_megabytes(footprint.once), in_megabytes(footprint.each)
    parts = (
        f"the server with the model takes {once} once, and each worker {each} more"
        if footprint.shared
        else f"the server takes {once} once, and each worker with its copy of the model {each}"
    )
    cure = "" if footprint.shared else " Samples in the model folder may let the workers share one copy."
    advice = f"Ask for {fitting} (SAGEMAKER_MODEL_SERVER_WORKERS={fitting}), or choose" if fitting else "Choose"
    return (
        f"The memory is too small for {workers} worker{'s' if workers > 1 else ''}: {parts}; together {needed}. "
        f"The container has {in_megabytes(memory)}, of which {HEADROOM:.0%} stay free for requests. "
        f"{advice} a larger instance.{cure} If there is more memory than that, set SERVING_MEMORY_MB."
    )


def in_megabytes(size: int) -> str:
    """Return a size in words."""
    return f"{size / MEGABYTE:.0f} MB"
