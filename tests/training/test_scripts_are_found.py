"""Which program trains: a channel's before a folder that is named, and that before the image's own."""

import io
import tarfile

import pytest

from builders import folder
from training.errors import TrainingError
from training.job import Job
from training.script import find_script


@pytest.fixture
def find(tmp_path):
    """Look for the program of a job that has the channel `code` if there is such a folder."""

    def find(environ=None, platform=None):
        channels = {"code": tmp_path / "channel"} if (tmp_path / "channel").exists() else {}
        return find_script(
            Job({}, platform or {}, channels, {}, {}), environ or {}, tmp_path / "baked", tmp_path / "scratch"
        )

    return find


def test_the_images_own_program_trains_where_nobody_brings_one(find, tmp_path):
    folder(tmp_path, {"baked/train.py": ""})
    assert find().path == tmp_path / "baked" / "train.py"


def test_the_code_channel_comes_before_the_images_own(find, tmp_path):
    folder(tmp_path, {"channel/train.py": "", "baked/train.py": ""})
    assert find().code == tmp_path / "channel"


@pytest.mark.parametrize("by", ["variable", "hyperparameter"])
def test_a_folder_and_a_program_are_named_as_for_awss_toolkit(find, tmp_path, by):
    folder(tmp_path, {"mine/fit.py": "", "baked/train.py": ""})
    named = {"sagemaker_program": "fit.py", "sagemaker_submit_directory": str(tmp_path / "mine")}
    variables = {name.upper(): value for name, value in named.items()}
    script = find(variables) if by == "variable" else find(platform=named)
    assert script.path == tmp_path / "mine" / "fit.py"


@pytest.mark.parametrize("place", ["channel/sourcedir.tar.gz", "baked/sourcedir.tar.gz"])
def test_an_archive_of_the_sdks_is_unpacked(find, tmp_path, place):
    archive = tmp_path / place
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as packed:
        packed.addfile(tarfile.TarInfo("train.py"), io.BytesIO())
    assert find().path == tmp_path / "scratch" / "train.py"


def test_a_damaged_archive_is_named(find, tmp_path):
    folder(tmp_path, {"channel/sourcedir.tar.gz": "no archive"})
    with pytest.raises(TrainingError, match=r"sourcedir\.tar\.gz cannot be unpacked: .* Make it with `tar -czf`"):
        find()


def test_no_program_anywhere_is_said_with_the_ways_to_bring_one(find, tmp_path):
    with pytest.raises(TrainingError) as error:
        find()
    assert str(error.value) == (
        f"No training program: there is neither a channel 'code' nor a folder {tmp_path / 'baked'}. "
        "Give the folder with train.py as the channel 'code', or bake it in: --build-arg MODEL=name."
    )


def test_code_without_the_program_is_said_with_what_is_there(find, tmp_path):
    folder(tmp_path, {"channel/fit.py": "", "channel/other.py": ""})
    with pytest.raises(TrainingError, match=r"looked for .*/channel/train\.py, found fit\.py, other\.py\. Name yours"):
        find()


@pytest.mark.parametrize(
    ("submitted", "problem"),
    [("s3://bucket/code", "is not fetched: this needs no network"), ("/no/such", "is not in this container")],
)
def test_code_that_was_named_and_cannot_be_had_is_never_replaced_by_the_images_own(find, tmp_path, submitted, problem):
    folder(tmp_path, {"baked/train.py": ""})
    with pytest.raises(TrainingError) as error:
        find({"SAGEMAKER_SUBMIT_DIRECTORY": submitted})
    assert str(error.value) == (
        f"The code is said to be at {submitted}, which {problem}. "
        "Give the folder with train.py as the channel 'code', or bake it in: --build-arg MODEL=name."
    )


def test_a_program_that_is_not_python_is_refused(find, tmp_path):
    folder(tmp_path, {"channel/train.sh": ""})
    with pytest.raises(TrainingError, match=r"train\.sh is not a Python file\. Name one with SAGEMAKER_PROGRAM"):
        find({"SAGEMAKER_PROGRAM": "train.sh"})
