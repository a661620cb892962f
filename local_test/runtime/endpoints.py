"""Endpoints and the containers behind them, as the command line names them."""

import re
from argparse import ArgumentTypeError
from dataclasses import dataclass

NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")  # EndpointName in the service model
ADDRESS = re.compile(r"(?:(?P<host>[^:\s]+):)?(?P<port>[0-9]{1,5})")
MOST_CONTAINERS = 15  # in a pipeline


@dataclass(frozen=True)
class Container:
    """A running container: `name` is what error messages call it."""

    name: str
    host: str
    port: int

    def __str__(self) -> str:
        """Return the address."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Endpoint:
    """A name, and one container or a serial pipeline of them."""

    name: str
    containers: tuple[Container, ...]

    @property
    def is_pipeline(self) -> bool:
        """Tell whether there are several containers."""
        return len(self.containers) > 1

    def __str__(self) -> str:
        """Return the name and the way of a request."""
        return f"{self.name}: {' -> '.join(map(str, self.containers))}"


def parse_endpoint(text: str) -> Endpoint:
    """Read `NAME=PORT`, `NAME=HOST:PORT` or `NAME=ADDRESS,ADDRESS`."""
    name, equals, addresses = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"an endpoint looks like NAME=PORT or NAME=HOST:PORT,HOST:PORT, not like {text!r}")
    if not NAME.fullmatch(name):
        raise ArgumentTypeError(
            f"{name!r} cannot name an endpoint: SageMaker takes up to 63 letters, digits and hyphens, "
            "and no hyphen at either end"
        )
    parts = addresses.split(",")
    if len(parts) > MOST_CONTAINERS:
        raise ArgumentTypeError(f"{name} has {len(parts)} containers; a pipeline has at most {MOST_CONTAINERS}")
    names = ["primary"] if len(parts) == 1 else [f"container-{number}" for number in range(1, len(parts) + 1)]
    return Endpoint(name, tuple(map(parse_container, names, parts)))


def parse_container(name: str, text: str) -> Container:
    """Read `PORT` or `HOST:PORT`."""
    found = ADDRESS.fullmatch(text.strip())
    if found is None or not 0 < int(found["port"]) < 65536:
        raise ArgumentTypeError(
            f"{text!r} is no address of a container: a port such as 8080, or HOST:PORT, was expected"
        )
    return Container(name, found["host"] or "localhost", int(found["port"]))
