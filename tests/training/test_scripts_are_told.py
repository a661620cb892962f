"""The arguments and the `SM_*` variables that a training program gets, and what is said when it ends badly."""

import json
import re

import pytest

from server import ROOT
from training.errors import ended_badly
from training.folders import Folders
from training.job import Job
from training.script import Script
from training.variables import arguments_of, environment_of

DOCUMENT = (ROOT / "docs" / "training.md").read_text()


@pytest.fixture
def variables(tmp_path):
    channels = {"train": tmp_path / "input" / "data" / "train"}
    resources = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
    job = Job({"epochs": 5, "name": "a b", "nothing": None}, {}, channels, {}, resources)
    return environment_of(job, Folders(tmp_path), Script(tmp_path / "code", "train.py"), {"PYTHONPATH": "/mine"})


def test_hyperparameters_become_arguments_as_awss_toolkit_makes_them():
    given = {"epochs": 5, "name": "a b", "k": 0.5, "on": True, "list": [1, "a"], "nothing": None}
    assert arguments_of(given) == [
        *("--epochs", "5", "-k", "0.5", "--list", '[1,"a"]'),
        *("--name", "a b", "--nothing", "", "--on", "True"),
    ]


def test_channels_and_hyperparameters_have_a_variable_each(variables, tmp_path):
    assert variables["SM_CHANNEL_TRAIN"] == str(tmp_path / "input" / "data" / "train")
    assert (variables["SM_HP_EPOCHS"], variables["SM_HP_NAME"], variables["SM_HP_NOTHING"]) == ("5", "a b", "")


def test_lists_and_objects_are_json_in_variables(variables):
    assert json.loads(variables["SM_CHANNELS"]) == ["train"]
    assert json.loads(variables["SM_HPS"]) == {"epochs": 5, "name": "a b", "nothing": None}
    assert json.loads(variables["SM_USER_ARGS"])[:2] == ["--epochs", "5"]
    assert json.loads(variables["SM_TRAINING_ENV"])["model_dir"] == variables["SM_MODEL_DIR"]


def test_the_images_modules_can_be_imported_and_the_users_path_stays(variables):
    assert variables["PYTHONPATH"] == f"{ROOT / 'container' / 'code'}:/mine"


def test_every_variable_is_in_the_documentation_and_no_other(variables):
    names = {re.sub(r"^SM_(CHANNEL|HP)_.*", r"SM_\1_*", name) for name in variables if name.startswith("SM_")}
    rows = {name.replace("<NAME>", "*") for name in re.findall(r"^\| `(SM_[A-Z_<>]+)` \|", DOCUMENT, re.MULTILINE)}
    assert rows == names


TRACEBACK = """a warning
Traceback (most recent call last):
  File "/opt/ml/input/data/code/train.py", line 12, in <module>
    main()
  File "/usr/lib/json.py", line 99, in loads
ValueError: the third column is text
"""


def test_a_failure_begins_with_the_exception_and_the_scripts_own_line():
    error = ended_badly("train.py", 1, TRACEBACK, stopped=False)
    first, *rest = str(error).splitlines()
    assert first == "train.py ended with status 1: ValueError: the third column is text (train.py, line 12)"
    assert (rest[0], error.status) == ("The end of its log:", 1)


def test_the_cause_is_the_exception_also_where_its_message_has_several_lines():
    log = (
        'Traceback (most recent call last):\n  File "/code/train.py", line 3, in <module>\n    fit(rows)\n'
        "ValueError: Input X contains NaN.\nLogisticRegression does not accept missing values.\nSee the guide.\n"
    )
    assert str(ended_badly("train.py", 1, log, stopped=False)).startswith(
        "train.py ended with status 1: ValueError: Input X contains NaN. (train.py, line 3)\n"
    )


def test_a_failure_fits_into_what_sagemaker_shows_and_keeps_the_logs_end():
    message = str(ended_badly("train.py", 1, "x" * 5000 + "\nthe last words\n" + "y" * 500, stopped=False))
    assert len(message) < 1100
    assert "\n..." in message[:1024]


@pytest.mark.parametrize(
    ("status", "stopped", "expected"),
    [
        (
            137,
            False,
            "was ended by SIGKILL: no word\nNobody here sent that: it was most likely the kernel, for the memory",
        ),
        (143, True, "was ended by SIGTERM after it had been told to stop (SIGTERM): no word\nA script that is to keep"),
        (2, True, "ended with status 2 after it had been told to stop (SIGTERM): no word\nA script that is to keep"),
        (200, False, "ended with status 200: no word"),
    ],
)
def test_an_end_by_a_signal_is_said_with_what_to_do(status, stopped, expected):
    assert str(ended_badly("train.py", status, "no word\n", stopped=stopped)).startswith(f"train.py {expected}")


def test_a_package_that_is_missing_is_said_with_how_it_is_brought():
    message = str(ended_badly("train.py", 1, "ModuleNotFoundError: No module named 'six'\n", stopped=False))
    assert message.splitlines()[1].startswith("Nothing is installed when a job starts. A package is listed in code/req")


def test_a_program_that_wrote_nothing_is_said_to_have():
    assert str(ended_badly("t.py", 3, "", stopped=False)) == "t.py ended with status 3: it wrote nothing to stderr"
