"""The image under the flags of the platform, and under harder ones: the same number each time."""

import json
import shutil
import uuid

import pytest

from abalone import PREDICTION, ROW, SHELLS, calculated, lines
from process_helpers import in_background
from server import MODELS, TEST_MODELS, docker, until

pytestmark = pytest.mark.engine

ABALONE = MODELS / "abalone"


def predicted(server):
    answer = server.invoke(ROW, "text/csv")
    assert answer.status_code == 200, answer.text
    return float(answer.text)


def workers(server):
    return server.logged("planned")["plan"]["workers"]


def test_everything_that_the_platform_may_forbid_can_be_forbidden_at_once(run):
    limits = ("--read-only", "--tmpfs", "/tmp", "--user", "12345:12345", "--cpus", "1", "--memory", "1g")
    server = run(ABALONE, "--network", "none", *limits)
    assert predicted(server) == pytest.approx(PREDICTION)
    assert workers(server) == 1


@pytest.mark.parametrize(
    "flags",
    [
        "--read-only --tmpfs /tmp",
        "--user 12345:12345",
        "--user 12345",
        "--memory 1g",
        "--cap-drop ALL --security-opt no-new-privileges",
        "--tty",
        "--env HOME=",
        "--env-file /dev/null",
        "--hostname foo",
        "--shm-size 64k",
        "--ipc=none",
        "--cpus 0.25 --memory 512m",
        "--pids-limit 64",
        "--network none",
    ],
)
def test_each_flag_by_itself_changes_nothing(run, flags):
    assert predicted(run(ABALONE, *flags.split())) == pytest.approx(PREDICTION)


@pytest.mark.parametrize("flags", ["--cpus 1", "--cpus 0.25", "--cpuset-cpus 0"])
def test_there_is_a_worker_for_each_cpu_that_the_container_may_use(run, flags):
    server = run(ABALONE, *flags.split())
    assert workers(server) == 1
    assert predicted(server) == pytest.approx(PREDICTION)


def test_workers_for_whom_the_containers_memory_has_no_room_are_refused_with_the_arithmetic(launch):
    memory = ("--memory", "640m", "--memory-swap", "640m")
    server = launch(ABALONE, *memory, SAGEMAKER_MODEL_SERVER_WORKERS="60")
    assert server.exit_status() == 1
    message = server.logged("cannot start")["message"]
    assert "The memory is too small for 60 workers: the server with the model takes" in message
    assert "The container has 640 MB, of which 10% stay free for requests. Ask for" in message


def test_a_network_that_leads_nowhere_is_enough(run):
    network = f"server-test-{uuid.uuid4().hex[:12]}"
    docker("network", "create", "--internal", network)
    try:
        server = run(ABALONE, "--network", network)
        assert predicted(server) == pytest.approx(PREDICTION)
        server.close()
    finally:
        docker("network", "rm", network, check=False)


def test_without_a_folder_to_write_to_the_start_ends_and_says_what_to_do(launch):
    server = launch(ABALONE, "--read-only")
    assert server.exit_status() == 1
    assert "docker run --tmpfs /tmp" in server.logged("cannot start: No folder to write to")["message"]


def test_without_a_model_the_start_ends_and_says_where_it_was_looked_for(launch):
    server = launch(None)
    assert server.exit_status() == 1
    assert "looked for /opt/ml/model, found nothing" in server.logged("cannot start")["message"]


def test_8080_on_every_interface_is_the_only_port(run):
    assert run(ABALONE).listeners() == {("0.0.0.0", 8080)}


def test_the_platforms_port_is_taken_in_place_of_8080_and_none_of_its_range(run):
    server = run(ABALONE, SAGEMAKER_BIND_TO_PORT="9090", SAGEMAKER_SAFE_PORT_RANGE="21000-21999")
    assert predicted(server) == pytest.approx(PREDICTION)
    assert server.listeners() == {("0.0.0.0", 9090)}


def test_the_first_process_is_serve_itself(run):
    first = run(ABALONE).execute("cat", "/proc/1/cmdline").split("\0")
    assert first == ["python3", "/opt/program/serve", ""]


def is_written(line):
    """Tell a change of the server's from the mount point that Docker makes for the model."""
    path = line.split(" ", 1)[1]
    return path not in ("/opt", "/opt/ml", "/opt/ml/model")


def written(server):
    return [line for line in docker("diff", server.name).stdout.splitlines() if is_written(line)]


def test_nothing_is_written_outside_tmp_and_nothing_stays_there(run):
    server = run(ABALONE)
    predicted(server)
    server.invoke("\n".join([ROW] * 50_000), "text/csv")  # too large for nginx's memory
    assert all(line.split()[1].startswith("/tmp") for line in written(server))
    docker("stop", "--time", "30", server.name)
    assert [line for line in written(server) if line.startswith("A")] == []


def test_a_model_folder_that_could_be_written_to_is_left_as_it_was(run, tmp_path):
    model = shutil.copytree(
        MODELS / "abalone_predictor", tmp_path / "model", ignore=shutil.ignore_patterns("__pycache__")
    )
    before = sorted(model.rglob("*"))
    server = run(None, "--volume", f"{model}:/opt/ml/model")
    features = [[0.0] * 10]
    assert server.invoke(json.dumps(features)).status_code == 200
    assert sorted(model.rglob("*")) == before


def test_docker_stop_lets_requests_in_flight_be_answered(run):
    server = run(TEST_MODELS / "obedient", SAGEMAKER_MODEL_SERVER_WORKERS="4")
    until(lambda: server.log_text().count("worker ready") == 4, "four workers")
    markers = [f"/tmp/in-flight-{number}" for number in range(4)]
    waiting = in_background(lambda marker: server.tell(touch=marker, sleep=5), *markers)
    until(lambda: docker("exec", server.name, "ls", *markers, check=False).returncode == 0, "four requests at work")
    docker("stop", "--time", "30", server.name)
    assert [future.result().status_code for future in waiting] == [200] * 4
    assert server.inspect("{{.State.ExitCode}} {{.State.OOMKilled}}") == "0 false"


def test_the_same_container_can_be_started_again_and_again(run):
    server = run(ABALONE)
    for end, status in (("stop", 0), ("kill", 137), ("stop", 0)):
        docker(end, server.name)
        assert server.exit_status() == status
        docker("start", server.name)
        server.wait_until_ready()
        assert predicted(server) == pytest.approx(PREDICTION)


def test_two_containers_that_share_an_address_are_a_pipeline(run):
    ports = {"SAGEMAKER_SAFE_PORT_RANGE": "9001-9010"}
    featurizer = run(MODELS / "abalone_featurizer", SAGEMAKER_BIND_TO_PORT="9001", **ports)
    shared = ("--network", f"container:{featurizer.name}")
    predictor = run(MODELS / "abalone_predictor", *shared, SAGEMAKER_BIND_TO_PORT="9002", **ports)
    assert predictor.listeners() == {("0.0.0.0", 9002)}
    halfway = featurizer.invoke(lines(SHELLS), "text/csv")
    answer = predictor.invoke(halfway.text, halfway.headers["Content-Type"])
    assert answer.json()["result"] == pytest.approx(calculated(SHELLS))
