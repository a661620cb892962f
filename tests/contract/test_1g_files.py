"""Files, logs and the network: what the platform gives, and what it may leave out."""

import shutil
import uuid

import pytest
import requests

from contract.clauses import BATCH, MARKETPLACE, PIPELINE, PROFILES, REAL_TIME, clause
from contract.inside import require_container_here
from contract.surroundings import contents, require_answer
from contract.targets import ImageTarget, RunningServer, image_of, not_applicable
from server import docker


@clause(
    "1.50",
    "write nothing to /opt/ml/model",
    "Write to /tmp instead. Python's own files: set PYTHONDONTWRITEBYTECODE=1 in the Dockerfile (ENV).",
    recommended=PROFILES,
)
def test_the_model_folder_is_left_as_it_is(target, start, answer, sample, tmp_path, saw):
    """Starts it with a model folder that can be written to, sends the sample, and compares the folder."""
    if target.model is None:
        not_applicable("it brings its own model: nothing is mounted")
    model = shutil.copytree(target.model, tmp_path / "model")
    before = contents(model)
    require_answer(start_with_writable(model, target, start), sample, lambda text: None)
    changed = sorted({path for path, _ in before.items() ^ contents(model).items()})
    saw(f"written: {', '.join(changed[:3])}" if changed else "nothing is written")
    assert not changed


def start_with_writable(model, target, start, *options):
    """Start the target with a model folder that it may write to, as a program on this machine always may."""
    if isinstance(target, ImageTarget):
        return start("--volume", f"{model}:/opt/ml/model", *options, model=None)
    return start(model=model)


@clause(
    "1.55",
    "work with a read-only file system, but for /tmp",
    "Have every program write below /tmp: nginx's pid, logs and *_temp_path, gunicorn's sockets. Logs go to stderr. "
    "docker run --read-only --tmpfs /tmp IMAGE serve shows what fails.",
    recommended=PROFILES,
)
def test_a_read_only_file_system_is_enough(start, answer, sample, saw):
    """Starts it with --read-only --tmpfs /tmp and sends the sample."""
    require_answer(start("--read-only", "--tmpfs", "/tmp"), sample, saw)


@clause(
    "1.56",
    "do not count on a large /dev/shm",
    "Move what lies in /dev/shm to /tmp. PyTorch: num_workers=0; gunicorn needs a few bytes only.",
    recommended=PROFILES,
)
def test_little_shared_memory_is_enough(start, answer, sample, saw):
    """Starts it with 64 kB of /dev/shm and sends the sample."""
    require_answer(start("--shm-size", "64k"), sample, saw)


@clause(
    "1.57",
    "log to stdout or stderr",
    "Send logs to stderr instead of a file: CloudWatch shows nothing else. nginx: error_log stderr; gunicorn: "
    "--error-logfile - (its default); Python: logging.basicConfig() and ENV PYTHONUNBUFFERED=1.",
    recommended=PROFILES,
)
def test_something_is_logged(server, answer, saw):
    """Reads what the server wrote to stdout and stderr, after its start, the sample and a request for no such path."""
    if isinstance(server, RunningServer):
        not_applicable("about the log; a URL shows none")
    requests.get(f"{server.url}/no-such-path", timeout=10)
    lines = server.log_text().splitlines()
    saw(f"{len(lines)} lines")
    assert lines


@pytest.fixture
def internal_network(target, server):
    """The name of a network that leads nowhere. It is made before the servers in it, and so removed after them."""
    image_of(target)
    require_container_here(server)  # elsewhere, an address in such a network cannot be reached
    name = f"contract-{uuid.uuid4().hex[:12]}"
    docker("network", "create", "--internal", name)
    yield name
    docker("network", "rm", name, check=False)


@clause(
    "1.58",
    "need no network, as with network isolation and in AWS Marketplace",
    "Download nothing at start: put models, tokenizers and packages into the image or the model's archive, and set "
    "HF_HUB_OFFLINE=1 or its like. Give calls to services that may be away a short time-out.",
    required=(MARKETPLACE,),
    recommended=(REAL_TIME, BATCH, PIPELINE),
    quick=True,
)
def test_no_network_is_needed(internal_network, start, answer, sample, saw):
    """Starts it in a network that leads nowhere and sends the sample to its address there."""
    require_answer(start("--network", internal_network), sample, saw)
