"""What can be done with an API: plan, deploy, look at and remove it."""

import json
from typing import Any

from deploy.api.settings import ROUTE, Api
from deploy.api.template import COST, render, tags
from deploy.errors import Refused
from deploy.facts import Account
from deploy.stack.health import LEFT_AS_IT_WAS, Report, endpoint_of
from deploy.stack.kept import API
from deploy.stack.requiring import require_ours
from deploy.stack.stack import ABSENT, GOOD, Stack
from deploy.stage.kinds import InstanceStage, PipelineStage, ServerlessStage, Stage

PATH = ROUTE.split()[1]
AT_ONCE = (InstanceStage, PipelineStage, ServerlessStage)


class ApiStack(Stack):
    """The stack of a stage's API: one of its own, so that neither can undo the other's update."""

    prefix = API  # never what a stage's stack is called
    owner = "API"


def planned(stage: Stage, api: Api, account: Account, stack: Stack) -> str:
    """Return what a deployment would change, and change nothing."""
    require_ours(stage, stack)
    changes = stack.plan(render(stage, api, account), tags(stage))
    if not changes:
        return f"{stack.name} is as it should be: nothing to change."
    return "\n".join(
        [
            f"{stack.name}: {len(changes)} change{'s' if len(changes) > 1 else ''}",
            *(f"  {change}" for change in changes),
            f"Cost: {COST}.",
        ]
    )


def deployed(stage: Stage, api: Api, account: Account, sagemaker: Any, stack: Stack) -> str:
    """Make the API what its file says, and return what is up; raise `Refused` if that failed."""
    require_ours(stage, stack)
    require_endpoint(stage, sagemaker)
    stack.apply(render(stage, api, account), tags(stage))
    return what_is_up(stage, api, stack)


def require_endpoint(stage: Stage, sagemaker: Any) -> None:
    """Raise `Refused` unless there is an endpoint that answers at once."""
    if not isinstance(stage, AT_ONCE):
        raise Refused(
            f"{stage.name} is a stage of kind {stage.kind}: an API needs an endpoint that answers at once, of kind "
            "instance, serverless or pipeline."
        )
    if not endpoint_of(sagemaker, stage.name):
        raise Refused(
            f"There is no endpoint {stage.name} in {sagemaker.meta.region_name}: its API would have nothing to call.",
            f"Make it first: make deploy STAGE={stage.name}",
        )


def what_is_up(stage: Stage, api: Api, stack: Stack) -> str:
    """Return what a deployment ends with: the address, how one calls it, what it costs."""
    outputs = stack.outputs()
    address = outputs["ApiEndpoint"] + PATH
    return "\n".join(
        [
            f"ApiEndpoint = {outputs['ApiEndpoint']}/",
            f"Call:  curl --data-raw '{_example(api)}' -H 'Content-Type: {api.accepts[0]}' {address}",
            f"Page:  make web API={stage.name} TO=folder; it may be at {api.origin}, and nowhere else.",
            f"Cost:  {COST}. At most {api.requests_per_second} requests a second, {api.concurrency} at a time.",
            f"Ends:  make destroy API={stage.name}",
            f"Logs:  aws logs tail {outputs['FunctionLogs']} --follow --region {stack.region}",
        ]
    )


def _example(api: Api) -> str:
    return "I love it." if api.accepts[0] == "text/plain" else json.dumps({api.json_key: ["I love it."]})


def how_it_is(stage: Stage, api: Api, stack: Stack) -> Report:
    """Return how the API is."""
    word = stack.status()
    if word == ABSENT:
        return Report(f"{stage.name} has no API in {stack.region} (there is no stack {stack.name}).", 1)
    if word not in (*GOOD, LEFT_AS_IT_WAS):
        return Report(f"{stack.name} {word}", 1)
    return Report(f"{stack.name} {word}\n{what_is_up(stage, api, stack)}", 0)


def gone(stage: Stage, stack: Stack) -> str:
    """Remove the API, if it is there, and say so."""
    require_ours(stage, stack)
    if not stack.delete():
        return f"{stage.name} has no API in {stack.region}: nothing to remove."
    return f"The API of {stage.name} is gone, and its logs with it. Its endpoint stays: make status STAGE={stage.name}"
