"""Endpoints as SageMaker hosts them: new containers must be healthy before the old ones go."""

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aws.stand_in.clients import Clients
from aws.stand_in.engine import Engine, Running
from aws.stand_in.fleet import Fleet, Needs, Unhealthy
from aws.stand_in.guardrails import bake
from aws.stand_in.invoking import Invocations, Serving, serving_of
from aws.stand_in.logs import Stream
from aws.stand_in.records import EndpointRecord

STARTUP = 480  # seconds that a container may take to its first good ping
SERVERLESS_STARTUP = 180
DRAIN = 60  # seconds that asynchronous invocations may take to end


@dataclass(frozen=True)
class Patience:
    """What is shorter here than at AWS, in seconds: the start of a container, and the watch after an update."""

    startup: float = STARTUP
    bake: float = 2


@dataclass
class Hosting:
    """The endpoints' containers."""

    engine: Engine
    clients: Clients
    folder: Path
    invocations: Invocations
    say: Callable[[str], None]
    patience: Patience = Patience()
    live: dict[str, tuple[Fleet, Serving]] = field(default_factory=dict)

    def needs(self, region: str, group: str) -> Needs:
        """Return what a fleet needs whose log lines go to a log group."""
        clients = self.clients.of(region)

        def follow(running: Running, stream: str) -> None:
            Stream(clients("logs"), group, stream, self.say).begin(running)

        return Needs(self.engine, clients, self.folder, follow)

    def bring_up(self, endpoint: EndpointRecord, config: dict[str, Any], model: dict[str, Any]) -> None:
        """Begin to serve an endpoint with a configuration."""
        endpoint.pending = config
        threading.Thread(target=self.attempt, args=(endpoint, config, model), daemon=True).start()

    def attempt(self, endpoint: EndpointRecord, config: dict[str, Any], model: dict[str, Any]) -> None:
        """Start the containers; serve with them if they are healthy, go on with the old ones if not."""
        name = endpoint.endpoint_name
        (variant,) = config["ProductionVariants"]
        fleet = Fleet(self.needs(endpoint.region, f"/aws/sagemaker/Endpoints/{name}"), variant["VariantName"])
        try:
            fleet.start(model, {}, options_of(variant))
            fleet.wait(self.startup(variant))
            self.switch(endpoint, config, fleet)
        except Unhealthy as error:
            self.give_up(endpoint, fleet, str(error))
        except Exception as error:
            self.say(f"{name}: {traceback.format_exc()}")
            self.give_up(endpoint, fleet, f"the stand-in failed: {error!r}")

    def startup(self, variant: Mapping[str, Any]) -> float:
        """Return how long a start may take, in seconds."""
        default = SERVERLESS_STARTUP if "ServerlessConfig" in variant else STARTUP
        return min(variant.get("ContainerStartupHealthCheckTimeoutInSeconds", default), self.patience.startup)

    def give_up(self, endpoint: EndpointRecord, fleet: Fleet, reason: str) -> None:
        """Go on as before, which may be not at all."""
        self.say(f"{endpoint.endpoint_name}: {reason}")
        fleet.stop(seconds=1)
        endpoint.pending = endpoint.pending if not endpoint.config else None
        endpoint.become("InService" if endpoint.config else "Failed", reason)

    def switch(self, endpoint: EndpointRecord, config: dict[str, Any], fleet: Fleet) -> None:
        """Serve with the new containers, and stop the old ones if no alarm goes off; raise `Unhealthy` if one does."""
        name, clients = endpoint.endpoint_name, self.clients.of(endpoint.region)
        if endpoint.is_deleted:
            fleet.stop()
            return
        old = self.live.get(name)
        serving = serving_of(name, config, fleet.containers(), clients, self.say)
        self.invocations.serve(name, serving)
        if old:
            try:
                bake(clients("cloudwatch"), endpoint.last_deployment_config, self.patience.bake)
            except Unhealthy:
                self.invocations.serve(name, old[1])
                raise
        self.live[name] = (fleet, serving)
        endpoint.take_over(config, fleet.images)
        if old:
            retire(*old)
        endpoint.become("InService")
        self.say(f"{name}: in service with {config['EndpointConfigName']}")

    def take_down(self, endpoint: EndpointRecord) -> None:
        """Serve an endpoint no longer."""
        name = endpoint.endpoint_name
        endpoint.is_deleted = True
        self.invocations.forget(name)
        if live := self.live.pop(name, None):
            threading.Thread(target=live[0].stop, daemon=True).start()


def options_of(variant: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the options of `docker run` that a variant asks for."""
    if serverless := variant.get("ServerlessConfig"):
        return ("--memory", f"{serverless['MemorySizeInMB']}m")
    return ()


def retire(fleet: Fleet, serving: Serving) -> None:
    """Stop old containers, when their asynchronous invocations are done."""
    deadline = time.monotonic() + DRAIN
    while serving.asynchronous and serving.asynchronous.unfinished and time.monotonic() < deadline:
        time.sleep(0.1)
    fleet.stop()
