"""What the platform's files say of a training job, and what is said where they cannot be right."""

import pytest

from builders import folder
from training.errors import TrainingError
from training.folders import Folders, make_writable, require_empty_model
from training.job import read_job


def read(root, files):
    folder(root / "input", files)
    return read_job(Folders(root))


def refusal(root, files):
    with pytest.raises(TrainingError) as error:
        read(root, files)
    return str(error.value)


def test_hyperparameters_are_text_and_become_values_where_they_are_json(tmp_path):
    text = '{"epochs": "5", "name": "\\"a b\\"", "plain": "word", "on": "true", "list": "[1, 2]", "nothing": "null"}'
    job = read(tmp_path, {"config/hyperparameters.json": text})
    expected = {"epochs": 5, "name": "a b", "plain": "word", "on": True, "list": [1, 2], "nothing": None}
    assert job.hyperparameters == expected


def test_what_the_sdk_adds_to_the_hyperparameters_is_kept_from_the_script(tmp_path):
    job = read(tmp_path, {"config/hyperparameters.json": '{"sagemaker_program": "\\"t.py\\"", "epochs": "5"}'})
    assert (job.hyperparameters, job.platform) == ({"epochs": 5}, {"sagemaker_program": "t.py"})


@pytest.mark.parametrize("name", ["resourceconfig.json", "resourceConfig.json"])
def test_both_spellings_of_the_resource_configuration_are_read(tmp_path, name):
    job = read(tmp_path, {f"config/{name}": '{"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}'})
    assert (job.resources["current_host"], job.resources["hosts"]) == ("algo-2", ["algo-1", "algo-2"])


def test_a_job_without_any_description_has_the_channels_that_are_there(tmp_path):
    job = read(tmp_path, {"data/train/a.txt": "a", "data/stray.txt": "a"})
    assert dict(job.channels) == {"train": tmp_path / "input" / "data" / "train"}
    assert (dict(job.hyperparameters), job.resources["hosts"]) == ({}, ["algo-1"])


def test_a_declared_channel_without_a_folder_is_named_with_the_place(tmp_path):
    message = refusal(tmp_path, {"config/inputdataconfig.json": '{"train": {"TrainingInputMode": "File"}}'})
    place = tmp_path / "input" / "data" / "train"
    assert message == (
        f"The channel 'train' is declared in inputdataconfig.json, but has no folder: looked for {place}. "
        "Mount its data there."
    )


def test_an_empty_channel_is_named_with_what_to_look_at(tmp_path):
    (tmp_path / "input" / "data" / "train" / "folder").mkdir(parents=True)
    message = refusal(tmp_path, {})
    assert "The channel 'train' is empty: there is no file in" in message
    assert "Look whether the S3 prefix of its DataSource" in message


def test_a_channel_that_is_piped_need_not_be_a_folder(tmp_path):
    job = read(tmp_path, {"config/inputdataconfig.json": '{"train": {"TrainingInputMode": "Pipe"}}'})
    assert list(job.channels) == ["train"]


@pytest.mark.parametrize(
    ("content", "complaint"), [("{", "cannot be read: Expecting"), ("[1]", "holds a JSON list; SageMaker writes")]
)
def test_a_description_that_is_no_object_is_named(tmp_path, content, complaint):
    assert complaint in refusal(tmp_path, {"config/hyperparameters.json": content})


def test_a_folder_that_cannot_be_written_to_is_named_before_anything_is_run(tmp_path):
    (tmp_path / "model").write_text("a file in its place")
    with pytest.raises(TrainingError, match=r"Cannot write to .*/model as user \d+: File exists\. SageMaker runs"):
        make_writable(Folders(tmp_path))


def test_a_model_folder_with_an_earlier_model_is_refused_and_nothing_of_it_is_touched(tmp_path):
    folder(tmp_path, {"old.joblib": "", "code/inference.py": "", "lost+found/x": "", ".hidden": ""})
    with pytest.raises(TrainingError, match=r"is not empty: found code, old\.joblib\. SageMaker begins with an empty"):
        require_empty_model(tmp_path)
    assert (tmp_path / "old.joblib").exists()
