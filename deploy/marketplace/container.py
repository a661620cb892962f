"""What an image answers to the samples when it has no network, and may write nothing: as at a buyer's, and harder."""

import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.errors import Refused
from deploy.marketplace.exchanges import Question

# Nothing can be reached from outside, so the client runs inside, in the image's own Python.
SEALED = ("--network", "none", "--read-only", "--tmpfs", "/tmp")  # noqa: S108 (in the container)
CLIENT = """
import sys, urllib.error, urllib.request
path, content_type, accept = sys.argv[1:]
body = sys.stdin.buffer.read() or None
headers = {"Content-Type": content_type, "Accept": accept} if body else {}
request = urllib.request.Request("http://127.0.0.1:8080" + path, body, headers)
try:
    answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)
except urllib.error.HTTPError as error:
    sys.exit(f"{error.code}: {error.read()[:200].decode(errors='replace')}")
except OSError as error:
    sys.exit(str(error))
sys.stdout.buffer.write(answer.read())
"""
START = 120.0  # s that the container may take to its first good ping
PAUSE = 0.5


@dataclass(frozen=True)
class Tried:
    """
    An image to be tried.

    Attributes:
        model: a folder to mount, for an image that brings no model.
        environment: the container's, that the seller's file asks for.
        seconds: how long it may take to start.
    """

    image: str
    model: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: float = START


def of_image(tried: Tried, questions: Sequence[Question]) -> list[bytes]:
    """
    Return what an image answers in a container without a network, its root read-only.

    Raises:
        Refused: if it does not start there, or refuses a sample.
    """
    with _running(tried) as name:
        _wait(name, tried.seconds)
        return [_ask(name, one) for one in questions]


@contextmanager
def _running(tried: Tried) -> Iterator[str]:
    name = f"marketplace-check-{uuid.uuid4().hex[:12]}"
    mount = ("--volume", f"{tried.model}:/opt/ml/model:ro") if tried.model else ()
    variables = [word for pair in tried.environment.items() for word in ("--env", "=".join(pair))]
    try:
        done = _docker(
            "run", "--pull", "never", "--detach", "--name", name, *SEALED, *mount, *variables, tried.image, "serve"
        )
        if done.returncode:
            raise Refused(f"{tried.image} cannot be started:", done.stderr.decode(errors="replace").strip())
        yield name
    finally:
        _docker("rm", "--force", "--volumes", name)


def _wait(name: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _exec(name, b"", "/ping", "", "").returncode:
        running = _docker("inspect", "--format", "{{.State.Running}}", name).stdout.strip() == b"true"
        if not running or time.monotonic() > deadline:
            log = _docker("logs", "--tail", "5", name)
            what = "does not answer /ping" if running else "has ended"
            raise Refused(
                f"Without a network, its root read-only, the container {what}:",
                *(log.stdout + log.stderr).decode(errors="replace").strip().splitlines(),
            )
        time.sleep(PAUSE)


def _ask(name: str, question: Question) -> bytes:
    done = _exec(name, question.body, "/invocations", question.content_type, question.accept)
    if done.returncode:
        raise Refused(f"{question.name}: the container answers {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _exec(name: str, body: bytes, path: str, content_type: str, accept: str) -> subprocess.CompletedProcess[bytes]:
    return _docker("exec", "--interactive", name, "python3", "-c", CLIENT, path, content_type, accept, body=body)


def _docker(*arguments: str, body: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["docker", *arguments], input=body, capture_output=True, check=False)  # noqa: S607
    except FileNotFoundError as error:
        raise Refused("There is no `docker` on PATH: the image is tried in a container.") from error
