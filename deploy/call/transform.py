"""A transform job as SageMaker is asked for it, and what it would refuse or spoil."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from deploy.call.cutting import accept_of, cut_of, known, plain
from deploy.call.documents import require_on_lines
from deploy.errors import Refused
from deploy.s3 import split
from deploy.stack.tags import cost_note, tag_list
from deploy.stage import instance_types, places
from deploy.stage.kinds import Batch, BatchStage

MOST_MB_AT_ONCE = 100  # MaxConcurrentTransforms x MaxPayloadInMB
LONGEST_NAME = 63
LOOKED_INTO = ("text/csv", "application/json", "application/jsonlines")  # by filters and joins


def refusals(stage: BatchStage, bucket: str) -> Iterator[str]:
    """Yield a sentence for everything about the stage that makes no job, or one that harms itself."""
    yield from _instances(stage)
    yield from _sizes(stage.batch)
    yield from _cuts(stage.batch)
    yield from _places(stage, bucket)


def _instances(stage: BatchStage) -> Iterator[str]:
    name = stage.instance.type
    if name in instance_types.for_transform_jobs():
        return
    arm = instance_types.architecture(name) == "arm64"
    why = "its processor is a Graviton, and transform jobs have none" if arm else "transform jobs have no such type"
    yield f"instance.type: {name}: {why}. Take an ml.m5.large, and an image for linux/amd64."


def _sizes(batch: Batch) -> Iterator[str]:
    if batch.max_concurrent and batch.max_payload_mb and batch.max_concurrent * batch.max_payload_mb > MOST_MB_AT_ONCE:
        yield (
            f"batch: max_concurrent = {batch.max_concurrent} requests of max_payload_mb = {batch.max_payload_mb} are "
            f"more than the {MOST_MB_AT_ONCE} MB that SageMaker has for both. Leave them out: the container knows."
        )


def _cuts(batch: Batch) -> Iterator[str]:
    cut = cut_of(batch)
    if cut.split == "None" and cut.strategy == "MultiRecord":
        yield 'batch.strategy = "MultiRecord": there is one record where split is "None". Leave it out.'
    filtering = [name for name in ("join", "input_filter", "output_filter") if getattr(batch, name)]
    if filtering and (cut.split, cut.assemble) != ("Line", "Line"):
        yield f'batch.{filtering[0]} needs split and assemble to be "Line", not "{cut.split}" and "{cut.assemble}".'
    if batch.join and known(batch.content_type) != known(accept_of(batch)):
        yield (
            f"batch.join puts answers beside rows of their own type, not {accept_of(batch)} beside "
            f"{batch.content_type}. Leave accept out."
        )
    strange = [
        media_type for media_type in (batch.content_type, accept_of(batch)) if plain(media_type) not in LOOKED_INTO
    ]
    if filtering and strange:
        yield f"batch.{filtering[0]}: SageMaker looks into {', '.join(LOOKED_INTO)}, and not into {strange[0]}."


def _places(stage: BatchStage, bucket: str) -> Iterator[str]:
    source, target = input_of(stage, bucket), output_of(stage, bucket)
    (bucket, key), (other, prefix) = split(target), split(source)
    if bucket == other and f"{key}/".startswith(prefix):
        yield (
            f"batch.output: {target} begins with the input, {source}: the next job would take answers for rows. "
            "Choose another place, or end the input with a slash."
        )


def input_of(stage: BatchStage, bucket: str) -> str:
    """Return where the rows lie: what begins so. What the stage says is taken to the letter, its last slash too."""
    return stage.batch.input or f"{places.batch_input(stage, bucket).url}/"


def output_of(stage: BatchStage, bucket: str) -> str:
    """Return where answers go; where the stage names no place, each job has one below this."""
    return places.batch_output(stage, bucket).url


def job_name(stage: BatchStage, now: datetime) -> str:
    """Return a name that no other job of the stage has, in this second."""
    when = f"-{now:%Y%m%d-%H%M%S}"
    return stage.name[: LONGEST_NAME - len(when)].rstrip("-") + when


def planned(stage: BatchStage, model_name: str, bucket: str, now: datetime, rows: Path | None = None) -> dict[str, Any]:
    """
    Return the request for a job that begins *now*; *rows* on this machine have a place of their own.

    Raises:
        Refused: if the stage makes no job; says everything that is wrong with it.
    """
    if faults := [*refusals(stage, bucket)]:
        raise Refused(f"The stage {stage.name} makes no transform job as it is:", *faults)
    if rows:
        require_on_lines(stage, rows)
    name = job_name(stage, now)
    source, target = input_of(stage, bucket), output_of(stage, bucket)
    if rows:
        source = f"{places.batch_sent(stage, bucket).url}/{name}/"
    if not stage.batch.output:
        target = f"{target}/{name}"
    return request(stage, model_name, name, source, target)


def request(stage: BatchStage, model_name: str, name: str, source: str, target: str) -> dict[str, Any]:
    """Return what CreateTransformJob takes for rows at *source* and answers at *target*."""
    batch, cut = stage.batch, cut_of(stage.batch)
    rows = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}}
    answers = {"S3OutputPath": target, "AssembleWith": cut.assemble}
    resources = {"InstanceType": stage.instance.type, "InstanceCount": stage.instance.count}
    client = {"InvocationsTimeoutInSeconds": batch.timeout_seconds, "InvocationsMaxRetries": batch.retries}
    chosen = {
        "BatchStrategy": cut.strategy,
        "MaxConcurrentTransforms": batch.max_concurrent,
        "MaxPayloadInMB": batch.max_payload_mb,
        "DataProcessing": _processing(batch),
    }
    return {
        "TransformJobName": name,
        "ModelName": model_name,
        "TransformInput": {"DataSource": rows, "ContentType": batch.content_type, "SplitType": cut.split},
        "TransformOutput": {**answers, **_given(Accept=accept_of(batch), KmsKeyId=stage.key)},
        "TransformResources": {**resources, **_given(VolumeKmsKeyId=stage.key)},
        "ModelClientConfig": client,
        **_given(**chosen),
        "Tags": tag_list(stage, cost_note(stage)),
    }


def _processing(batch: Batch) -> dict[str, str]:
    join = "Input" if batch.join else None
    return _given(JoinSource=join, InputFilter=batch.input_filter, OutputFilter=batch.output_filter)


def _given(**settings: Any) -> dict[str, Any]:
    """Return the settings that there are."""
    return {name: value for name, value in settings.items() if value}
