"""The role, and the model that runs with it."""

import hashlib
import json
from typing import Any

from deploy.facts import Archive, Facts, Image
from deploy.stack import policies
from deploy.stack.resources import Resource, Resources, attribute, given, resource
from deploy.stack.tags import FREE, cost_note, tag_list
from deploy.stage.kinds import BatchStage, Container, Member, OnInstances, Stage, containers_of


def role_and_model(stage: Stage, facts: Facts, topics: Resources) -> Resources:
    """Return both; the role may use the *topics*."""
    return {
        "Role": role(stage, facts, topics),
        "Model": model(stage, facts),
    }


def role(stage: Stage, facts: Facts, topics: Resources) -> Resource:
    """
    Return the role that SageMaker takes to run the stage.

    Its path names what it may do. So another archive makes another role, and CloudFormation removes the old one last:
    until an update is over, what runs keeps the right to its own archive.
    """
    may_publish = [attribute(topic, "TopicArn") for topic in topics]
    document = policies.permissions(stage, facts, may_publish)
    return resource(
        "IAM::Role",
        Path=f"/byoc/{stage.name}/{_digest(document)}/",
        Description=f"What SageMaker may do for the stage {stage.name}",
        AssumeRolePolicyDocument=policies.trust(facts.account),
        Policies=[{"PolicyName": "stage", "PolicyDocument": document}],
        Tags=tag_list(stage, FREE),
    )


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:8]


def model(stage: Stage, facts: Facts) -> Resource:
    """Return the model: its containers, and the network that they are in."""
    definitions = [container(*parts) for parts in zip(containers_of(stage), facts.images, facts.archives, strict=True)]
    return resource(
        "SageMaker::Model",
        ExecutionRoleArn=attribute("Role", "Arn"),
        **_arranged(definitions),
        **_surrounded(stage),
        Tags=tag_list(stage, cost_note(stage) if isinstance(stage, BatchStage) else FREE),
    )


def container(wanted: Container, image: Image, archive: Archive | None) -> dict[str, Any]:
    """Return the definition of a container."""
    return given(
        ContainerHostname=wanted.name if isinstance(wanted, Member) else None,
        Image=image.uri,
        ModelDataUrl=archive.url if archive else None,
        Environment=dict(wanted.environment) or None,
    )


def _arranged(definitions: list[dict[str, Any]]) -> dict[str, Any]:
    if len(definitions) == 1:
        return {"PrimaryContainer": definitions[0]}
    return {"Containers": definitions, "InferenceExecutionConfig": {"Mode": "Serial"}}


def _surrounded(stage: Stage) -> dict[str, Any]:
    if not isinstance(stage, OnInstances):
        return {}
    vpc = stage.vpc and {"Subnets": stage.vpc.subnets, "SecurityGroupIds": stage.vpc.security_groups}
    return given(EnableNetworkIsolation=stage.network_isolation, VpcConfig=vpc)
