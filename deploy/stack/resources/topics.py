"""Who hears of an asynchronous endpoint's answers and failures."""

from deploy.stack.resources import Resource, Resources, resource
from deploy.stack.tags import PER_MESSAGE, tag_list
from deploy.stage.kinds import AsynchronousStage, Stage

SUCCESS, ERROR = "SuccessTopic", "ErrorTopic"


def topics(stage: Stage) -> Resources:
    """Return the topics; mail goes out for failures alone, there would be too much of the other."""
    if not isinstance(stage, AsynchronousStage) or not stage.asynchronous.notify:
        return {}
    return {SUCCESS: _topic(stage), ERROR: _topic(stage, stage.asynchronous.email)}


def _topic(stage: AsynchronousStage, email: str | None = None) -> Resource:
    return resource(
        "SNS::Topic",
        KmsMasterKeyId=stage.key or "alias/aws/sns",
        Subscription=[{"Protocol": "email", "Endpoint": email}] if email else None,
        Tags=tag_list(stage, PER_MESSAGE),
    )
