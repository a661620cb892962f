"""`make new_stage` writes a file that can be read, deployed, and understood."""

import tomllib
from pathlib import Path

import pytest

from deploy.errors import Refused
from deploy.stage.files import KINDS, read_stage
from deploy.stage.kinds import OnInstances, containers_of
from deploy.stage.measure import measure, start_up_seconds
from deploy.stage.new import SKELETONS, NewStage, write_stage
from server import ROOT

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/abalone@sha256:" + "0" * 64
PIPELINE = ("abalone_featurizer", "abalone_predictor")


def quick(folder: Path) -> float:
    """Say that a model is loaded in 7 s."""
    assert (folder / "samples").is_dir()
    return 7.0


def new(kind, models=("abalone",), images=(IMAGE,), name="mine"):
    return NewStage(
        name, kind, images, PIPELINE if kind == "pipeline" and models == ("abalone",) else models, "me@x.org"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_skeleton_whose_stage_can_be_read(tmp_path, kind):
    path = write_stage(new(kind), tmp_path, quick)
    stage = read_stage("mine", tmp_path)
    assert (path, stage.kind, stage.owner) == (tmp_path / "mine.toml", kind, "me@x.org")
    assert {container.image for container in containers_of(stage)} == {IMAGE}
    wanted = [f"models/{model}" for model in (PIPELINE if kind == "pipeline" else ["abalone"])]
    assert [container.model for container in containers_of(stage)] == wanted
    assert "7.0 s on the machine that wrote this" in path.read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_a_skeleton_shows_the_defaults_that_it_names(tmp_path, kind):
    """What stands in the file is what would hold without it, but for what a beginner is better off with."""
    write_stage(new(kind), tmp_path, quick)
    stage = read_stage("mine", tmp_path)
    content = tomllib.loads((tmp_path / "mine.toml").read_text())
    for table in {"alarms", "update", "serverless", "asynchronous", "batch"} & set(content):
        default = type(stage).model_fields[table].default
        shown = {name: getattr(default, name) for name in content[table]}
        if (kind, table) != ("asynchronous", "alarms"):  # whose answers take their time
            assert content[table] == shown


def test_the_time_to_start_follows_from_what_was_measured(tmp_path):
    write_stage(new("instance"), tmp_path, quick)
    stage = read_stage("mine", tmp_path)
    assert isinstance(stage, OnInstances)
    assert stage.start_up_seconds == 120


@pytest.mark.parametrize(("measured", "limit"), [(0.5, 60), (6.0, 60), (6.1, 120), (100.0, 1020), (1000.0, 3600)])
def test_the_time_to_start_is_ten_times_what_was_measured_and_whole_minutes(measured, limit):
    assert start_up_seconds(measured) == limit


def test_a_model_in_s3_or_in_the_image_is_not_measured(tmp_path):
    path = write_stage(new("instance", models=("s3://models/abalone/model.tar.gz",)), tmp_path, quick)
    assert "was not measured" in path.read_text()
    assert tomllib.loads(path.read_text())["start_up_seconds"] == 300
    path = write_stage(new("instance", models=(), name="baked"), tmp_path, quick)
    assert containers_of(read_stage("baked", tmp_path))[0].model is None


def test_the_region_is_that_of_the_image(tmp_path):
    """So that nobody looks for the stage in another."""
    assert 'region = "us-east-1"\n' in write_stage(new("instance"), tmp_path, quick).read_text()
    path = write_stage(new("instance", images=("byoc:1",), name="by-name"), tmp_path, quick)
    assert "# region = " in path.read_text()


def test_a_model_may_be_in_a_pipeline_twice(tmp_path):
    write_stage(new("pipeline", models=("abalone_predictor", "abalone_predictor")), tmp_path, quick)
    assert [one.name for one in containers_of(read_stage("mine", tmp_path))] == ["container-1", "container-2"]


def test_a_pipeline_may_have_an_image_for_each_container(tmp_path):
    write_stage(new("pipeline", models=(), images=("a:1", "b:2")), tmp_path, quick)
    containers = containers_of(read_stage("mine", tmp_path))
    assert [(container.name, container.image, container.model) for container in containers] == [
        ("container-1", "a:1", None),
        ("container-2", "b:2", None),
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (new("serverles"), "kind: 'serverles' is none of"),
        (new(""), "No kind was named: KIND=… is one of instance, "),
        (new("instance", images=()), "No image was named: IMAGE=… is what ./build_and_push.sh NAME prints."),
        (new("pipeline", models=("abalone_predictor",)), "A pipeline has two containers or more"),
        (new("pipeline", models=("a", "b", "c"), images=("x:1", "y:1")), "2 images for 3 models: name one for all"),
        (new("instance", models=PIPELINE), "instance has one image and one model; several are a pipeline"),
        (new("instance", models=("no_such",)), "no model folder: looked for models/no_such and for no_such."),
        (new("instance", name="my_stage"), "cannot name a stage"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_written(tmp_path, asked, said):
    with pytest.raises(Refused, match=said):
        write_stage(asked, tmp_path, quick)
    assert not list(tmp_path.iterdir())


def test_a_stage_that_is_there_is_not_overwritten(tmp_path):
    path = write_stage(new("instance"), tmp_path, quick)
    path.write_text("mine")
    with pytest.raises(Refused, match="is there already"):
        write_stage(new("instance"), tmp_path, quick)
    assert path.read_text() == "mine"


def test_measuring_loads_the_model_and_replays_its_samples():
    assert measure(ROOT / "models" / "abalone") > 0


def test_a_model_that_does_not_answer_its_samples_is_refused_with_the_reason(tmp_path):
    folder = tmp_path / "wrong"
    folder.mkdir()
    with pytest.raises(Refused) as refused:
        measure(folder)
    assert refused.value.lines[0] == f"{folder} does not answer its own samples here:"
    assert str(folder) in refused.value.lines[1]


def test_every_skeleton_is_a_kind():
    assert {path.stem for path in SKELETONS.glob("*.toml")} == set(KINDS)
