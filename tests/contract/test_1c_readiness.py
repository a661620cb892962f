"""`/ping` and the model: what a 200 promises, and whether every start leads to one."""

import signal
import time

import pytest

from contract.asking import ask_sample
from contract.clauses import PROFILES, clause
from contract.running import NotHealthy, is_healthy, log_end, wait_until_healthy
from contract.surroundings import settled_status
from contract.targets import ImageTarget
from server import docker, until

STOP_SECONDS = 30
STARTS = 3
PINGING_SECONDS = 0.5  # between looks at whether a server has ended, which take longer than a ping


@clause(
    "1.23",
    "answer /ping with 200 only when the model can answer",
    "Load the model before the server listens, or answer /ping with 503 until it is loaded: requests come as soon as "
    "/ping is 200.",
    required=PROFILES,
)
def test_healthy_means_able_to_answer(launch, sample, limits, saw):
    """Starts it, asks /ping without a pause, and sends the sample right after the first 200."""
    server = launch()
    if not becomes_healthy(server, limits.startup_seconds, pause=0.005):
        raise NotHealthy(f"no 200 from /ping; {log_end(server)}")
    first = ask_sample(server, sample).status_code
    if first != 200 and settled_status(server, sample) != 200:
        pytest.skip("blocked: the sample is not answered, see 1.30")
    saw(f"right after the first 200, the sample is answered {first or 'not at all'}")
    assert first == 200


def becomes_healthy(server, seconds, pause):
    """Tell whether `/ping` is 200 before time is up or the server ends."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not server.has_ended():
        look_up = time.monotonic() + PINGING_SECONDS
        while time.monotonic() < look_up:
            if is_healthy(server):
                return True
            time.sleep(pause)
    return False


@clause(
    "1.25",
    "do not be healthy without a model",
    "Have /ping look whether the model is loaded, instead of a static 200; or end the start with an error.",
    recommended=PROFILES,
)
def test_without_a_model_it_is_not_healthy(launch, shared, answer, sample, tmp_path, saw):
    """Starts it with an empty model folder; if /ping is 200 all the same, the sample must be answered."""
    server = launch(model=tmp_path)
    if not becomes_healthy(server, 2 * shared.seconds_to_healthy + 1, pause=0.1):
        saw("it ends" if server.has_ended() else "/ping is not 200")
        return
    status = ask_sample(server, sample).status_code
    saw(f"with an empty model folder /ping is 200, and the sample is answered {status or 'not at all'}")
    assert status == 200


@clause(
    "1.26",
    "start again after a stop",
    "Leave nothing behind that the next start stumbles on, such as a pid file, a socket or a lock; or remove it first.",
    recommended=PROFILES,
)
def test_it_can_be_stopped_and_started_again(target, launch, answer, sample, limits, tmp_path, saw):
    """Starts it three times on the same file system, with a stop in between, and sends the sample each time."""
    again = in_the_same_container if isinstance(target, ImageTarget) else in_the_same_folder
    statuses = []
    for server in again(launch, tmp_path):
        wait_until_healthy(server, limits.startup_seconds)
        statuses.append(settled_status(server, sample))
    saw(f"answers to the sample after {STARTS} starts: {statuses}")
    assert statuses == [200] * STARTS


def in_the_same_container(launch, folder):
    """Yield a container each time that it has been started."""
    server = launch()
    yield server
    for _ in range(STARTS - 1):
        docker("stop", "--time", str(STOP_SECONDS), server.name)
        docker("start", server.name)
        yield server


def in_the_same_folder(launch, folder):
    """Yield one program after the other, with the same temporary folder."""
    for _ in range(STARTS):
        server = launch(TMPDIR=str(folder))
        yield server
        server.send(signal.SIGTERM)
        until(server.has_ended, "the end after SIGTERM", patience=STOP_SECONDS)
