"""A stage in words: what `deploy --dry-run` prints, and how one calls what is up."""

from collections.abc import Iterator, Mapping
from typing import Any

from deploy.facts import Facts
from deploy.stack.policies import log_group
from deploy.stack.resources import Resource
from deploy.stack.tags import PREFIX, cost_note, tags_of
from deploy.stack.template import render
from deploy.stage.kinds import AsynchronousStage, BatchStage, Stage


def describe(stage: Stage, facts: Facts) -> str:
    """Return everything that would be made, each with its properties; AWS is not asked."""
    account = facts.account
    template = render(stage, facts)
    lines = [
        f"stack {PREFIX}{stage.name} in {account.region}, account {account.number}",
        f"cost: {cost_note(stage)}",
        f"tags: {', '.join(f'{key}={value}' for key, value in tags_of(stage).items())}",
    ]
    for name, resource in template["Resources"].items():
        lines += ["", *_resource(name, resource)]
    return "\n".join(lines)


def _resource(name: str, resource: Resource) -> Iterator[str]:
    yield f"{name} {resource['Type']}"
    for path, value in _flat(resource["Properties"]):
        if not path.startswith(("Tags", "AssumeRolePolicyDocument", "Policies")):
            yield f"  {path} = {value}"
    for policy in resource["Properties"].get("Policies", ()):
        for statement in policy["PolicyDocument"]["Statement"]:
            yield f"  may {_statement(statement)}"


def _statement(statement: Mapping[str, Any]) -> str:
    where = ", ".join(_value(one) for one in statement["Resource"])
    only = "".join(f", if {path} = {value}" for path, value in _flat(statement.get("Condition", {})))
    return f"{', '.join(statement['Action'])} on {where}{only}"


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each plain value and the way to it."""
    if _is_plain(value):
        yield path, _value(value)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else name)
    else:
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{number}]")


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    return not isinstance(value, Mapping) or value.keys() in ({"Ref"}, {"Fn::GetAtt"})


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, Mapping):
        return f"({value['Ref']})" if "Ref" in value else f"({'.'.join(value['Fn::GetAtt'])})"
    return str(value).lower() if isinstance(value, bool) else str(value)


def what_is_up(stage: Stage, region: str, outputs: Mapping[str, str]) -> str:
    """Return what a deployment ends with: what is there, how to call it, what it costs."""
    lines = [*_how_to_call(stage, region, outputs), *_topics(outputs)]
    return "\n".join(
        [
            *lines,
            f"Cost:  {cost_note(stage)}.",
            f"Ends:  make destroy STAGE={stage.name}",
            f"Logs:  aws logs tail {log_group(stage)} --follow --region {region}",
        ]
    )


def _how_to_call(stage: Stage, region: str, outputs: Mapping[str, str]) -> Iterator[str]:
    if isinstance(stage, BatchStage):
        yield f"{stage.name} is ready for transform jobs: the model is {outputs['ModelName']}."
        yield f"Run:   make transform STAGE={stage.name}"
        return
    yield f"{stage.name} is in service: {_sort(stage)}."
    yield f"Call:  make invoke STAGE={stage.name}"
    runtime = f"aws sagemaker-runtime invoke-endpoint{'-async' if isinstance(stage, AsynchronousStage) else ''}"
    yield f"or:    {runtime} --endpoint-name {stage.name} --region {region} {_body(stage)}"


def _sort(stage: Stage) -> str:
    return {
        "instance": "an endpoint on instances",
        "pipeline": "a pipeline on instances",
        "serverless": "a serverless endpoint",
        "asynchronous": "an asynchronous endpoint",
    }[stage.kind]


def _body(stage: Stage) -> str:
    if isinstance(stage, AsynchronousStage):
        return "--content-type text/csv --input-location s3://…"
    return "--content-type text/csv --body fileb://rows.csv answer.csv"


def _topics(outputs: Mapping[str, str]) -> Iterator[str]:
    for topic, told in (("SuccessTopic", "answers"), ("ErrorTopic", "failures")):
        if topic in outputs:
            yield f"Hear of {told}: {outputs[topic]}"
