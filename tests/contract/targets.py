"""What is checked: an image, a model folder or a program on this machine, or a URL; all behind one interface."""

import atexit
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from contract.samples import SampleError
from contract.servers import NetworkedServer
from server import MODELS, PROGRAM, ContainerServer, HostServer, Server, docker

EXAMPLE_MODEL = MODELS / "abalone"
NO_SAMPLE = (
    "- the image brings no sample request, so it is given models/abalone and its sample; "
    "for another model name --model FOLDER, for a model in the image --sample FILE"
)
CAPABILITIES = "com.amazonaws.sagemaker.capabilities"


class TargetError(Exception):
    """The target cannot be checked at all. The message says what was looked for, what was found and what to do."""


def not_applicable(reason: str) -> Any:
    """End the check: the clause means nothing for this target, or cannot be seen from here."""
    pytest.skip(reason)


@dataclass(frozen=True)
class Target:
    """
    Something that can be started as SageMaker would start it.

    Attributes:
        name: as the user wrote it.
        model: the folder that goes to `/opt/ml/model`; None where the image has its own.
    """

    name: str
    model: Path | None = None

    def samples(self) -> Path:
        """Return the folder with the model's own sample requests."""
        if self.model is None:
            raise SampleError(f"{self.name} brings no sample request. Name one: --sample FILE --content-type TYPE")
        return self.model / "samples"

    def launch(self, *options: str, model: Path | None, **environ: str) -> Server:
        """Start a server and do not wait for it; *options* are those of `docker run`."""
        raise NotImplementedError


@dataclass(frozen=True)
class ImageTarget(Target):
    """
    A Docker image, anybody's: started with `docker run IMAGE serve`, the model mounted read-only.

    Attributes:
        options: those of `docker run` that every container gets; a check's own come after them, and win.
    """

    options: tuple[str, ...] = ()

    def launch(self, *options: str, model: Path | None, **environ: str) -> Server:
        """Start a container."""
        network = options[options.index("--network") + 1] if "--network" in options else "container:"
        kind = ContainerServer if network.startswith("container:") else NetworkedServer
        return kind(model, environ, options=(*self.options, *options), image=self.name)

    def samples(self) -> Path:
        """Return the mounted model's samples, or those of the model in the image."""
        return (None if self.model else baked_samples(self.name)) or super().samples()

    def inspect(self) -> dict[str, Any]:
        """Return what the engine knows of the image."""
        (found,) = json.loads(docker("image", "inspect", self.name).stdout)
        return found  # type: ignore[no-any-return]

    @property
    def labels(self) -> Mapping[str, str]:
        """Return the image's labels."""
        return self.inspect()["Config"].get("Labels") or {}

    def claims(self, capability: str) -> bool:
        """Tell whether a label says that the image can do this."""
        return self.labels.get(f"{CAPABILITIES}.{capability}") == "true"


@dataclass(frozen=True)
class ProgramTarget(Target):
    """A program that serves on this machine: ours with a model folder, or any that heeds the same environment."""

    program: tuple[str, ...] = (sys.executable, str(PROGRAM))

    def launch(self, *options: str, model: Path | None, **environ: str) -> Server:
        """Start the program; Docker's options mean nothing here."""
        if options:
            not_applicable("needs a container; this target runs on the machine itself")
        return HostServer(model, environ, program=self.program)


class RunningServer(Server):
    """A server that somebody else has started, at a URL."""

    def __init__(self, url: str):
        self.address = url

    @property
    def url(self) -> str:
        """Return where it answers."""
        return self.address

    def log_text(self) -> str:
        """Return nothing: its log is elsewhere."""
        return ""

    def has_ended(self) -> bool:
        """Tell nothing: only its answers are seen."""
        return False

    def close(self) -> None:
        """Leave it running: it is not ours."""


@dataclass(frozen=True)
class UrlTarget(Target):
    """A server that runs already; what needs a start of its own cannot be checked."""

    def launch(self, *options: str, model: Path | None, **environ: str) -> Server:
        """Refuse: it is not ours to start."""
        not_applicable("needs a start of its own; a URL can only be asked")


def image_of(target: Target) -> ImageTarget:
    """Return the target if it is an image; end the check where it is none."""
    if not isinstance(target, ImageTarget):
        not_applicable("needs an image; this target is none")
    return target  # type: ignore[return-value]


def find_target(name: str, model: str | None, *, sample_is_given: bool) -> Target:
    """
    Return what *name* names.

    An image that brings no model, and is given neither a model nor a sample, is checked with `models/abalone`.

    Raises:
        TargetError: saying where it was looked for.
    """
    folder = existing_folder(model) if model else None
    if name.startswith(("http://", "https://")):
        return UrlTarget(name.rstrip("/"), folder)
    if Path(name).is_dir():
        return ProgramTarget(name, Path(name).absolute())
    if os.access(name, os.X_OK):
        return ProgramTarget(name, folder, (str(Path(name).absolute()), "serve"))
    if Path(name).is_file():
        raise TargetError(f"{name} is a file that cannot be run. If it is a program that serves: chmod +x {name}")
    require_image(name)
    if not folder and not sample_is_given and not baked_samples(name):
        folder = EXAMPLE_MODEL
        print(NO_SAMPLE, file=sys.stderr, flush=True)
    return ImageTarget(name, folder)


def with_docker_options(target: Target, options: Sequence[str]) -> Target:
    """Return the target with these options of `docker run`; raise `TargetError` where there is no container."""
    if not options:
        return target
    if isinstance(target, ImageTarget):
        return replace(target, options=tuple(options))
    raise TargetError(f"--docker-option {options[0]} is for an image; {target.name} is none.")


def existing_folder(name: str) -> Path:
    """Return the model folder of that name, or at that path."""
    for candidate in (MODELS / name, Path(name)):
        if candidate.is_dir():
            return candidate.absolute()
    raise TargetError(f"No model folder: looked for models/{name} and for {name}.")


def require_image(name: str) -> None:
    """Raise `TargetError` unless the engine has an image of that name."""
    try:
        found = docker("image", "inspect", name, check=False)
    except FileNotFoundError:
        raise TargetError(
            f"{name} is no URL, no folder and no program, and there is no docker to ask for an image of that name."
        ) from None
    if found.returncode:
        raise TargetError(
            f"{name} is no URL, no folder and no program, and Docker has no image of that name: "
            f"{found.stderr.strip()} Build it, or pull it: docker pull {name}"
        )


def baked_samples(image: str) -> Path | None:
    """Return a copy of the samples of the model that is baked into one of our images, None where there is none."""
    copy = Path(tempfile.mkdtemp(prefix="contract-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    container = docker("create", image, "serve").stdout.strip()
    try:
        command = ["docker", "cp", f"{container}:/opt/program/model/samples", str(copy)]
        copied = subprocess.run(command, capture_output=True, check=False)
        return copy / "samples" if copied.returncode == 0 else None
    finally:
        with contextlib.suppress(AssertionError):
            docker("rm", container)
