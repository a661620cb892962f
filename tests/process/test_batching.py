"""Requests that wait are answered together where that is proved, and each caller gets its own answer."""

import json

import pytest

from builders import folder
from mixed_requests import DEBUG, check
from server import MODELS

REQUESTS = 2000  # `python tests/mixed_requests.py --requests 100000` sends more
SAMPLES = {"samples/a.json": "[[1, 2]]", "samples/b.json": "[[3, 4]]"}
MODEL = """
    import os
    import time

    def model_fn(model_dir):
        return 1

    def predict_fn(rows, model):
        if len(rows) > 1:
            {deed}
        return rows.sum(axis=1)
"""


@pytest.fixture
def model_folder(tmp_path_factory):
    """Make model folders that any user may read."""

    def make(files):
        root = tmp_path_factory.mktemp("models")
        root.chmod(0o755)
        return folder(root / "model", files)

    return make


def verdicts(server):
    return [line for line in server.log_lines() if line["message"].startswith("batching is")]


def test_thousands_of_mixed_requests_at_once_each_get_what_they_would_have_got_alone(serve):
    patient = {"SERVING_MAX_WAIT": "60"}  # whatever else this machine has to do
    server = serve(
        MODELS / "abalone", SAGEMAKER_MODEL_SERVER_WORKERS="2", SAGEMAKER_CONTAINER_LOG_LEVEL=DEBUG, **patient
    )
    (verdict,) = verdicts(server)  # the workers go by what was found out before the fork
    assert verdict["message"] == "batching is on"
    assert verdict["reason"] == "the samples' answers are exactly the same"
    assert verdict["most_rows"] == 1024
    result = check(server, MODELS / "abalone", REQUESTS)
    assert result.wrong == []
    assert {200, 400, 406, 415, 422} == set(result.statuses)
    assert sum(result.batches) > REQUESTS / 10  # they did go together
    assert result.failed  # some beside a row that the model refuses
    assert not server.logged("worker gone")


def test_the_manifest_can_forbid_it(serve, model_folder):
    content = json.loads((MODELS / "abalone/manifest.json").read_text())
    files = {
        "model.joblib": (MODELS / "abalone/model.joblib").read_bytes(),
        "samples/a.csv": (MODELS / "abalone/samples/one_row.csv").read_bytes(),
        "manifest.json": json.dumps({**content, "serving": {"batching": False}}),
    }
    (verdict,) = verdicts(serve(model_folder(files)))
    assert (verdict["message"], verdict["reason"]) == ("batching is off", "the manifest forbids it")


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("os._exit(1)", "answering the samples together ended the process: exit status 1"),
        ("time.sleep(60)", "answering the samples together was not done within 1 s"),
    ],
    ids=["ends the process", "hangs"],
)
def test_a_model_that_a_batch_would_end_is_shared_and_served_one_by_one(serve, model_folder, deed, reason):
    files = {**SAMPLES, "code/inference.py": MODEL.replace("{deed}", deed)}
    server = serve(model_folder(files), SERVING_CANARY_TIMEOUT="1")
    assert server.logged("model loaded")["loaded_per"] == "container"
    (verdict,) = verdicts(server)
    assert (verdict["message"], verdict["reason"]) == ("batching is off", reason)
    assert server.invoke("[[5, 6]]").json() == [11.0]


def test_a_model_that_each_worker_loads_is_not_put_on_trial(serve, model_folder):
    files = {**SAMPLES, "code/inference.py": MODEL.replace("{deed}", "os._exit(1)")}
    server = serve(model_folder(files), SERVING_LOAD_PER="worker")
    reasons = {verdict["reason"] for verdict in verdicts(server)}  # of each worker that is ready by now
    assert reasons == {"each worker loads the model, and a trial that hangs there could not be ended"}
    assert server.invoke("[[5, 6]]").json() == [11.0]
