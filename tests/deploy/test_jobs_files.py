"""A job's file is read as it stands; everything that is wrong with it is said before anything is made."""

import pytest

from builders import folder
from deploy.__main__ import parser
from deploy.errors import Refused
from deploy.facts import Image
from deploy.job.files import JOBS, parse_file, read_job, require_job_name
from deploy.job.new import NewJob, write_job
from deploy.job.rules import require_runs_on
from sample_jobs import IMAGE, ROLE, job_of
from server import ROOT

NEW = NewJob("reviews", IMAGE, "abalone", "me@example.com")


def said(**settings):
    with pytest.raises(Refused) as caught:
        job_of(**settings)
    first, *others = caught.value.lines
    assert first in {"reviews.toml is no job:", "reviews.toml makes no job as it is:"}
    return others


def refused(what, *arguments):
    with pytest.raises(Refused) as caught:
        what(*arguments)
    return caught.value.lines


def test_what_is_left_out_is_as_the_introduction_has_it():
    job = job_of()
    for work in (job.process, job.train):
        assert (work.instance_type, work.volume_gb, work.max_seconds) == ("ml.m5.large", 5, 600)
        assert work.network_isolation
    assert job.process.outputs == job.train.channels == ["train", "validation"]


def test_programs_are_those_of_the_model_folder_unless_others_are_named(tmp_path):
    files = {"preprocess.py": "", "other.py": "", "code/train.py": "", "more/train.py": ""}
    model = str(folder(tmp_path, files))
    job = job_of(model=model)
    assert (job.script, job.code) == (tmp_path / "preprocess.py", tmp_path / "code")
    job = job_of(model=model, process={"script": f"{model}/other.py"}, train={"code": f"{model}/more"})
    assert (job.script, job.code) == (tmp_path / "other.py", tmp_path / "more")
    assert job_of().code is None  # whose code/ has no train.py: the image has it, or nobody


def test_programs_that_are_not_there_are_said(tmp_path):
    assert said(model="models/nothing") == [f"model: there is no folder {ROOT}/models/nothing."]
    assert said(process={"script": "no.py"}, train={"code": "none"}) == [
        f"train.code: there is no folder {ROOT}/none.",
        f"process.script: there is no file {ROOT}/no.py.",
    ]


def test_a_type_that_there_is_not_is_said_of_each_job():
    """The lists differ: what transform jobs have is another matter again."""
    assert said(process={"instance_type": "ml.m5.tiny"}, train={"instance_type": "ml.m5.tiny"}) == [
        "process.instance_type: processing jobs have no ml.m5.tiny. Take an ml.m5.large.",
        "train.instance_type: training jobs have no ml.m5.tiny. Take an ml.m5.large.",
    ]


def test_channels_that_are_one_are_said():
    assert said(train={"channels": ["train", "train", "code"]}, process={"outputs": ["x", "x"]}) == [
        "process.outputs: x is there twice.",
        "train.channels: train is there twice.",
        "train.channels: code is the channel of the program; call the data something else.",
    ]


def test_hyperparameters_that_sagemaker_would_not_take_are_said():
    limits = (
        "SageMaker takes a name of up to 256 characters and a value of up to 2500. "
        "What is longer belongs into the data."
    )
    assert said(train={"hyperparameters": {"words": "w" * 2501}}) == [f"train.hyperparameters: 'words': {limits}"]
    assert said(train={"hyperparameters": {"n" * 257: 1}}) == [f"train.hyperparameters: {'n' * 40!r}: {limits}"]
    assert said(train={"hyperparameters": {"a=b": 1}}) == [
        "train.hyperparameters: 'a=b': a variable's name has no equals sign, and none a zero byte."
    ]
    assert said(train={"hyperparameters": {"layers": [1, 2]}}) == [
        "train.hyperparameters: layers: a text, a number, true or false was expected, not [1, 2]."
    ]


def test_metrics_that_would_never_be_found_are_said():
    assert said(train={"metrics": {"accuracy": "accuracy: ["}}) == [
        "train.metrics: accuracy: 'accuracy: [' is no regular expression: unterminated character set at position 10."
    ]
    assert said(train={"metrics": {"accuracy": "accuracy: .*"}}) == [
        "train.metrics: accuracy: 'accuracy: .*' has 0 groups; the value is what one group finds: ([0-9.]+)."
    ]
    (line,) = said(train={"metrics": {"accuracy": f"({'a' * 500})"}})
    assert line == (
        "train.metrics: 'accuracy': SageMaker takes a name of up to 255 characters and a regular expression of up to "
        "500."
    )


def test_settings_that_contradict_each_other_are_said():
    assert said(role=ROLE, reads=["s3://else/where"]) == [
        "reads: what the jobs may read is up to the role that the file names. Leave one of the two out."
    ]


def test_tags_that_aws_would_not_take_are_said():
    (line,) = said(tags={"owner": "you"})
    assert line == "tags: owner is set by deploy; take another name."


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"train": {"epochs": 3}}, "train.epochs: there is no such setting. There are: channels, code, data, "),
        ({"train": {"chanels": ["a"]}}, "train.chanels: there is no such setting. Perhaps channels was meant?"),
        ({"role": "admin"}, "role: the ARN of a role, such as arn:aws:iam::123456789012:role/training, was expected"),
        ({"process": {"outputs": ["a/b"]}}, "process.outputs.0: a folder's name of letters, digits, hyphens and under"),
        ({"train": {"max_seconds": 0}}, "train.max_seconds: should be greater than or equal to 1, not 0."),
        ({"train": {"instance_type": "m5"}}, "train.instance_type: an instance type such as ml.m5.large was expected"),
        ({"reads": ["bucket"]}, "reads.0: an address such as s3://my-bucket/some/prefix was expected, not 'bucket'."),
    ],
)
def test_what_the_file_cannot_say_is_said(settings, line):
    (found,) = said(**settings)
    assert found.startswith(line)


def test_what_is_missing_is_said():
    with pytest.raises(Refused) as caught:
        parse_file("reviews", 'owner = "me"', "reviews.toml")
    assert list(caught.value.lines) == ["reviews.toml is no job:", "image is missing.", "model is missing."]


def test_a_name_in_the_file_is_one_too_many():
    assert refused(parse_file, "reviews", 'name = "other"', "reviews.toml") == (
        "reviews.toml is no job:",
        "name: a job is called what its file is called, here reviews.",
    )


def test_what_is_no_toml_is_said(tmp_path):
    (line,) = refused(parse_file, "x", "a =", "x.toml")
    assert line.startswith("x.toml is not TOML: ")
    (tmp_path / "x.toml").write_bytes(b"\xff")
    (line,) = refused(read_job, "x", tmp_path)
    assert line.startswith(f"{tmp_path}/x.toml is not TOML: ")


def test_a_name_that_no_job_can_have_is_refused():
    assert require_job_name("a" * 39) == "a" * 39
    assert refused(require_job_name, "") == ("No job was named: JOB=name is a file in deploy/jobs, without .toml.",)
    for name in ("a" * 40, "a_b", "-a"):
        (line,) = refused(require_job_name, name)
        assert line == (
            f"{name!r} cannot name a job: what SageMaker runs is named after it, and takes letters, digits and "
            "hyphens, no hyphen at either end; here at most 39."
        )


def test_a_file_that_is_not_there_is_said_with_those_that_are(tmp_path):
    makes = "make new_job makes one: make new_job JOB=reviews MODEL=review_classifier IMAGE=…"
    looked = f"no job reviews: looked for {tmp_path}/reviews.toml."
    assert refused(read_job, "reviews", tmp_path) == (looked, "There is no job yet.", makes)
    folder(tmp_path, {"a.toml": "", "b.toml": ""})
    assert refused(read_job, "reviews", tmp_path) == (looked, "The jobs here: a, b.", makes)


def test_a_new_job_is_what_it_says_and_can_be_run(tmp_path):
    path = write_job(NEW, tmp_path)
    assert path == tmp_path / "reviews.toml"
    job = read_job("reviews", tmp_path)
    assert (job.region, job.image, job.model, job.owner) == ("eu-west-1", IMAGE, "models/abalone", "me@example.com")
    assert "make process_job JOB=reviews DATA=…" in path.read_text()
    # Nothing in the file is other than what is so without it.
    assert (job.process, job.train) == (job_of().process, job_of().train)


def test_a_new_job_replaces_none_and_needs_an_image_and_a_model(tmp_path):
    path = write_job(NEW, tmp_path)
    assert refused(write_job, NEW, tmp_path) == (f"{path} is there already.", "Edit it, or choose another name.")
    assert refused(write_job, NewJob("x", "", "abalone", "me"), tmp_path) == (
        "No image was named: IMAGE=… is what ./build_and_push.sh NAME prints.",
    )
    lacks = "No model folder was named: MODEL=… has the programs, preprocess.py and code/train.py."
    for model in ("", "s3://mine/model.tar.gz"):
        assert refused(write_job, NewJob("x", IMAGE, model, "me"), tmp_path) == (lacks,)


def test_an_image_for_another_processor_is_refused():
    job = job_of()
    require_runs_on(job, Image(IMAGE, "", "amd64", 1), job.train)
    assert refused(require_runs_on, job, Image(IMAGE, "", "arm64", 1), job.train) == (
        f"{IMAGE} is built for arm64, and ml.m5.large is amd64.",
        "Change image or instance_type in deploy/jobs/reviews.toml.",
    )


def test_the_folder_of_jobs_says_what_belongs_there():
    assert "make new_job" in (JOBS / "README.md").read_text()


@pytest.mark.parametrize("verb", ["new-job", "process", "train", "job-status", "destroy-job"])
def test_every_verb_has_a_help(capsys, verb):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([verb, "--help"])
    assert ended.value.code == 0
    assert f"usage: python -m deploy {verb} " in capsys.readouterr().out
