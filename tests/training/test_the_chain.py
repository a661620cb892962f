"""`make chain`: process, train, serve and transform in one command, and nothing left behind."""

import json
import os
import subprocess

import pytest

from ports import free_port
from server import ROOT

CHAIN = ROOT / "local_test" / "chain.sh"
PRAISE = "A warm and clear tone. It stays in tune. I would buy it again"
BLAME = "I did not like it. Too loud for me. Nothing new in here"


def run(*command, **environ):
    words = [str(word) for word in command]
    return subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, **environ}, cwd="/", timeout=170
    )


@pytest.fixture
def reviews(tmp_path):
    """A data set, written by hand, whose sentences can be told from one another."""
    lines = [{"helpful": [n % 2, 1], "reviewText": f"{PRAISE if n % 2 else BLAME}. Review {n}"} for n in range(40)]
    path = tmp_path / "reviews.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    "engine", [pytest.param("host", marks=pytest.mark.nginx), pytest.param("docker", marks=pytest.mark.engine)]
)
def test_a_data_set_becomes_a_model_and_its_answers(engine, reviews, tmp_path, request):
    image = {"IMAGE": request.getfixturevalue("image")} if engine == "docker" else {}
    asked = tmp_path / "asked.json"
    asked.write_text('{"instances": ["a warm and clear tone"]}\n{"instances": ["I did not like it", "too loud"]}\n')
    kept = tmp_path / "kept"
    options = ("--set", "epochs=3", "--batch", asked, "--to", kept, "--port", free_port(), "--engine", engine)
    done = run(CHAIN, "review_classifier", reviews, *options, **image)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("train: ")
    assert any(line.startswith("#validation_balanced_accuracy: ") for line in lines)
    answers = [[each["label"] for each in json.loads(line)] for line in lines[-2:]]
    assert answers == [[["__label__1"]], [["__label__2"], ["__label__2"]]]
    assert (kept / "batch" / "asked.json.out").read_text().splitlines() == lines[-2:]
    assert json.loads((kept / "train/input/config/hyperparameters.json").read_text()) == {"epochs": "3"}
    assert (kept / "train" / "model" / "manifest.json").is_file()


def test_a_job_that_fails_ends_the_chain_with_its_reason_and_leaves_nothing(tmp_path, reviews):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    options = ("--set", "epochs=none", "--port", free_port(), "--engine", "host")
    done = run(CHAIN, "review_classifier", reviews, *options, TMPDIR=str(temporary))
    assert done.returncode == 1
    assert "the training job failed; SageMaker would show: train.py ended with status 2" in done.stderr
    assert "argument --epochs: 'none'; expected a whole number, at least 1" in done.stderr
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "MODEL and DATA are needed"),
        (("review_classifier",), 2, "MODEL and DATA are needed"),
        (("nothing", "/dev/null"), 1, "no model folder: looked for"),
        (("review_classifier", "/no/such/file"), 1, "no such file: /no/such/file"),
        (("abalone", "/dev/null"), 1, "The model needs a preprocess.py and a code/train.py"),
        (("review_classifier", __file__, "--to", "/tmp"), 1, "/tmp is there already."),
        (("review_classifier", __file__, "--engine", "podman"), 2, "--engine is docker or host, not podman"),
        (
            ("review_classifier", __file__, "--engine", "host", "--port", "x"),
            2,
            "--port is a number from 1 to 65535, not x",
        ),
        (("review_classifier", __file__, "--set", "epochs"), 2, "--set needs NAME=VALUE, not epochs"),
        (("review_classifier", __file__, "--set", "=3"), 2, "--set needs NAME=VALUE, not =3"),
        (("--nonsense",), 2, "unknown option --nonsense"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(arguments, status, message):
    done = run(CHAIN, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr


def test_help_is_the_scripts_own_head():
    done = run(CHAIN, "--help")
    assert done.stdout.startswith("Process a data set, train a model on it, serve that and run a batch")
    assert "usage: chain.sh MODEL DATA" in done.stdout


def test_make_chain_passes_on_what_it_is_given():
    line = run("make", "-C", ROOT, "--dry-run", "chain", "MODEL=m", "DATA=d", "PORT=9", "OPTIONS=--set a=1").stdout
    assert 'local_test/chain.sh "m" "d" --port "9" --set a=1' in line
