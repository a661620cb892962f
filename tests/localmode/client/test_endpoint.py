"""An endpoint of local mode: created, invoked and deleted with the calls that a real one takes."""

import json
from pathlib import Path

import pytest

from server import MODELS

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(600),  # the image may have to be built first
    # A thread of the SDK's may find that Docker Compose, which it stopped, ended with 2 rather than 0 or 130.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

ROW = "I,0.365,0.295,0.095,0.25,0.1075,0.0545,0.08,9.0"
INSTANCES = {"instances": [["I", 0.365, 0.295, 0.095, 0.25, 0.1075, 0.0545, 0.08]]}
PREDICTION = pytest.approx(7.258125951673891)


@pytest.fixture(scope="module")
def endpoint(local_mode, tmp_path_factory):
    with local_mode(tmp_path_factory.mktemp("endpoint")) as mode, mode.endpoint():
        yield mode


def files(folder):
    """Return what is below the folder, with the bytes of the files."""
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_the_endpoint_is_in_service(endpoint):
    assert endpoint.client.describe_endpoint(EndpointName=endpoint.name)["EndpointStatus"] == "InService"


def test_a_row_of_csv_gets_its_prediction_on_one_line(endpoint):
    answer = endpoint.invoke(ROW, ContentType="text/csv", Accept="text/csv")
    assert (answer.status, answer.content_type) == (200, "text/csv")
    (line,) = answer.text.splitlines(keepends=True)
    assert (float(line), line[-1]) == (PREDICTION, "\n")


def test_the_accepted_type_is_the_answers_type(endpoint):
    answer = endpoint.invoke(ROW, ContentType="text/csv", Accept="application/json")
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert json.loads(answer.text) == [PREDICTION]


def test_a_caller_who_names_no_types_sends_json(endpoint):
    answer = endpoint.invoke(json.dumps(INSTANCES))
    assert (answer.status, float(answer.text)) == (200, PREDICTION)


def test_the_callers_attributes_are_taken_and_its_inference_id_comes_back(endpoint):
    answer = endpoint.invoke(ROW, ContentType="text/csv", CustomAttributes="trace=1", InferenceId="mine-1")
    assert (answer.status, float(answer.text)) == (200, PREDICTION)
    assert answer.headers["X-Request-Id"] == "mine-1"


def test_a_bad_row_is_the_callers_fault_and_the_client_can_read_why(endpoint):
    answer = endpoint.invoke("a,b\n", ContentType="text/csv", Accept="text/csv")
    assert (answer.status, answer.content_type) == (400, "application/json")
    assert "Row 1 has 2 columns" in json.loads(answer.text)["error"]["message"]


def test_a_terminal_credentials_and_a_model_folder_that_can_be_written_to_change_nothing(endpoint):
    container = endpoint.inspect()
    assert container["Config"]["Tty"]
    assert "AWS_SECRET_ACCESS_KEY=invented" in container["Config"]["Env"]
    assert [(mount["Destination"], mount["RW"]) for mount in container["Mounts"]] == [("/opt/ml/model", True)]
    assert endpoint.invoke(ROW, ContentType="text/csv").status == 200
    there = files(endpoint.model_folder)
    assert there.pop(Path("model.tar.gz"))  # local mode leaves the archive beside what was in it
    packed = files(MODELS / "abalone").items()
    assert there == {path: content for path, content in packed if "__pycache__" not in path.parts}
