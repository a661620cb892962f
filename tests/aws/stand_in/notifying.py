"""The topics of an asynchronous endpoint: told of every object that is written."""

import json
from typing import IO, Any

from runtime.s3 import Location, S3Store

EVENT = {"eventVersion": "1.0", "eventSource": "aws:sagemaker", "eventName": "InferenceResult"}


class NotifyingStore(S3Store):
    """S3; *topics* has the ARN of a topic for each of the two prefixes, where there is one."""

    def __init__(self, s3: Any, sns: Any, topics: dict[Location, str | None], failure: Location | None):
        super().__init__(s3, (Exception,))
        self.sns = sns
        self.topics = topics
        self.failure = failure

    def put(self, location: Location, body: IO[bytes], content_type: str) -> None:
        """Write the object, and tell."""
        start = body.read(1024).decode(errors="replace")
        body.seek(0)
        super().put(location, body, content_type)
        failed = self.failure is not None and str(location).startswith(f"{self.failure}/")
        prefix = self.failure if failed else next(iter(self.topics))
        if prefix is not None and (topic := self.topics.get(prefix)):
            self.sns.publish(
                TopicArn=topic, Message=json.dumps(message(location, content_type, start if failed else None))
            )


def message(location: Location, content_type: str, reason: str | None) -> dict[str, Any]:
    """Return what subscribers read; a *reason* is a failure's."""
    identity = location.key.rpartition("/")[2].removesuffix(".out").removesuffix("-error")
    if reason is None:
        outcome = {
            "invocationStatus": "Completed",
            "responseParameters": about(content_type, "outputLocation", location),
        }
    else:
        outcome = {
            "invocationStatus": "Failed",
            "failureReason": reason,
            "responseParameters": about(content_type, "failureLocation", location),
        }
    return {**EVENT, **outcome, "inferenceId": identity}


def about(content_type: str, name: str, location: Location) -> dict[str, str]:
    """Return where the answer is."""
    return {"contentType": content_type, name: str(location)}
