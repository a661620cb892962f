"""Call a stage's endpoint once, as its callers will, and say in words what went wrong."""

from deploy.call import asynchronous
from deploy.call.calling import Caller, Request
from deploy.call.endpoint_errors import explained
from deploy.errors import Refused
from deploy.progress import MB, in_words
from deploy.stage.kinds import AsynchronousStage, BatchStage, ServerlessStage, Stage

# The Developer Guide has 25 MB. The service model still says 6 MB, and boto3 does not hold anybody to it.
LARGEST_REQUEST = 25 * MB
LARGEST_SERVERLESS_REQUEST = 4 * MB


def invoke(caller: Caller, stage: Stage, request: Request) -> bytes:
    """Return the endpoint's answer; raise `Refused` if there is none, and say whose fault that is."""
    if isinstance(stage, BatchStage):
        raise Refused(f"{stage.name} has no endpoint: it is for transform jobs.", f"make transform STAGE={stage.name}")
    if isinstance(stage, AsynchronousStage):
        return asynchronous.invoke(caller, stage, request)
    return _invoke(caller, stage, request)


def _invoke(caller: Caller, stage: Stage, request: Request) -> bytes:
    require_size(stage, request)
    began = caller.clock.now()
    with explained(caller.client, stage):
        runtime = caller.client("sagemaker-runtime")
        answer = runtime.invoke_endpoint(EndpointName=stage.name, Body=request.body, **request.headers())
        body: bytes = answer["Body"].read()
    seconds = (caller.clock.now() - began).total_seconds()
    about = f"{answer.get('ContentType', 'no media type')}, {in_words(len(body))}"
    caller.say(f"- {stage.name} answered after {seconds:.2f} s: {about}")
    return body


def require_size(stage: Stage, request: Request) -> None:
    """Raise `Refused` if the request is more than SageMaker takes."""
    serverless = isinstance(stage, ServerlessStage)
    most = LARGEST_SERVERLESS_REQUEST if serverless else LARGEST_REQUEST
    if len(request.body) > most:
        kind = "a serverless endpoint" if serverless else "an endpoint"
        raise Refused(
            f"The request has {in_words(len(request.body))}; {kind} takes {in_words(most)}.",
            "Send fewer rows at a time, or use an asynchronous endpoint (1 GB) or a transform job.",
        )
