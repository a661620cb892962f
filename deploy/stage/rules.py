"""What SageMaker would refuse later, or take and not do: said before anything is created."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise

from deploy.errors import Refused
from deploy.facts import Facts
from deploy.stage import instance_types
from deploy.stage.kinds import (
    AsynchronousStage,
    BatchStage,
    InstanceStage,
    OnInstances,
    PipelineStage,
    ServerlessStage,
    Stage,
    Update,
    containers_of,
)
from deploy.stage.tag_rules import tag_refusals

GB = 1024**3
LARGEST_SERVERLESS_IMAGE = 10 * GB
LONGEST_UPDATE = 28_800  # s, MaximumExecutionTimeoutInSeconds
MOST_BATCH_VARIABLES = 16
CONTAINERS_PATIENCE = 600  # s, with an answer in a transform job: docs/settings.md


def require_possible(stage: Stage, facts: Facts) -> None:
    """Raise `Refused` with everything about *stage* that cannot be."""
    if faults := [*refusals(stage, facts)]:
        raise Refused(f"The stage {stage.name} cannot be deployed as it is:", *faults)


def refusals(stage: Stage, facts: Facts) -> Iterator[str]:
    """Yield a sentence for everything about *stage* that cannot be."""
    yield from chain.from_iterable(rule(stage, facts) for rule in RULES)


def _types_exist(stage: Stage, _: Facts) -> Iterator[str]:
    if not isinstance(stage, OnInstances):
        return
    batch = isinstance(stage, BatchStage)
    known = instance_types.for_transform_jobs() if batch else instance_types.for_endpoints()
    if stage.instance.type not in known:
        family = stage.instance.type.rpartition(".")[0] + "."
        near = sorted(one for one in known if one.startswith(family)) or [
            "ml.m5.large",
            "ml.c6i.xlarge",
            "ml.m6i.large",
        ]
        jobs = "transform jobs" if batch else "endpoints"
        yield f"instance.type: SageMaker has no {stage.instance.type} for {jobs}. It has {', '.join(near[:6])}."


def _architectures_match(stage: Stage, facts: Facts) -> Iterator[str]:
    place, wanted = _processor(stage)
    for image in facts.images:
        if image.architecture != wanted:
            yield (
                f"{place} needs an image for linux/{wanted}, and {image.uri} is for linux/{image.architecture}: "
                f"it would not start. "
                f"Push another with ./build_and_push.sh NAME --platform linux/{wanted}."
            )


def _processor(stage: Stage) -> tuple[str, str]:
    """Return what the containers run on, in words, and the architecture that it takes."""
    if not isinstance(stage, OnInstances):
        return "A serverless endpoint", "amd64"
    return f"instance.type: {stage.instance.type}", instance_types.architecture(stage.instance.type)


def _images_are_taken(stage: Stage, facts: Facts) -> Iterator[str]:
    for image in facts.images:
        if isinstance(stage, ServerlessStage) and image.size > LARGEST_SERVERLESS_IMAGE:
            yield f"A serverless endpoint takes images of up to 10 GB, and {image.uri} has {image.size / GB:.1f} GB."


def _scaling_has_room(stage: Stage, _: Facts) -> Iterator[str]:
    if not isinstance(stage, InstanceStage | PipelineStage | AsynchronousStage) or not stage.autoscaling:
        return
    scaling, count = stage.autoscaling, stage.instance.count
    if scaling.min > scaling.max:
        yield f"autoscaling: min = {scaling.min} is more than max = {scaling.max}."
    elif not max(scaling.min, 1) <= count <= scaling.max:
        yield (
            f"instance.count = {count} is not within autoscaling's {scaling.min} to {scaling.max}: "
            "it is how many there are at first."
        )
    if instance_types.is_burstable(stage.instance.type):
        yield f"autoscaling: {stage.instance.type} is burstable; SageMaker does not scale those. Take an ml.m5.large."


def _updates_can_be_done(stage: Stage, _: Facts) -> Iterator[str]:
    if not isinstance(stage, InstanceStage | PipelineStage | AsynchronousStage):
        return
    update = stage.update
    fewest = stage.autoscaling.min if stage.autoscaling else stage.instance.count
    if update.traffic != "all-at-once" and fewest < 2:
        yield (
            f'update.traffic = "{update.traffic}" shifts traffic by instances and needs two of them; '
            f'there may be {fewest}. Use "all-at-once", or more instances.'
        )
    if update.traffic == "linear" and update.step_percent < 10:
        yield f"update.step_percent = {update.step_percent}: SageMaker's linear steps are 10 to 50 %."
    if longest_update(update) > LONGEST_UPDATE:
        yield (
            f"update: its waits add up to {longest_update(update)} s, and SageMaker gives an update at most "
            f"{LONGEST_UPDATE} s. Fewer or shorter ones: wait_seconds, bake_seconds, step_percent."
        )


def longest_update(update: Update) -> int:
    """Return the seconds that an update waits by itself, and half an hour for new instances to start."""
    shifts = {"all-at-once": 0, "canary": 1, "linear": -(-100 // update.step_percent) - 1}[update.traffic]
    return shifts * update.wait_seconds + update.bake_seconds + 1800


def _keys_fit(stage: Stage, facts: Facts) -> Iterator[str]:
    if not stage.key:
        return
    region = stage.key.split(":")[3]
    if region != facts.account.region:
        yield f"key: {stage.key} lies in {region}, the stage in {facts.account.region}; a key works in its own Region."
    if isinstance(stage, OnInstances) and instance_types.has_local_disk(stage.instance.type):
        yield (
            f"key: {stage.instance.type} has a disk of its own, which its hardware encrypts; SageMaker takes no key "
            "for it. Choose a type without (ml.m5.large), or leave the key out."
        )


def _time_is_enough(stage: Stage, _: Facts) -> Iterator[str]:
    """The container has a limit of its own, which has to be at least SageMaker's."""
    if not isinstance(stage, BatchStage) or stage.batch.timeout_seconds <= CONTAINERS_PATIENCE:
        return
    if not {"SAGEMAKER_MODEL_SERVER_TIMEOUT", "MODEL_SERVER_TIMEOUT"} & set(stage.environment):
        seconds = stage.batch.timeout_seconds
        yield (
            f"batch.timeout_seconds = {seconds}: the container gives up after {CONTAINERS_PATIENCE} s, unless the "
            f'environment says SAGEMAKER_MODEL_SERVER_TIMEOUT = "{seconds}".'
        )


def _updates_can_go_back(stage: Stage, _: Facts) -> Iterator[str]:
    if isinstance(stage, InstanceStage | PipelineStage | AsynchronousStage) and stage.instance.type.startswith(
        "ml.inf1."
    ):
        yield f"instance.type: SageMaker cannot take an update back on {stage.instance.type}. Take an ml.inf2.xlarge."


def _serverless_fits(stage: Stage, _: Facts) -> Iterator[str]:
    if isinstance(stage, ServerlessStage):
        serverless = stage.serverless
        if serverless.provisioned and serverless.provisioned > serverless.concurrency:
            yield (
                f"serverless.provisioned = {serverless.provisioned} is more than "
                f"serverless.concurrency = {serverless.concurrency}, of which it is a part."
            )


def _names_differ(stage: Stage, _: Facts) -> Iterator[str]:
    if isinstance(stage, PipelineStage):
        names = sorted(container.name for container in stage.containers)
        for name in sorted({one for one, other in pairwise(names) if one == other}):
            yield f"containers: two are called {name}; each needs a name of its own."


def _mail_has_a_topic(stage: Stage, _: Facts) -> Iterator[str]:
    if isinstance(stage, AsynchronousStage) and stage.asynchronous.email and not stage.asynchronous.notify:
        yield "asynchronous.email: mail is sent by the topics, and notify = false makes none."


def _variables_fit(stage: Stage, _: Facts) -> Iterator[str]:
    if isinstance(stage, BatchStage) and len(stage.environment) > MOST_BATCH_VARIABLES:
        yield (
            f"environment: a transform job's container takes {MOST_BATCH_VARIABLES} variables, and there are "
            f"{len(stage.environment)}."
        )
    for container in containers_of(stage):
        if "SAGEMAKER_BIND_TO_PORT" in container.environment:
            yield "environment: SAGEMAKER_BIND_TO_PORT is SageMaker's to set; the container would not be found."


Rule = Callable[[Stage, Facts], Iterable[str]]
RULES: tuple[Rule, ...] = (
    _types_exist,
    _architectures_match,
    _images_are_taken,
    _scaling_has_room,
    _updates_can_be_done,
    _keys_fit,
    _serverless_fits,
    _time_is_enough,
    _updates_can_go_back,
    _names_differ,
    _mail_has_a_topic,
    _variables_fit,
    tag_refusals,
)
