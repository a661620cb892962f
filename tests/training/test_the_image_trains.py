"""`docker run IMAGE train`, as SageMaker runs it: a model from good data, a failure that says why from bad data."""

import json
import uuid
from contextlib import contextmanager

import pytest

from server import MODELS, docker, until

pytestmark = pytest.mark.engine

GOOD = "".join(f"__label__1 a warm and clear tone {n}\n__label__2 it broke after {n} days\n" for n in range(10))
WRONG = "__label__1 fine\nlabel missing here\n"
DECLARED = json.dumps({name: {"TrainingInputMode": "File"} for name in ("code", "train", "validation")})
SAVES = """
import os, pathlib, signal, sys
def save(number, frame):
    pathlib.Path(os.environ["SM_MODEL_DIR"], "partial").write_text("what there was")
    sys.exit()
signal.signal(signal.SIGTERM, save)
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "began").touch()
signal.pause()
"""


@pytest.fixture
def root(job, tmp_path):
    """Write what a job of the review classifier finds, but for files that are given; None leaves a file out."""

    def root(**changed):
        code = {f"data/code/{path.name}": path.read_text() for path in (MODELS / "review_classifier/code").glob("*.py")}
        files = {**code, "data/train/train.txt": GOOD, "data/validation/validation.txt": GOOD, **changed}
        job(
            {
                **{name: text for name, text in files.items() if text is not None},
                "config/inputdataconfig.json": DECLARED,
            }
        )
        tmp_path.chmod(0o755)  # as /opt/ml is: whom the model is proved with has to enter it
        return tmp_path

    return root


@contextmanager
def container(image, root, *options):
    """Start `train` in a container; yield its name, and remove it afterwards."""
    name = f"train-test-{uuid.uuid4().hex[:12]}"
    mounts = ("--volume", f"{root}:/opt/ml", *options)
    docker("run", "--detach", "--name", name, "--network", "none", *mounts, image, "train")
    try:
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


def train(image, root, *options):
    """Run `train` in a container to its end; return its status and its log."""
    with container(image, root, *options) as name:
        status = int(docker("wait", name).stdout)
        logs = docker("logs", name)
        return status, logs.stdout + logs.stderr


def test_good_data_become_a_model_that_is_proved_with_the_user_who_will_serve_it(image, root):
    status, log = train(image, root())
    assert status == 0, log
    model = root() / "model"
    assert {"model.joblib", "manifest.json", "code", "samples"} == {path.name for path in model.iterdir()}
    assert "#validation_accuracy: 1.0000" in log
    assert "checked; the model answers its samples" in log
    assert "run as root" not in log
    measures = json.loads((root() / "output" / "data" / "measures.json").read_text())
    assert measures["validation_balanced_accuracy"] == 1.0
    assert not (root() / "output" / "failure").exists()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"data/train/train.txt": None},
            "The channel 'train' is declared in inputdataconfig.json, but has no folder",
        ),
        (
            {"data/train/train.txt": WRONG},
            "train.py ended with status 1: /opt/ml/input/data/train/train.txt, line 2: 'label missing here' is not a l",
        ),
        (
            {"data/code/train.py": "raise ValueError('the third column is text')"},
            "train.py ended with status 1: ValueError: the third column is text (train.py, line 1)",
        ),
    ],
)
def test_bad_data_fail_the_job_with_a_reason_that_a_person_can_act_on(image, root, changed, expected):
    place = root(**changed)
    status, log = train(image, place)
    assert status == 1
    assert (place / "output" / "failure").read_text().startswith(expected)
    assert expected in log


def test_an_empty_channel_and_a_model_folder_that_is_read_only_are_told_as_well(image, root):
    place = root()
    (place / "input" / "data" / "train" / "train.txt").unlink()
    assert train(image, place)[0] == 1
    told = (place / "output" / "failure").read_text()
    assert told.startswith("The channel 'train' is empty: there is no file in /opt/ml/input/data/train.")
    (place / "model").mkdir(exist_ok=True)
    (place / "output" / "failure").unlink()
    assert train(image, place, "--volume", f"{place / 'model'}:/opt/ml/model:ro")[0] == 1
    told = (place / "output" / "failure").read_text()
    assert told.startswith("Cannot write to /opt/ml/model as user 0: Read-only file system. SageMaker runs training")


def test_a_job_that_is_stopped_keeps_what_its_script_saves(image, root):
    place = root(**{"data/code/train.py": SAVES})
    with container(image, place) as name:
        until((place / "output" / "data" / "began").exists, "the script's beginning")
        docker("stop", "--time", "120", name)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "0"
    assert (place / "model" / "partial").read_text() == "what there was"
    assert (place / "model" / "code" / "inference.py").is_file()
