"""A batch transform job of local mode: how each row's prediction gets into the output, newline for newline."""

import json

import pytest

from server import MODELS, docker

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(600),  # the image may have to be built first
    # A thread of the SDK's may find that Docker Compose, which it stopped, ended with 2 rather than 0 or 130.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

COLUMNS = ["sex", "length", "diameter", "height", "whole_weight", "shucked_weight", "viscera_weight", "shell_weight"]
SHELLS = [
    ["M", 0.455, 0.365, 0.095, 0.514, 0.2245, 0.101, 0.15],
    ["M", 0.35, 0.265, 0.09, 0.2255, 0.0995, 0.0485, 0.07],
    ["F", 0.53, 0.42, 0.135, 0.677, 0.2565, 0.1415, 0.21],
    ["M", 0.44, 0.365, 0.125, 0.516, 0.2155, 0.114, 0.155],
    ["I", 0.33, 0.255, 0.08, 0.205, 0.0895, 0.0395, 0.055],
    ["I", 0.425, 0.3, 0.095, 0.3515, 0.141, 0.0775, 0.12],
    ["F", 0.53, 0.415, 0.15, 0.7775, 0.237, 0.1415, 0.33],
    ["F", 0.545, 0.425, 0.125, 0.768, 0.294, 0.1495, 0.26],
    ["M", 0.475, 0.37, 0.125, 0.5095, 0.2165, 0.1125, 0.165],
    ["F", 0.55, 0.44, 0.15, 0.8945, 0.3145, 0.151, 0.32],
]
CSV = "".join(f"{','.join(map(str, shell))}\n" for shell in SHELLS)
JSON_LINES = "".join(f"{json.dumps(dict(zip(COLUMNS, shell, strict=True)))}\n" for shell in SHELLS)
CALCULATE = """
import json, sys

import joblib, pandas

columns, rows = map(json.loads, sys.argv[1:])
model = joblib.load("/opt/ml/model/model.joblib")
print(json.dumps(model.predict(pandas.DataFrame(rows, columns=columns)).tolist()))
"""


@pytest.fixture
def mode(local_mode, tmp_path):
    with local_mode(tmp_path) as mode:
        yield mode


@pytest.fixture(scope="module")
def calculated(image):
    """What the model says of the shells in Python, without a server: in the image, which has its libraries."""
    mount = f"{MODELS / 'abalone'}:/opt/ml/model:ro"
    words = ["python", "-c", CALCULATE, json.dumps(COLUMNS), json.dumps(SHELLS)]
    return json.loads(docker("run", "--rm", "--volume", mount, image, *words).stdout)


@pytest.mark.parametrize(
    ("strategy", "assemble_with", "newlines"),
    [
        ("MultiRecord", "None", ("\n", "")),
        ("MultiRecord", "Line", ("\n", "\n")),
        ("SingleRecord", "None", ("\n", "")),
        ("SingleRecord", "Line", ("\n\n", "")),
    ],
)
def test_every_row_of_csv_gets_its_prediction_in_order(mode, calculated, strategy, assemble_with, newlines):
    written = mode.transform(CSV, "text/csv", {"AssembleWith": assemble_with}, BatchStrategy=strategy)
    predictions = written.split()
    assert [float(prediction) for prediction in predictions] == pytest.approx(calculated)
    after_each, at_the_end = newlines
    assert written == "".join(prediction + after_each for prediction in predictions) + at_the_end


@pytest.fixture(scope="module")
def plain_job(local_mode, tmp_path_factory):
    """A job that is done: it said nothing of batches, so that local mode asked the container for its wishes."""
    with local_mode(tmp_path_factory.mktemp("plain_job")) as mode:
        mode.transform(JSON_LINES, "application/jsonlines", {})
        yield mode


def test_a_job_that_leaves_the_batches_to_the_container_transforms_json_lines(plain_job, calculated):
    written = plain_job.output.read_text()
    assert [json.loads(line) for line in written.splitlines()] == pytest.approx(calculated)
    job = plain_job.client.describe_transform_job(TransformJobName=plain_job.name)
    assert (job["TransformJobStatus"], job["BatchStrategy"]) == ("Completed", "MultiRecord")


def test_the_container_ends_when_the_job_is_done(plain_job):
    container = plain_job.inspect()
    assert "SAGEMAKER_BATCH=True" in container["Config"]["Env"]
    assert container["State"]["Status"] == "exited"
    # The SDK signals Docker Compose twice, which version 2 may take as the order to kill.
    assert container["State"]["ExitCode"] in (0, 137)
