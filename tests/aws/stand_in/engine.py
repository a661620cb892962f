"""Containers: run, asked for their port, stopped, and all removed at the end."""

import base64
import json
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "-auth-token"  # moto's ECR gives every account its number and this
LABEL = "sagemaker-stand-in"
PORT = 8080


class EngineError(Exception):
    """The engine could not do as it was asked; the message is its own."""


@dataclass(frozen=True)
class Running:
    """A container that was started."""

    engine: "Engine"
    identity: str
    port: int  # inside

    def published(self) -> int | None:
        """Return the port on this machine, None if the container has ended."""
        shown = self.engine.docker("port", self.identity, f"{self.port}/tcp", check=False).stdout
        return int(shown.split()[0].rpartition(":")[2]) if shown else None

    def has_ended(self) -> bool:
        """Tell whether its program has."""
        shown = self.engine.docker("inspect", "--format", "{{.State.Running}}", self.identity, check=False)
        return shown.stdout.strip() != "true"

    def stop(self, seconds: int = 30) -> None:
        """Stop it as SageMaker does, and remove it."""
        self.engine.docker("stop", "--time", str(seconds), self.identity, check=False)
        self.engine.docker("rm", "--force", "--volumes", self.identity, check=False)


class Engine:
    """The Docker engine, logged in to the registries of our own accounts, without anybody's own configuration."""

    def __init__(self, folder: Path):
        self.folder = folder / "docker"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.label = f"{LABEL}={uuid.uuid4().hex}"
        self.pulled: list[str] = []
        self.is_closed = False
        self.docker("version")

    def docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a docker command; raise `EngineError` if it fails."""
        command = ["docker", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        except FileNotFoundError as error:
            raise EngineError("there is no `docker` on PATH") from error
        if check and done.returncode:
            raise EngineError((done.stderr or done.stdout).strip())
        return done

    def fetch(self, image: str) -> None:
        """Pull an image that this machine does not have."""
        if self.docker("image", "inspect", image, check=False).returncode:
            host = image.partition("/")[0]
            token = base64.b64encode(f"AWS:{host.partition('.')[0]}{PASSWORD}".encode()).decode()
            (self.folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": token}}}))
            self.docker("--config", str(self.folder), "pull", "--quiet", image)
            self.pulled.append(image)

    def run(
        self,
        image: str,
        environ: Mapping[str, str],
        model: Path | None,
        options: tuple[str, ...] = (),
        port: int = PORT,
    ) -> Running:
        """Start `IMAGE serve` with the model folder mounted read-only."""
        variables = [part for name, value in environ.items() for part in ("--env", f"{name}={value}")]
        mount = ["--volume", f"{model}:/opt/ml/model:ro"] if model else []
        publish = ["--publish", f"127.0.0.1::{port}"]
        return self.begin(image, [*publish, *mount, *variables, *options], ["serve"], port)

    def begin(self, image: str, options: Sequence[str], arguments: Sequence[str], port: int = PORT) -> Running:
        """Start a container of an image that is there."""
        created = self.docker("create", "--pull", "never", "--label", self.label, *options, image, *arguments)
        identity = created.stdout.split()[-1]
        try:
            self.docker("start", identity)
            if self.is_closed:
                raise EngineError("the stand-in has ended")
        except EngineError:
            self.docker("rm", "--force", "--volumes", identity, check=False)
            raise
        return Running(self, identity, port)

    def close(self) -> None:
        """Remove whatever was started, and the images that were pulled."""
        self.is_closed = True
        if left := self.docker("ps", "--all", "--quiet", "--filter", f"label={self.label}").stdout.split():
            self.docker("rm", "--force", "--volumes", *left, check=False)
        for image in self.pulled:
            self.docker("rmi", image, check=False)
