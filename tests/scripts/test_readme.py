"""A reader who types what the README says gets what the README says."""

import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from aws.pushing import aws_cli
from server import ROOT, until

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
pytestmark = [pytest.mark.nginx, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What a clone of this checkout would hold, in a clean folder."""
    folder = tmp_path_factory.mktemp("clone")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    somebody = ("-c", "user.name=reader", "-c", "user.email=reader@example.com")
    for command in (["init", "--quiet"], ["add", "."], [*somebody, "commit", "--quiet", "--message=all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def terminal():
    """A reader's environment: not that of `make`, which may be what runs these tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


class Reader:
    """Somebody who types the README's blocks, with a second terminal for what goes on until Ctrl-C."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environ = terminal()
        self.servers: list[subprocess.Popen[bytes]] = []

    def types(self, block: str) -> str:
        """Type a block; return what it prints. One that serves is left running once it says that it is ready."""
        if block.startswith("make serve"):
            return self.starts_serving(block)
        if block.startswith(("make endpoint", "make rehearsal")):
            return self.starts(block, "ready on")
        typed = subprocess.run(
            ["bash", "-euc", block], cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        assert typed.returncode == 0, f"{block}\n{typed.stdout}\n{typed.stderr}"
        return typed.stdout

    def starts_serving(self, block: str) -> str:
        """Start a server, and return the answer that it shows."""
        output = self.starts(block, "Ready after")
        return until(lambda: shown_answer(output.read_text()), "the sample's answer")

    def starts(self, block: str, ready: str) -> Path:
        """Start what goes on until Ctrl-C; return its output, in which *ready* stands by now."""
        output = self.folder / f"server-{len(self.servers)}.log"
        with output.open("wb") as file:
            server = subprocess.Popen(
                ["env", "--default-signal=INT", "bash", "-c", f"exec {block}"],
                cwd=self.folder,
                env=self.environ,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.servers.append(server)

        def is_ready():
            assert server.poll() is None, output.read_text()
            return ready in output.read_text()

        until(is_ready, f"{block.strip()} to be ready", patience=600)
        return output

    def presses_ctrl_c(self):
        """Interrupt the last server as a terminal does: its whole process group."""
        server = self.servers.pop()
        os.killpg(server.pid, signal.SIGINT)
        server.wait(60)


def shown_answer(output: str) -> str:
    """The line under the curl command that `make serve` shows."""
    found = re.search(r"^  curl .*\n  (.+)$", output, re.MULTILINE)
    return found.group(1) if found else ""


def is_taken(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def reader(clone):
    """The README's ports are the reader's to have free; where they are not, only CI insists."""
    taken = [port for port in (8080, 8081, 8082, 8090, 5566, 5567) if is_taken(port)]
    if taken and os.environ.get("REQUIRE_ALL") != "1":
        pytest.skip(f"the README's commands need port {taken[0]}, which is taken")
    reader = Reader(clone)
    yield reader
    while reader.servers:
        reader.presses_ctrl_c()


def block_with(beginning: str) -> str:
    """The only block that begins so."""
    (found,) = [block for block in BLOCKS if block.startswith(beginning)]
    return found


TYPED = (
    "make serve\n",
    "make endpoint",
    "export AWS_ENDPOINT_URL",
    "curl --data-raw",
    "make predict\n",
    "make venv",
    "echo '5.1",
    "make serve MODEL=mine",
    "make predict MODEL=mine",
)
TYPED_WITH_DOCKER = (
    "docker build --file container/Dockerfile --tag my-image",
    "make predict PORT=8082",
    "make contract",
    "docker build --file container/Dockerfile --tag my-abalone",
)
TYPED_ON_AWS = ("make rehearsal", "eval ", "IMAGE=", "make plan", "make destroy")


def test_every_block_is_typed_by_a_test():
    known = {block_with(beginning) for beginning in (*TYPED, *TYPED_WITH_DOCKER, *TYPED_ON_AWS)}
    assert set(BLOCKS) - known == {"make test\n"}  # which is what is running this


def test_the_readme_leads_to_an_answered_request(reader):
    assert reader.types(block_with("make serve\n")).startswith("7.258")
    assert reader.types(block_with("curl --data-raw")) == "7.258125951673891\n"
    assert "`7.258125951673891`" in README
    assert reader.types(block_with("make predict\n")) == "7.258125951673891\n"
    reader.types(block_with("make endpoint"))
    assert float(reader.types(block_with("export AWS_ENDPOINT_URL"))) == 7.258125951673891
    reader.presses_ctrl_c()
    reader.presses_ctrl_c()
    until(lambda: not is_taken(8080), "the server's end")


def test_the_readme_leads_to_a_model_of_ones_own(reader):
    reader.types(block_with("make venv"))
    reader.types(block_with("echo '5.1"))
    assert reader.types(block_with("make serve MODEL=mine")) == "[0]"
    assert reader.types(block_with("make predict MODEL=mine")) == "[0]"
    reader.presses_ctrl_c()
    until(lambda: not is_taken(8081), "the server's end")


@pytest.mark.engine
def test_the_readme_leads_to_the_image(reader):
    try:
        reader.types(block_with(TYPED_WITH_DOCKER[0]))
        until(lambda: "7.258" in predicted(reader), "an answer from the container")
        for beginning in TYPED_WITH_DOCKER[1:]:
            quickly = " OPTIONS=--profile=quick" if beginning == "make contract" else ""  # tests/contract has it all
            printed = reader.types(block_with(beginning).strip() + quickly)
            assert "make contract" not in beginning or "Every required clause is kept." in printed
    finally:
        subprocess.run(["docker", "rm", "--force", "my-server"], capture_output=True, check=False)
        subprocess.run(["docker", "rmi", "my-image", "my-abalone"], capture_output=True, check=False)


@pytest.mark.engine
@pytest.mark.registry
def test_the_readme_leads_to_aws_and_back(reader):
    """In the rehearsal, whose registry and containers are real; each block in a terminal that was told of it."""
    reader.environ["PATH"] = f"{aws_cli()}:{reader.environ['PATH']}"
    rehearsal, told, *blocks = map(block_with, TYPED_ON_AWS)
    reader.types(rehearsal)
    written, answered, gone = (reader.types(told + block) for block in blocks)
    assert written == f"{reader.folder}/deploy/stages/rings.toml\n"
    assert "  + Endpoint AWS::SageMaker::Endpoint\n" in answered
    assert answered.endswith("7.258125951673891\n")
    assert gone.startswith("rings is gone.")
    reader.presses_ctrl_c()


def predicted(reader):
    command = ["make", "--silent", "predict", "PORT=8082"]
    typed = subprocess.run(command, cwd=reader.folder, env=terminal(), capture_output=True, text=True, check=False)
    return typed.stdout
