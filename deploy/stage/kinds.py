"""A stage: what its file in `deploy/stages` says, typed. One class for each kind, so that each has only what it can."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from deploy.stage import patterns

S3 = Annotated[str, Field(pattern=patterns.S3)]
Key = Annotated[str, Field(pattern=patterns.KEY)]
Environment = dict[Annotated[str, Field(pattern=patterns.VARIABLE)], Annotated[str, Field(max_length=1024)]]


class Table(BaseModel):
    """A table of the file: nothing in it is converted, and nothing unknown passes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Container(Table):
    """
    An image and its model.

    Attributes:
        image: `REPOSITORY@sha256:…` as `build_and_push.sh` prints it, or `NAME:TAG` in the account's own ECR.
        model: a model folder, which is archived and uploaded; an archive, `s3://…/model.tar.gz`; or None, if the model
            is in the image.
        environment: variables of the container: see `docs/settings.md`.
    """

    image: str = Field(min_length=1)
    model: str | None = Field(default=None, min_length=1)
    environment: Environment = Field(default={}, max_length=100)


class Member(Container):
    """A container of a pipeline."""

    name: str = Field(pattern=patterns.NAME, max_length=63)


class Instance(Table):
    """Machines: SageMaker's name of the type, and how many."""

    type: str = Field(pattern=patterns.TYPE)
    count: int = Field(default=1, ge=1)


class Autoscaling(Table):
    """Between `min` and `max` instances, so that each has about `concurrent_requests`: queued, or being answered."""

    min: int = Field(default=1, ge=1)
    max: int = Field(ge=1)
    concurrent_requests: float = Field(default=4, gt=0, strict=False)


class AutoscalingFromZero(Table):
    """Between `min` and `max` instances, so that each has about `backlog` requests waiting."""

    min: int = Field(default=0, ge=0)
    max: int = Field(ge=1)
    backlog: float = Field(default=4, gt=0, strict=False)


class Alarms(Table):
    """What makes an update go back: `errors` (5xx) in a minute, or a 99th percentile of latency above `latency_ms`."""

    errors: int = Field(default=1, ge=1)
    latency_ms: int = Field(default=5000, ge=1)


class Update(Table):
    """How an update takes over: blue/green, watched for `bake_seconds` by the alarms before the old instances go."""

    traffic: Literal["all-at-once", "canary", "linear"] = "all-at-once"
    step_percent: int = Field(default=25, ge=5, le=50)
    wait_seconds: int = Field(default=300, ge=0, le=3600)
    bake_seconds: int = Field(default=300, ge=0, le=3600)


class Capture(Table):
    """Keep a share of requests and answers in S3."""

    percent: int = Field(ge=1, le=100)
    destination: S3 | None = None


class Vpc(Table):
    """Run the containers in your network."""

    subnets: list[Annotated[str, Field(pattern=patterns.SUBNET)]] = Field(min_length=1, max_length=16)
    security_groups: list[Annotated[str, Field(pattern=patterns.GROUP)]] = Field(min_length=1, max_length=5)


class Serverless(Table):
    """Memory of a container, and how many requests are answered at a time."""

    memory_mb: Literal[1024, 2048, 3072, 4096, 5120, 6144] = 4096
    concurrency: int = Field(default=2, ge=1, le=200)
    provisioned: int | None = Field(default=None, ge=1, le=200)


class Asynchronous(Table):
    """Where requests lie and answers go, how many an instance is given at a time, and who hears of them."""

    input: S3 | None = None
    output: S3 | None = None
    failures: S3 | None = None
    concurrent_requests: int = Field(default=4, ge=1, le=1000)
    notify: bool = True
    email: str | None = Field(default=None, pattern=patterns.EMAIL)


class Batch(Table):
    """
    A transform job: where its rows lie, and how they are sent.

    What is left out is chosen for the media types (`deploy/call/cutting.py`), or is what the container answers to
    `/execution-parameters`.
    """

    input: S3 | None = None
    output: S3 | None = None
    content_type: str = "text/csv"
    accept: str | None = None
    split: Literal["None", "Line", "RecordIO", "TFRecord"] | None = None
    assemble: Literal["None", "Line"] | None = None
    strategy: Literal["SingleRecord", "MultiRecord"] | None = None
    max_concurrent: int | None = Field(default=None, ge=1)
    max_payload_mb: int | None = Field(default=None, ge=1, le=100)
    timeout_seconds: int = Field(default=600, ge=1, le=3600)
    retries: int = Field(default=3, ge=0, le=3)
    join: bool = False
    input_filter: str | None = None
    output_filter: str | None = None


class Common(Table):
    """What every stage has."""

    name: str
    owner: str = Field(min_length=1, max_length=256)
    region: str | None = Field(default=None, pattern=patterns.REGION)
    bucket: str | None = Field(default=None, pattern=patterns.BUCKET)
    tags: dict[str, str] = Field(default={}, max_length=40)
    key: Key | None = None


class OnInstances(Common):
    """What every stage has whose machines one chooses."""

    instance: Instance
    network_isolation: bool = True
    vpc: Vpc | None = None


class Endpoint(OnInstances):
    """What every endpoint on instances has."""

    start_up_seconds: int = Field(default=300, ge=60, le=3600)
    alarms: Alarms = Alarms()
    update: Update = Update()


class InstanceStage(Endpoint, Container):
    """A real-time endpoint on instances."""

    kind: Literal["instance"]
    autoscaling: Autoscaling | None = None
    capture: Capture | None = None


class PipelineStage(Endpoint):
    """A real-time endpoint whose containers pass a request on, one after the other."""

    kind: Literal["pipeline"]
    containers: list[Member] = Field(min_length=2, max_length=15)
    autoscaling: Autoscaling | None = None
    capture: Capture | None = None


class AsynchronousStage(Endpoint, Container):
    """An endpoint that takes its requests from S3, and puts its answers there."""

    kind: Literal["asynchronous"]
    asynchronous: Asynchronous = Asynchronous()
    autoscaling: AutoscalingFromZero | None = None


class ServerlessStage(Common, Container):
    """An endpoint without instances."""

    kind: Literal["serverless"]
    serverless: Serverless = Serverless()
    alarms: Alarms = Alarms()


class BatchStage(OnInstances, Container):
    """A model for transform jobs; it costs nothing while none runs."""

    kind: Literal["batch"]
    batch: Batch = Batch()


Stage = InstanceStage | PipelineStage | AsynchronousStage | ServerlessStage | BatchStage


def containers_of(stage: Stage) -> list[Container]:
    """Return the containers in the order in which a request passes them."""
    return list(stage.containers) if isinstance(stage, PipelineStage) else [stage]
