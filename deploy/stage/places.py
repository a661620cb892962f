"""Where a stage's files lie in S3, unless it names another place: below stages/NAME in the bucket."""

from dataclasses import dataclass

from deploy.stage.kinds import AsynchronousStage, BatchStage, InstanceStage, PipelineStage


@dataclass(frozen=True)
class Place:
    """A bucket and a prefix in it, without slashes at its ends."""

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """Return it as `s3://BUCKET/PREFIX`."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def place_of(url: str) -> Place:
    """Return the place that `s3://BUCKET/PREFIX` names."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return Place(bucket, prefix.strip("/"))


def folder_of(name: str, bucket: str) -> Place:
    """Return what the stage *name* keeps in the bucket."""
    return Place(bucket, f"stages/{name}")


def request_folder(stage: AsynchronousStage, bucket: str) -> Place:
    """Return where an asynchronous endpoint may read its requests."""
    return place_of(stage.asynchronous.input or f"s3://{bucket}/stages/{stage.name}/requests")


def answer_folder(stage: AsynchronousStage, bucket: str) -> Place:
    """Return where an asynchronous endpoint puts its answers."""
    return place_of(stage.asynchronous.output or f"s3://{bucket}/stages/{stage.name}/answers")


def failure_folder(stage: AsynchronousStage, bucket: str) -> Place:
    """Return where an asynchronous endpoint puts what went wrong."""
    return place_of(stage.asynchronous.failures or f"s3://{bucket}/stages/{stage.name}/failures")


def batch_input(stage: BatchStage, bucket: str) -> Place:
    """Return where a transform job finds its rows: every object whose key begins so."""
    return place_of(stage.batch.input or f"s3://{bucket}/stages/{stage.name}/batch/input")


def batch_sent(stage: BatchStage, bucket: str) -> Place:
    """Return where rows of this machine are sent, a folder for each job: no later job takes them again."""
    return Place(bucket, f"stages/{stage.name}/batch/sent")


def batch_output(stage: BatchStage, bucket: str) -> Place:
    """Return where a transform job puts its answers."""
    return place_of(stage.batch.output or f"s3://{bucket}/stages/{stage.name}/batch/output")


def capture_folder(stage: InstanceStage | PipelineStage, bucket: str) -> Place | None:
    """Return where captured requests and answers go, if there are to be any."""
    if not stage.capture:
        return None
    return place_of(stage.capture.destination or f"s3://{bucket}/stages/{stage.name}/captured")
