"""What `build_and_push.sh` says before it asks AWS for anything; what it does there is in tests/aws."""

import re
import shutil
import subprocess

import pytest

from aws.pushing import CREDENTIALS, SMALL_DOCKERFILE, Checkout
from server import IMAGE, ROOT, docker

SCRIPT = ROOT / "build_and_push.sh"
DRY = ("--dry-run", "--no-push")
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A checkout in which nothing is changed."""
    checkout = Checkout(tmp_path_factory.mktemp("clean"), DOCKER_BUILDKIT="0")
    yield checkout
    checkout.close()


@pytest.fixture
def checkout(tmp_path):
    """A checkout of the test's own."""
    checkout = Checkout(tmp_path, DOCKER_BUILDKIT="0")
    yield checkout
    checkout.close()


def options_of_build(done):
    """Return the tag, and the label that tells the revision, of the build in a dry run."""
    assert done.returncode == 0, done.stderr
    build = next(line for line in done.stdout.splitlines() if line.startswith("docker build"))
    revision = re.search(r"--label org\.opencontainers\.image\.revision=(\S+)", build)
    return re.search(r"--tag byoc:(\S+)", build)[1], revision and revision[1]


def test_help_is_the_scripts_own_head_and_goes_to_stdout():
    done = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True, cwd="/")
    assert done.stderr == ""
    assert done.stdout.startswith("Build the image, check the contract on it, push it to ECR")
    assert "usage: build_and_push.sh NAME [OPTION...]" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the repository"),
        (["one", "two"], "one name at a time, not one and two"),
        (["one", "--nonsense"], "unknown option --nonsense"),
        (["one", "--model"], "--model needs a value"),
        (["one", "--tag="], "--tag needs a value"),
        (["My-Model"], "ECR takes no repository called My-Model: a name is 2 to 256 of a-z and 0-9, with single . _ -"),
        (["a"], "ECR takes no repository called a:"),
        (["team//model"], "ECR takes no repository called team//model:"),
        (["one", "--platform", "linux/s390x"], "--platform is linux/amd64 or linux/arm64, not linux/s390x"),
        (["one", "--tag", "a:b"], "no image can have the tag a:b: a tag is up to 128 of A-Z, a-z, 0-9 and _ . -"),
        (["one", "--sbom", "/no/such/bill.json"], "--sbom: no such folder: /no/such"),
        (["one", "--tag=latest"], "the tag latest does not tell one image from another: choose another --tag, or none"),
    ],
)
def test_what_makes_no_sense_is_said_with_the_usage(arguments, message):
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"build_and_push.sh: {message}" in done.stderr
    assert "usage:" in done.stderr


# -- what is missing on the machine


def bare_machine(folder, *programs):
    """A PATH with these programs and the shell's own tools alone."""
    for program in (
        "bash",
        "dirname",
        "basename",
        "sed",
        "tr",
        "mktemp",
        "touch",
        "rm",
        "env",
        "grep",
        "tee",
        *programs,
    ):
        (folder / program).symlink_to(shutil.which(program))
    return str(folder)


def test_a_machine_without_docker_is_told_so(clean, tmp_path):
    done = clean.push("byoc", PATH=bare_machine(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "docker is not installed: looked for it on PATH." in done.stderr
    assert "https://docs.docker.com/" in done.stderr


@pytest.mark.engine
def test_a_machine_without_the_aws_cli_is_told_so_and_that_one_can_do_without(clean, tmp_path):
    done = clean.push("byoc", PATH=bare_machine(tmp_path, "docker"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "the AWS CLI is not installed: looked for aws on PATH." in done.stderr
    assert "To build and check the image without AWS: --no-push" in done.stderr


@pytest.mark.engine
def test_an_engine_that_does_not_answer_is_told_from_a_missing_docker(clean):
    done = clean.push("byoc", DOCKER_HOST="unix:///nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert "docker is installed, but no engine answers." in done.stderr
    assert "Docker says: Cannot connect to the Docker daemon at unix:///nowhere." in done.stderr
    assert "sudo systemctl start docker" in done.stderr


@pytest.mark.engine
def test_without_a_region_nothing_is_asked(clean):
    done = clean.push("byoc")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no region: looked at AWS_REGION, AWS_DEFAULT_REGION and the AWS CLI's configuration." in done.stderr
    assert "Name one: export AWS_REGION=eu-west-1" in done.stderr


@pytest.mark.engine
def test_the_region_may_be_in_the_cli_s_configuration(checkout):
    checkout.home.joinpath(".aws").mkdir()
    checkout.home.joinpath(".aws", "config").write_text("[default]\nregion = cn-north-1\n")
    done = checkout.push("byoc", "--dry-run")
    assert done.stdout.startswith("aws sts get-caller-identity --region cn-north-1 ")


@pytest.mark.engine
def test_without_credentials_aws_is_quoted_and_ways_to_get_some_are_named(clean):
    done = clean.push("byoc", AWS_REGION="us-east-1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "AWS does not say who you are: there are no credentials, or they are not valid." in done.stderr
    assert re.search(r"AWS says: .*Unable to locate credentials", done.stderr)
    assert "Bring some: aws configure, aws sso login, or AWS_PROFILE" in done.stderr


def test_a_machine_without_the_registry_or_the_right_to_install_it_is_told_what_to_do(tmp_path):
    path = bare_machine(tmp_path)
    commands = f"source {ROOT}/local_test/lib.sh; PATH={path}; ensure_registry"
    done = subprocess.run(["bash", "-c", commands], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "docker-registry openssl is not installed, and only root can install it with apt." in done.stderr
    assert "sudo apt-get install docker-registry openssl" in done.stderr


def test_a_machine_that_knows_no_debian_is_told_that_buildx_cannot_be_had(clean, tmp_path):
    path = bare_machine(tmp_path, "mkdir", "sort")
    (tmp_path / "apt-get").write_text("#!/bin/sh\n")
    (tmp_path / "apt-get").chmod(0o755)
    script = clean.folder / "tests" / "aws" / "buildx.sh"
    done = subprocess.run([script], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "apt knows no mirror of Debian here." in done.stderr
    told = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
    assert told.startswith("Print a folder to use as DOCKER_CONFIG")


# -- what is to be built


@pytest.mark.engine
def test_an_unknown_model_is_named_with_those_that_exist(clean):
    done = clean.push("byoc", "--model", "nothing", *DRY)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no model folder: looked for" in done.stderr
    assert "abalone_featurizer" in done.stderr


@pytest.mark.engine
def test_a_model_elsewhere_cannot_be_baked_in(clean, tmp_path):
    done = clean.push("byoc", "--model", str(tmp_path), *DRY)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{tmp_path} cannot be baked in: the image is built of models/ only." in done.stderr
    assert f"cp -R {tmp_path} {clean.folder}/models/" in done.stderr


@pytest.mark.engine
@pytest.mark.parametrize("name", ["abalone", "models/abalone", "models/abalone/"])
def test_a_model_may_be_named_by_its_folder(clean, name):
    done = clean.push("byoc", "--model", name, *DRY)
    assert "--build-arg MODEL=abalone " in done.stdout


@pytest.mark.engine
def test_the_tag_is_the_commit_and_for_arm64_says_so(clean):
    tag, revision = options_of_build(clean.push("byoc", *DRY))
    assert (tag, revision) == (clean.tag, clean.git("rev-parse", "HEAD").strip())
    assert options_of_build(clean.push("byoc", "--platform=linux/arm64", *DRY))[0] == f"{clean.tag}-arm64"


@pytest.mark.engine
def test_the_tag_of_an_image_with_a_model_tells_the_models_content(checkout):
    def tag(*options):
        return options_of_build(checkout.push("byoc", "--model", "abalone", *options, *DRY))[0]

    first = tag()
    assert re.fullmatch(rf"{checkout.tag}-abalone-[0-9a-f]{{8}}", first)
    assert tag("--platform", "linux/arm64") == f"{first}-arm64"
    checkout.write("models/abalone/__pycache__/inference.pyc", "the builder does not get this")
    assert tag() == first
    checkout.write("models/abalone/notes.txt", "one")
    second = tag()
    checkout.write("models/abalone/notes.txt", "two")
    assert len({first, second, tag()}) == 3


@pytest.mark.engine
def test_a_model_whose_name_no_tag_can_hold_needs_a_tag_of_the_users_own(checkout):
    checkout.write("models/two words/model.txt", "")
    done = checkout.push("byoc", "--model", "two words", *DRY)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the name of models/two words cannot be part of a tag." in done.stderr
    assert options_of_build(checkout.push("byoc", "--model", "two words", "--tag", "mine", *DRY))[0] == "mine"


@pytest.mark.engine
def test_what_is_not_committed_is_named_and_refused_unless_the_user_names_the_image(checkout):
    checkout.write("README.md", "does not go into the image")
    checkout.push("byoc", *DRY).check_returncode()
    checkout.write("container/code/new.py", "")
    checkout.write(".dockerignore", "")
    done = checkout.push("byoc", *DRY)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        f"the image would be named after commit {checkout.tag}, but what goes into it has changed since:" in done.stderr
    )
    assert "?? container/code/new.py" in done.stderr
    assert "M .dockerignore" in done.stderr
    assert "README.md" not in done.stderr
    assert "Commit that, or name the image yourself: --tag TAG" in done.stderr
    tag, revision = options_of_build(checkout.push("byoc", "--tag", "trial", *DRY))
    assert (tag, revision) == ("trial", checkout.git("rev-parse", "HEAD").strip() + "-dirty")


@pytest.mark.engine
def test_a_changed_model_makes_the_revision_dirty_where_the_tag_does_not_tell_of_it(checkout):
    checkout.write("models/abalone/notes.txt", "new")
    assert options_of_build(checkout.push("byoc", "--model", "abalone", *DRY))[1][-6:] != "-dirty"
    assert options_of_build(checkout.push("byoc", "--model", "abalone", "--tag", "mine", *DRY))[1][-6:] == "-dirty"
    assert options_of_build(checkout.push("byoc", "--tag", "mine", *DRY))[1][-6:] != "-dirty"


@pytest.mark.engine
def test_without_a_checkout_the_user_has_to_name_the_image(checkout):
    (checkout.folder / ".git").rename(checkout.folder.parent / "git")
    done = checkout.push("byoc", *DRY, GIT_CEILING_DIRECTORIES=str(checkout.folder.parent))
    named = checkout.push("byoc", "--tag", "mine", *DRY, GIT_CEILING_DIRECTORIES=str(checkout.folder.parent))
    (checkout.folder.parent / "git").rename(checkout.folder / ".git")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"there is no commit to name the image after: {checkout.folder} is no git checkout." in done.stderr
    assert "git says: fatal: not a git repository" in done.stderr
    assert "Name the image yourself: --tag TAG" in done.stderr
    assert options_of_build(named) == ("mine", None)


# -- what would be run

POLICY = (
    '{"rules": [{"rulePriority": 1, "description": "expire images that have lost their tag", "selection": '
    '{"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}, '
    '"action": {"type": "expire"}}]}'
)
DESCRIBE_IMAGE = (
    "aws ecr describe-images --region us-east-1 --repository-name team/byoc --image-ids imageTag=TAG "
    "--query 'imageDetails[0].[imageDigest,imageManifestMediaType,imageSizeInBytes,imagePushedAt]' --output text"
)
FIRST_PUSH = f"""\
aws sts get-caller-identity --region us-east-1 --query Arn --output text
aws ecr describe-repositories --region us-east-1 --repository-names team/byoc \
--query 'repositories[0].[repositoryUri,imageTagMutability]' --output text
aws ecr create-repository --region us-east-1 --repository-name team/byoc --image-tag-mutability IMMUTABLE \
--image-scanning-configuration scanOnPush=true --query repository.repositoryUri --output text
aws ecr put-lifecycle-policy --region us-east-1 --repository-name team/byoc --lifecycle-policy-text '{POLICY}' \
--query repositoryName --output text
{DESCRIBE_IMAGE}
aws ecr get-login-password --region us-east-1 | docker --config PRIVATE_FOLDER login --username AWS --password-stdin \
REGISTRY
docker build --force-rm --platform linux/amd64 --file container/Dockerfile --build-arg MODEL= --tag team/byoc:TAG \
--label org.opencontainers.image.revision=COMMIT .
docker image inspect --format '{{{{.Os}}}}/{{{{.Architecture}}}}' team/byoc:TAG
docker image inspect --format '{{{{.Id}}}}' team/byoc:TAG
docker image inspect --format '{{{{join .RepoDigests " "}}}}' python:3.13-slim-trixie
docker run --rm --interactive --network none team/byoc:TAG python3 - '{{"name": "team/byoc", "version": "TAG", \
"id": "sha256:ID", "revision": "COMMIT", "base": "python:3.13-slim-trixie", "base_digest": "sha256:DIGEST", \
"model": ""}}' < deploy/push/sbom.py > .cache/sbom/team_byoc-TAG.cdx.json
{DESCRIBE_IMAGE}
local_test/check_contract.sh team/byoc:TAG --profile quick
docker tag team/byoc:TAG REGISTRY/team/byoc:TAG
docker --config PRIVATE_FOLDER push REGISTRY/team/byoc:TAG
{DESCRIBE_IMAGE}
aws ecr batch-get-image --region us-east-1 --repository-name team/byoc --image-ids imageDigest=sha256:DIGEST \
--query 'images[0].imageManifest' --output text
docker image inspect --format '{{{{.Os}}}}/{{{{.Architecture}}}}' REGISTRY/team/byoc@sha256:DIGEST
"""


@pytest.mark.engine
def test_a_dry_run_prints_every_command_of_a_first_push_and_runs_none(clean):
    done = clean.push("team/byoc", "--dry-run", AWS_ENDPOINT_URL="http://127.0.0.1:9", **CREDENTIALS)
    commit = clean.git("rev-parse", "HEAD").strip()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == FIRST_PUSH.replace("TAG", clean.tag).replace("COMMIT", commit)


# -- what can go wrong in a build


@pytest.fixture
def build_of(image, checkout):
    """Build with another Dockerfile, and push nothing."""

    def build_of(dockerfile, *options):
        checkout.become_small(dockerfile)
        return checkout.push("byoc-test", "--no-push", *options)

    return build_of


@pytest.mark.engine
def test_a_build_that_fails_shows_its_output(build_of):
    done = build_of(f"FROM {IMAGE}\nRUN echo the cause; exit 3\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "\nthe cause\n" in done.stderr
    assert "the build failed: see its output above." in done.stderr


@pytest.mark.engine
def test_a_full_disk_is_named_with_what_to_free(build_of):
    done = build_of(f"FROM {IMAGE}\nRUN head -c 100M /dev/zero > /dev/shm/zeros\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the build failed: no space left on device." in done.stderr
    assert "docker system df" in done.stderr
    assert "docker system prune" in done.stderr


@pytest.mark.engine
def test_a_program_for_another_processor_is_told_from_other_failures(build_of):
    for_a_mainframe = "\\\\177ELF\\\\002\\\\002\\\\001" + 9 * "\\\\000" + "\\\\000\\\\002\\\\000\\\\026"
    made = f'RUN printf "{for_a_mainframe}" > /program; chmod +x /program'
    done = build_of(f'FROM {IMAGE}\n{made}\nRUN ["/program"]\n')
    docker("rmi", re.findall(r"^ ---> ([0-9a-f]{12})$", done.stderr, re.MULTILINE)[-1])  # the first step's
    assert (done.returncode, done.stdout) == (1, "")
    assert "the build failed: this engine cannot build for linux/amd64." in done.stderr
    assert "What helps is a machine of that kind: for linux/arm64 a Graviton instance" in done.stderr


@pytest.mark.engine
def test_an_engine_that_builds_for_its_own_platform_alone_is_not_believed(build_of):
    own = docker("info", "--format", "{{.Architecture}}").stdout.strip()
    other = "linux/amd64" if own in ("aarch64", "arm64") else "linux/arm64"
    done = build_of(SMALL_DOCKERFILE, "--platform", other)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"binfmt --install {other.removeprefix('linux/')}" in done.stderr
    assert re.search(f"asked for {other}, and has built for|cannot build for {other}", done.stderr)


@pytest.mark.engine
def test_without_a_push_the_local_name_and_tag_are_printed_and_no_aws_is_needed(build_of, checkout):
    done = build_of(SMALL_DOCKERFILE)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"byoc-test:{checkout.tag}\n"
    assert "Every required clause is kept." in done.stderr


@pytest.mark.engine
def test_a_contract_that_cannot_be_checked_is_no_success(build_of, checkout):
    checkout.write("tests/contract/limits.py", "This is no Python.\n")
    done = build_of(SMALL_DOCKERFILE)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"the contract cannot be checked on byoc-test:{checkout.tag}: see above." in done.stderr
