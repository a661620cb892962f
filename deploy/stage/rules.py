"""What SageMaker would refuse later, or take and not do: said before anything is created."""

import re
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

GB = 1024**3
LARGEST_SERVERLESS_IMAGE = 10 * GB
LONGEST_UPDATE = 28_800  # s, MaximumExecutionTimeoutInSeconds
MOST_BATCH_VARIABLES = 16
_TAG = re.compile(r"[\w\s.:/=+@-]*")  # SageMaker's, for a tag's name and value
OUR_TAGS = {"stage", "owner", "kind", "cost-note", "managed-by"}


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


def _tags_are_taken(stage: Stage, _: Facts) -> Iterator[str]:
    for name, value in {"owner": stage.owner, **stage.tags}.items():
        if not (_TAG.fullmatch(name + value) and len(name) <= 128 and len(value) <= 256):
            yield f"tags: {name} = {value!r}: AWS takes letters, digits, spaces and _ . : / = + - @, 256 in all."


def _tags_are_free(stage: Stage, _: Facts) -> Iterator[str]:
    for tag in stage.tags:
        if tag in OUR_TAGS or tag.lower().startswith("aws:"):
            yield f"tags: {tag} is {'set by deploy' if tag in OUR_TAGS else 'reserved by AWS'}; take another name."


Rule = Callable[[Stage, Facts], Iterable[str]]
RULES: tuple[Rule, ...] = (
    _types_exist,
    _architectures_match,
    _images_are_taken,
    _scaling_has_room,
    _updates_can_be_done,
    _keys_fit,
    _serverless_fits,
    _names_differ,
    _mail_has_a_topic,
    _variables_fit,
    _tags_are_taken,
    _tags_are_free,
)
