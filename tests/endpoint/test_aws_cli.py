"""The AWS CLI, unmodified, against the endpoint and `serve` behind it."""

import json
import os
import subprocess

import pytest
from scripted import answers

from server import MODELS, ROOT

SCRIPT = ROOT / "tests" / "endpoint" / "aws_cli.sh"
SAMPLES = MODELS / "abalone" / "samples"


@pytest.fixture(scope="module")
def aws():
    """Return the path of the CLI; the first time it is installed."""
    done = subprocess.run([str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def invoke_endpoint(aws, tmp_path):
    """Run `aws sagemaker-runtime invoke-endpoint` against a port; the answer's body goes into the file `body`."""

    def invoke_endpoint(port, *arguments):
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),  # nobody's configuration
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": f"http://localhost:{port}",
        }
        command = [
            aws,
            "sagemaker-runtime",
            "invoke-endpoint",
            "--endpoint-name",
            "x",
            *arguments,
            str(tmp_path / "body"),
        ]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    return invoke_endpoint


@pytest.mark.nginx
def test_the_cli_gets_the_models_number(abalone, put_in_front, invoke_endpoint, tmp_path):
    sample = SAMPLES / "one_row.csv"
    port = put_in_front(abalone.port)
    done = invoke_endpoint(port, "--content-type", "text/csv", "--accept", "text/csv", "--body", f"fileb://{sample}")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed == {"ContentType": "text/csv", "InvokedProductionVariant": "AllTraffic"}
    expected = float((SAMPLES / "one_row.expected.csv").read_text())
    assert float((tmp_path / "body").read_text()) == pytest.approx(expected)


def test_the_cli_tells_a_model_error(container, put_in_front, invoke_endpoint, tmp_path):
    there = container(answers(400, b"no such row"))
    (tmp_path / "input").write_bytes(b"1")
    done = invoke_endpoint(put_in_front(there.port), "--body", f"fileb://{tmp_path / 'input'}")
    assert done.returncode > 0
    assert (
        "An error occurred (ModelError) when calling the InvokeEndpoint operation: "
        'Received client error (400) from primary with message "no such row". See https://'
    ) in done.stderr
    assert len(there.requests) == 1
