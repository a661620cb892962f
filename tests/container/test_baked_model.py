"""The image with a model baked in: what a build takes along, and what it refuses."""

import re
import shutil
import uuid

import pytest

from builders import folder
from server import IMAGE, MODELS, ROOT, docker

pytestmark = pytest.mark.engine

ROW = "I,0.365,0.295,0.095,0.25,0.1075,0.0545,0.08,9.0"
PREDICTION = 7.258125951673891
STEP = re.compile(r"^Step \d+/\d+ : ", re.MULTILINE)
IMAGE_ID = re.compile(r"^ ---> ([0-9a-f]{12})$", re.MULTILINE)

DOUBLE = """
    def model_fn(model_dir):
        return 2

    def predict_fn(rows, model):
        return [[model * int(number) for number in row] for row in rows]
"""
DOUBLE_WITH_SIX = f"""
    import six
    {DOUBLE}
    def output_fn(prediction, accept):
        return six.text_type(prediction), "application/json"
"""
SAMPLE = {"samples/one.json": "[[1, 2]]", "samples/one.expected.json": "[[2, 4]]"}


def made_by(build):
    """
    Yield the ids of the images that a build made on its way; what it found in the cache is not its own.

    Only the classic builder leaves such images; BuildKit keeps a cache of its own, and says nothing that is read here.
    """
    for step in STEP.split(build.stdout)[1:]:
        if not step.startswith("FROM ") and "\n ---> Using cache\n" not in step:
            yield from IMAGE_ID.findall(step)[-1:]


@pytest.fixture(scope="session")
def build(image):
    """Build images, and remove them after the tests with all that was made on the way."""
    made = []

    def build(model, context=ROOT):
        tag = f"{IMAGE}-{uuid.uuid4().hex[:12]}"
        recipe = ("--file", str(context / "container" / "Dockerfile"), "--build-arg", f"MODEL={model}")
        done = docker("build", "--force-rm", "--tag", tag, *recipe, str(context), check=False)
        result = docker("image", "inspect", "--format", "{{.Id}}", tag, check=False).stdout
        made.extend(each for each in made_by(done) if each not in result)  # that one goes with its last tag
        made.append(tag)
        done.tag, done.output = tag, done.stdout + done.stderr
        return done

    yield build
    for name in reversed(made):
        docker("rmi", "--no-prune", name, check=False)


@pytest.fixture(scope="session")
def baked(build):
    """The image with models/abalone in it."""
    done = build("abalone")
    assert done.returncode == 0, done.output
    return done.tag


@pytest.fixture
def checkout(tmp_path):
    """Make a clone with one model folder of these files, under a umask that lets nobody else read."""

    def checkout(**files):
        clone = tmp_path / "clone"
        shutil.copytree(ROOT / "container", clone / "container", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / ".dockerignore", clone)
        folder(clone / "models" / "double", files)
        for path in clone.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        return clone

    return checkout


def predicted(server):
    answer = server.invoke(ROW, "text/csv")
    assert answer.status_code == 200, answer.text
    return float(answer.text)


def test_a_baked_model_is_served_without_a_mount_and_without_a_network(run, baked):
    limits = ("--read-only", "--tmpfs", "/tmp", "--user", "12345:12345", "--network", "none")
    assert predicted(run(None, *limits, image=baked)) == pytest.approx(PREDICTION)


def test_a_mounted_model_wins_over_the_baked_one(run, baked):
    server = run(MODELS / "abalone_predictor", image=baked)
    assert set(server.invoke("[[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]").json()) == {"result"}


def test_an_empty_mount_falls_back_to_the_baked_model(run, baked, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert predicted(run(empty, image=baked)) == pytest.approx(PREDICTION)


def test_a_baked_models_server_writes_to_tmp_alone(run, baked):
    server = run(None, image=baked)
    predicted(server)
    changes = docker("diff", server.name).stdout.splitlines()
    assert [line for line in changes if not line.split()[1].startswith("/tmp")] == []


def test_a_baked_image_can_be_checked_by_itself(command, baked):
    done = command("serve", "--check", options=("--network", "none"), image=baked)
    assert done.returncode == 0
    assert "the model answers its samples" in done.stdout + done.stderr


def test_an_unknown_model_fails_the_build_and_the_known_ones_are_listed(build):
    done = build("no-such-model")
    assert done.returncode != 0
    names = ", ".join(f"{path.name}/" for path in sorted(MODELS.iterdir()) if path.is_dir())
    assert f"MODEL=no-such-model: there is no folder models/no-such-model; there are: {names}" in done.output


def test_a_models_own_packages_are_in_its_image_and_any_user_can_run_it(build, checkout, run):
    files = {"code/inference.py": DOUBLE_WITH_SIX, "code/requirements.txt": "six\n", **SAMPLE}
    secrets = {".env": "KEY=1", ".aws/credentials": "[default]", ".netrc": "machine x"}
    done = build("double", checkout(**files, **secrets))
    assert done.returncode == 0, done.output
    server = run(None, "--user", "12345:12345", "--network", "none", image=done.tag)
    assert server.invoke("[[3]]").json() == [[6]]
    assert server.execute("ls", "-A", "/opt/program/model").split() == ["code", "samples"]


def test_a_requirement_that_would_move_a_locked_package_fails_the_build(build, checkout):
    requirements = {"code/requirements.txt": "numpy<2\n"}
    done = build("double", checkout(**{"code/inference.py": DOUBLE}, **requirements, **SAMPLE))
    assert done.returncode != 0
    assert "The user requested numpy<2" in done.output
    assert "(constraint) numpy==" in done.output


def test_a_model_that_gives_a_wrong_answer_to_its_sample_fails_the_build(build, checkout):
    wrong = {"samples/one.json": "[[1, 2]]", "samples/one.expected.json": "[[2, 5]]"}
    done = build("double", checkout(**{"code/inference.py": DOUBLE}, **wrong))
    assert done.returncode != 0
    assert "The model's answer to its own sample /opt/program/model/samples/one.json" in done.output
