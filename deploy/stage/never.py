"""What SageMaker has no way to do, in words: a setting that a kind of stage cannot have, and why."""

from collections.abc import Mapping

_SERVERLESS = "a serverless endpoint"

NEVER: Mapping[tuple[str, str], str] = {
    (
        "serverless",
        "containers",
    ): f"containers: {_SERVERLESS} has one container, SageMaker runs no serial pipeline on it. "
    'Use kind = "pipeline", or put both steps into one model.',
    (
        "serverless",
        "capture",
    ): f'capture: {_SERVERLESS} cannot capture data. Log in the model, or use kind = "instance".',
    ("serverless", "vpc"): f'vpc: {_SERVERLESS} cannot run in a VPC. Use kind = "instance".',
    ("serverless", "autoscaling"): f"autoscaling: {_SERVERLESS} scales by itself, up to serverless.concurrency.",
    ("serverless", "network_isolation"): f"network_isolation: {_SERVERLESS} cannot be isolated from the network. "
    'Use kind = "instance" if the model must be.',
    ("serverless", "instance"): f"instance: {_SERVERLESS} has no instances; its size is serverless.memory_mb.",
    (
        "serverless",
        "update",
    ): f"update: {_SERVERLESS} is updated all at once; there are no instances to shift traffic between.",
    (
        "serverless",
        "start_up_seconds",
    ): f"start_up_seconds: {_SERVERLESS} has 3 minutes to start, and no setting for it.",
    ("serverless", "asynchronous"): f'asynchronous: {_SERVERLESS} answers at once. Use kind = "asynchronous".',
    ("serverless", "batch"): 'batch: transform jobs run on instances. Use kind = "batch".',
    (
        "asynchronous",
        "capture",
    ): "capture: an asynchronous endpoint keeps every answer in S3 anyway, beside the request that it was given there.",
    (
        "asynchronous",
        "containers",
    ): 'containers: an asynchronous endpoint has one container here. Use kind = "pipeline" for several.',
    ("asynchronous", "serverless"): "serverless: an endpoint is asynchronous, on instances, or serverless; not both. "
    "An asynchronous one can scale to no instances: autoscaling.min = 0.",
    (
        "instance",
        "serverless",
    ): 'serverless: an endpoint has instances, or is serverless; not both. Use kind = "serverless".',
    ("instance", "containers"): 'containers: several containers are a pipeline. Use kind = "pipeline".',
    ("instance", "asynchronous"): 'asynchronous: use kind = "asynchronous".',
    ("instance", "batch"): 'batch: a transform job is a stage of its own. Use kind = "batch".',
    ("pipeline", "serverless"): "serverless: SageMaker runs no serial pipeline on a serverless endpoint. "
    "Put both steps into one model, or leave the table out.",
    (
        "pipeline",
        "asynchronous",
    ): 'asynchronous: a pipeline answers at once here. Use kind = "asynchronous" with one container.',
    ("pipeline", "image"): "image: each of a pipeline's containers has its own: [[containers]].",
    ("pipeline", "model"): "model: each of a pipeline's containers has its own: [[containers]].",
    ("pipeline", "environment"): "environment: each of a pipeline's containers has its own: [containers.environment].",
    ("batch", "autoscaling"): "autoscaling: a transform job has instance.count instances from its start to its end.",
    ("batch", "alarms"): "alarms: a transform job says by itself whether it failed.",
    ("batch", "update"): "update: a transform job is not updated; the next one takes what the stage then says.",
    ("batch", "capture"): "capture: a transform job writes every answer to S3; batch.join puts the request beside it.",
    ("batch", "start_up_seconds"): "start_up_seconds: SageMaker has no such limit for transform jobs.",
    ("batch", "serverless"): "serverless: transform jobs run on instances.",
}
