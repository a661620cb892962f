"""Where a job's files lie in S3: below jobs/NAME in the bucket."""

from deploy.job.kinds import JobFile
from deploy.stage.places import Place


def folder_of(job: JobFile, bucket: str) -> Place:
    """Return what the job keeps in the bucket."""
    return Place(bucket, f"jobs/{job.name}")


def sent(job: JobFile, bucket: str, digest: str) -> str:
    """Return the address of what was sent from this machine: data and programs, named by what is in them."""
    return f"{folder_of(job, bucket).url}/sent/{digest}/"


def processed(job: JobFile, bucket: str, run: str) -> str:
    """Return where the processing job *run* puts its outputs, each in a folder."""
    return f"{folder_of(job, bucket).url}/processed/{run}"


def trained(job: JobFile, bucket: str) -> str:
    """Return where training jobs put what they make; SageMaker adds RUN/output/model.tar.gz."""
    return f"{folder_of(job, bucket).url}/trained"


def artifact(job: JobFile, bucket: str, run: str) -> str:
    """Return where SageMaker puts the model of the training job *run*."""
    return f"{trained(job, bucket)}/{run}/output/model.tar.gz"
