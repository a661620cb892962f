"""The containers behind one deployment of an endpoint, or behind a transform job."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aws.stand_in.engine import PORT, Engine, EngineError, Running
from aws.stand_in.images import ImageRefused, resolved
from aws.stand_in.model_data import ModelDataError, extract
from runtime.endpoints import Container
from runtime.upstream import answers_ping

POLL = 0.2  # seconds
SAFE_PORTS = 100  # of each container of a pipeline
FIRST_SAFE_PORT = 15_000


class Unhealthy(Exception):
    """The containers do not serve; the message is SageMaker's."""


@dataclass(frozen=True)
class Needs:
    """What a fleet needs to start: the engine, clients of its region, a folder for the models, and a log."""

    engine: Engine
    clients: Callable[[str], Any]
    folder: Path
    follow: Callable[[Running, str], None]  # copies what a container prints into a log stream


@dataclass
class Fleet:
    """One container, or the containers of a pipeline, in their order."""

    needs: Needs
    variant: str
    running: dict[str, Running] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    images: list[dict[str, str]] = field(default_factory=list)

    def start(self, model: Mapping[str, Any], environ: Mapping[str, str], options: tuple[str, ...] = ()) -> None:
        """Start every container of a model as CreateModel described it; raise `Unhealthy`."""
        definitions = model.get("Containers") or [model["PrimaryContainer"]]
        for number, definition in enumerate(definitions):
            name, ports, host = "primary", {}, ()
            if len(definitions) > 1:
                name = definition.get("ContainerHostname", f"container-{number + 1}")
                ports, host = pipeline_ports(number), ("--hostname", name)
            variables = {**ports, **definition.get("Environment", {}), **environ}
            port = int(ports.get("SAGEMAKER_BIND_TO_PORT", PORT))
            self.start_one(name, definition, variables, (*options, *host), port)

    def start_one(
        self, name: str, definition: Mapping[str, Any], environ: Mapping[str, str], options: tuple[str, ...], port: int
    ) -> None:
        """Start one container."""
        try:
            image = resolved(definition["Image"], self.needs.clients)
            self.needs.engine.fetch(image)
            folder = self.model_folder(definition)
            container = self.needs.engine.run(image, environ, folder, options, port)
        except (ImageRefused, ModelDataError) as error:
            raise Unhealthy(str(error)) from error
        except EngineError as error:
            raise Unhealthy(
                f"CannotStartContainerError. Please ensure the model container for variant {self.variant} starts "
                f"correctly when invoked with 'docker run {definition['Image']} serve'. {error}"
            ) from error
        self.images.append({"SpecifiedImage": definition["Image"], "ResolvedImage": image})
        self.running[name] = container
        self.needs.follow(
            container, f"{self.variant}/{container.identity[:12]}" + ("" if name == "primary" else f"/{name}")
        )

    def model_folder(self, definition: Mapping[str, Any]) -> Path | None:
        """Return the extracted model, None if the image has its own."""
        if not (url := definition.get("ModelDataUrl")):
            return None
        folder = extract(self.needs.clients("s3"), url, self.needs.folder)
        self.folders.append(folder)
        return folder

    def wait(self, seconds: float) -> None:
        """Wait until every container answers /ping with 200; raise `Unhealthy` if one never will."""
        deadline = time.monotonic() + seconds
        for name, running in self.running.items():
            while not self.is_healthy(name, running):
                if time.monotonic() > deadline or running.has_ended():
                    raise Unhealthy(
                        f"The {name} container for production variant {self.variant} did not pass the ping health "
                        "check. Please check CloudWatch logs for this endpoint."
                    )
                time.sleep(POLL)

    def is_healthy(self, name: str, running: Running) -> bool:
        """Ask /ping."""
        port = running.published()
        return port is not None and answers_ping(Container(name, "127.0.0.1", port))

    def containers(self) -> tuple[Container, ...]:
        """Return where the containers are, for the runtime."""
        return tuple(Container(name, "127.0.0.1", running.published() or 0) for name, running in self.running.items())

    def stop(self, seconds: int = 30) -> None:
        """Stop the containers and remove their models."""
        for running in self.running.values():
            running.stop(seconds)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


def pipeline_ports(number: int) -> dict[str, str]:
    """Return the variables by which a container of a pipeline learns its ports."""
    first = FIRST_SAFE_PORT + number * SAFE_PORTS
    return {
        "SAGEMAKER_BIND_TO_PORT": str(PORT + number),
        "SAGEMAKER_SAFE_PORT_RANGE": f"{first}-{first + SAFE_PORTS - 1}",
    }
