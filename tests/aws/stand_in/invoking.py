"""The runtime API for whichever endpoints are in service: to each its own limits and its own queue."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aws.stand_in.notifying import NotifyingStore
from runtime.app import Runtime, create_app
from runtime.asynchronous import AsyncInvocations, Outputs
from runtime.endpoints import Container, Endpoint
from runtime.limits import Limits
from runtime.s3 import Location

SECONDS, STREAM_SECONDS = 60, 480


class Invocations:
    """A WSGI application; an endpoint that is not in service is not found, as at AWS."""

    def __init__(self, say: Callable[[str], None]):
        self.say = say
        self.nobody = create_app(Runtime({}, Limits(), say))
        self.serving: dict[str, Serving] = {}

    def serve(self, name: str, serving: "Serving") -> None:
        """Send invocations of this name there from now on."""
        self.serving[name] = serving

    def forget(self, name: str) -> None:
        """Serve it no longer."""
        self.serving.pop(name, None)

    def __call__(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
        """Choose the endpoint's application."""
        parts = environ["PATH_INFO"].split("/")
        serving = self.serving.get(parts[2]) if len(parts) > 2 else None
        return (serving.app if serving else self.nobody)(environ, start_response)


@dataclass
class Serving:
    """One deployment as the runtime sees it."""

    app: Any
    asynchronous: AsyncInvocations | None = field(default=None)


def serving_of(
    name: str,
    config: Mapping[str, Any],
    containers: tuple[Container, ...],
    clients: Callable[[str], Any],
    say: Callable[[str], None],
) -> Serving:
    """Return what an endpoint configuration makes of containers."""
    (variant,) = config["ProductionVariants"]
    limits = Limits.serverless(SECONDS, STREAM_SECONDS) if "ServerlessConfig" in variant else Limits()
    asynchronous = None
    if "AsyncInferenceConfig" in config:
        asynchronous = asynchronous_of(config["AsyncInferenceConfig"]["OutputConfig"], limits, clients, say)
    app = create_app(Runtime({name: Endpoint(name, containers)}, limits, say, asynchronous))
    return Serving(app, asynchronous)


def asynchronous_of(
    output: Mapping[str, Any], limits: Limits, clients: Callable[[str], Any], say: Callable[[str], None]
) -> AsyncInvocations:
    """Return what carries out asynchronous invocations, and tells the topics of them."""
    answers = Location.parse(output["S3OutputPath"])
    failures = Location.parse(output["S3FailurePath"]) if "S3FailurePath" in output else None
    told = output.get("NotificationConfig", {})
    topics = {answers: told.get("SuccessTopic")} | ({failures: told.get("ErrorTopic")} if failures else {})
    store = NotifyingStore(clients("s3"), clients("sns"), topics, failures)
    return AsyncInvocations(store, Outputs(answers, failures), limits, say)
