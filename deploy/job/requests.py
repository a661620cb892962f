"""A job as SageMaker is asked for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.job import places
from deploy.job.kinds import JobFile, Work
from deploy.job.role import tags_of
from deploy.job.rules import RESERVED, hyperparameters
from deploy.stack.tags import as_list
from deploy.stage import instance_types

DATA, CODE, OUTPUT = (f"/opt/ml/processing/{folder}" for folder in ("input/data", "input/code", "output"))


@dataclass(frozen=True)
class Site:
    """
    Where and as whom a job runs.

    Attributes:
        image: `REPOSITORY_URI@sha256:…`.
        role: an ARN.
        bucket: for what the job makes.
        now: when it begins; its name says so.
    """

    image: str
    role: str
    bucket: str
    now: datetime


def run_name(job: JobFile, verb: str, now: datetime) -> str:
    """Return a name that no other job of this kind has, in this second."""
    return f"{job.name}-{verb}-{now:%Y%m%d-%H%M%S}"


def processing(job: JobFile, site: Site, data: str, code: str) -> dict[str, Any]:
    """Return what CreateProcessingJob takes for the file at *data* and the script in the folder at *code*."""
    name, work = run_name(job, "process", site.now), job.process
    target = places.processed(job, site.bucket, name)
    specification = {
        "ImageUri": site.image,
        "ContainerEntrypoint": ["python3", f"{CODE}/{job.script.name}"],
        "ContainerArguments": [data.rpartition("/")[2]],
    }
    return {
        "ProcessingJobName": name,
        "AppSpecification": specification,
        "ProcessingInputs": [_input("data", data, DATA), _input("code", code, CODE)],
        "ProcessingOutputConfig": {"Outputs": [_output(one, target) for one in work.outputs], **_key(job)},
        "ProcessingResources": {"ClusterConfig": _machine(job, work)},
        "StoppingCondition": {"MaxRuntimeInSeconds": work.max_seconds},
        "NetworkConfig": {"EnableNetworkIsolation": work.network_isolation},
        **_variables(work),
        "RoleArn": site.role,
        "Tags": _tags(job, work),
    }


def training(job: JobFile, site: Site, data: str, code: str | None) -> dict[str, Any]:
    """Return what CreateTrainingJob takes for the channels below *data*, and the program at *code* as one more."""
    work = job.train
    channels = {name: f"{data}{name}/" for name in work.channels}
    specification: dict[str, Any] = {"TrainingImage": site.image, "TrainingInputMode": "File"}
    if work.metrics:
        metrics = [{"Name": name, "Regex": regex} for name, regex in work.metrics.items()]
        specification["MetricDefinitions"] = metrics
    return {
        "TrainingJobName": run_name(job, "train", site.now),
        "AlgorithmSpecification": specification,
        **({"HyperParameters": hyperparameters(work)} if work.hyperparameters else {}),
        "InputDataConfig": [_channel(*one) for one in ({**channels, RESERVED: code} if code else channels).items()],
        "OutputDataConfig": {"S3OutputPath": places.trained(job, site.bucket), **_key(job)},
        "ResourceConfig": _machine(job, work),
        "StoppingCondition": {"MaxRuntimeInSeconds": work.max_seconds},
        "EnableNetworkIsolation": work.network_isolation,
        **_variables(work),
        "RoleArn": site.role,
        "Tags": _tags(job, work),
    }


def cost_note(work: Work) -> str:
    """Return what is billed for a job, and when."""
    return f"1 x {work.instance_type} billed while the job runs"


def _tags(job: JobFile, work: Work) -> list[dict[str, str]]:
    return as_list({**tags_of(job), "cost-note": cost_note(work)})


def _machine(job: JobFile, work: Work) -> dict[str, Any]:
    machine = {"InstanceType": work.instance_type, "InstanceCount": 1, "VolumeSizeInGB": work.volume_gb}
    own_disk = instance_types.has_local_disk(work.instance_type)  # which no key of ours encrypts
    return {**machine, **({"VolumeKmsKeyId": job.key} if job.key and not own_disk else {})}


def _key(job: JobFile) -> dict[str, str]:
    return {"KmsKeyId": job.key} if job.key else {}


def _variables(work: Work) -> dict[str, Any]:
    return {"Environment": dict(work.environment)} if work.environment else {}


def _input(name: str, url: str, path: str) -> dict[str, Any]:
    source = {"S3Uri": url, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": source}


def _output(name: str, target: str) -> dict[str, Any]:
    place = {"S3Uri": f"{target}/{name}", "LocalPath": f"{OUTPUT}/{name}", "S3UploadMode": "EndOfJob"}
    return {"OutputName": name, "S3Output": place}


def _channel(name: str, url: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": url, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}
