"""What `serve_pipeline.sh` refuses, how it ends when a model does not start, and what asks it."""

import subprocess
from contextlib import closing

import pytest

from pipeline.conftest import HALVES, SCRIPT, Pipeline
from ports import free_port
from server import MODELS, ROOT, until

PREDICT = ROOT / "local_test" / "predict.sh"


def run(script, *arguments):
    words = [str(script), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd="/", timeout=60)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["abalone"], 2, "a pipeline has 2 to 15 models, not 1"),
        (["abalone"] * 16, 2, "a pipeline has 2 to 15 models, not 16"),
        (["--nonsense"], 2, "unknown option --nonsense"),
        (["--engine", "podman"], 2, "--engine is docker or host, not podman"),
        (["--port", "abc"], 2, "--port is a number from 1 to 65535, not abc"),
        (["--endpoint-port", "0"], 2, "--endpoint-port is a number from 1 to 65535, not 0"),
        (["--port", "65535"], 2, "the last container's port is a number from 1 to 65535, not 65536"),
        (["--name", "my_rings"], 2, "--name my_rings cannot name an endpoint: SageMaker takes up to 63 letters"),
        (["--name", "x" * 64], 2, "cannot name an endpoint: SageMaker takes up to 63 letters, digits and hyphens"),
        (
            ["--port", "29999", "--endpoint-port", "30000"],
            2,
            "port 30000 is wanted for a container and for the endpoint",
        ),
        (["abalone", "nothing"], 1, "no model folder: looked for"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_started(arguments, status, message):
    done = run(SCRIPT, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert "Serving" not in done.stderr


@pytest.mark.nginx
def test_a_model_that_does_not_start_ends_all_of_them_with_its_message_and_status(tmp_path):
    broken = ROOT / "tests" / "broken_models" / "several_candidates"
    folders = (MODELS / HALVES[0], broken)
    with closing(Pipeline(tmp_path / "output", *folders, "--engine", "host")) as running:
        assert running.process.wait(120) == 1
        message = "holds several models: first.joblib, second.joblib"
        until(lambda: message in running.text(), "the message")
        assert "container-2 several_candidates: " in running.text()
        until(lambda: not running.listening(), "the end of the first container")


def test_predict_asks_an_endpoint_where_it_is_told_to():
    row = "I,0.365,0.295,0.095,0.25,0.1075,0.0545,0.08,9.0"
    shown = run(PREDICT, "abalone_featurizer", "--show", "--port", "8090", "--endpoint", "pipeline").stdout
    url = "http://localhost:8090/endpoints/pipeline/invocations"
    assert shown == f"curl --data-raw '{row}' -H 'Content-Type: text/csv' {url}\n"


def test_predict_says_that_there_is_no_such_endpoint():
    done = run(PREDICT, "--port", free_port(), "--endpoint", "pipeline")
    assert (done.returncode, "/endpoints/pipeline/invocations" in done.stderr) == (1, True)
