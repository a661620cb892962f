"""What `build_and_push.sh` says where AWS does not let it go on: moto's IAM refuses what no policy allows."""

import json
import subprocess
from contextlib import closing

import boto3
import pytest
import requests

from aws.pushing import CREDENTIALS, Checkout, aws_cli, moto
from server import ROOT, docker

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {"digest": "sha256:" + "1" * 64, "size": 1000},
    "layers": [],
}
LOOK, CREATE = "ecr:DescribeRepositories", "ecr:CreateRepository"
FIND, READ = "ecr:DescribeImages", "ecr:BatchGetImage"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    with closing(Checkout(tmp_path_factory.mktemp("refused"))) as checkout:
        yield checkout


@pytest.fixture(scope="module")
def strict_aws(checkout, tmp_path_factory):
    """Give the address of an AWS that asks IAM, and the key of a user who may do these things."""
    users = [(), (LOOK,), (LOOK, CREATE), (LOOK, CREATE, FIND), (LOOK, FIND)]
    with moto(tmp_path_factory.mktemp("moto")) as url:
        clients = {
            name: boto3.client(
                name,
                endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id="admin",
                aws_secret_access_key="admin",
            )
            for name in ("iam", "ecr")
        }
        keys = {actions: key_of_user(clients["iam"], number, actions) for number, actions in enumerate(users)}
        clients["ecr"].create_repository(repositoryName="there")
        image = {"imageTag": checkout.tag, "imageManifest": json.dumps(MANIFEST)}
        clients["ecr"].put_image(repositoryName="there", **image)
        for client in clients.values():
            client.close()
        requests.post(f"{url}/moto-api/reset-auth", data=b"0", timeout=10).raise_for_status()
        yield lambda *actions: {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1", **keys[actions]}


def key_of_user(iam, number, actions):
    """Make a user who may do *actions*; return the variables with the user's key."""
    name = f"user-{number}"
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": list(actions) or ["sts:GetCallerIdentity"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="actions", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@pytest.fixture
def refused(checkout, strict_aws):
    """Return what is said to a user who may do no more than these things."""

    def refused(name, *actions):
        done = checkout.push(name, **strict_aws(*actions))
        assert (done.returncode, done.stdout) == (1, "")
        assert "building" not in done.stderr
        return done.stderr

    return refused


def test_who_may_not_look_is_told_so_in_awss_words(refused):
    said = refused("new")
    assert "cannot look for the repository new." in said
    assert "AWS says: An error occurred (" in said
    assert "user-0 is not authorized to perform: ecr:DescribeRepositories" in said


def test_who_may_not_create_the_repository_learns_the_permission_and_the_command_for_somebody_who_may(refused):
    said = refused("new", LOOK)
    assert "cannot create the repository new as arn:aws:iam::123456789012:user/user-1." in said
    assert "arn:aws:ecr:us-east-1:123456789012:repository/new; or somebody who has them runs:" in said
    assert "aws ecr create-repository --region us-east-1 --repository-name new --image-tag-mutability IMMUTABLE" in said


def test_a_repository_without_its_lifecycle_policy_is_said_and_is_no_failure(refused):
    said = refused("created", LOOK, CREATE)
    assert "created is there, but without its lifecycle policy, so images without a tag stay." in said
    assert "cannot look for created:" in said


def test_who_gets_no_password_is_told_the_permission(refused):
    said = refused("there-soon", LOOK, CREATE, FIND)
    assert f"the login to {HOST} is refused." in said
    assert "GetAuthorizationToken operation" in said
    assert "user-3 needs ecr:GetAuthorizationToken." in said


def test_who_may_not_read_the_manifest_is_told_so(refused):
    said = refused("there", LOOK, FIND)
    assert f"cannot read the manifest of {HOST}/there@sha256:" in said


# -- single steps, where a whole run would take long


@pytest.fixture
def step(tmp_path):
    """Run functions of the script by themselves."""

    def step(commands, **environ):
        sourced = f"source {ROOT}/local_test/lib.sh; source {ROOT}/deploy/push/ecr.sh; prepare_commands ''; {commands}"
        path = {"PATH": f"{aws_cli()}:/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
        environ = {**path, **CREDENTIALS, **environ}
        command = ["bash", "-euo", "pipefail", "-c", sourced]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    return step


def test_an_image_that_ecr_does_not_show_is_waited_for_and_then_missed(step, tmp_path):
    with moto(tmp_path) as url:
        create = "aws ecr create-repository --repository-name slow --output text >&2"
        named = "NAME=slow TAG=one REGION=us-east-1 SECONDS_UNTIL_SEEN=1"
        done = step(f"{create}; {named}; await_image", AWS_ENDPOINT_URL=url, AWS_DEFAULT_REGION="us-east-1")
    assert done.returncode == 1
    assert "ECR does not show slow:one 1 s after the push." in done.stderr
    assert "Run this again in a while." in done.stderr


def test_a_push_that_fails_shows_dockers_words(step, image):
    name, _, tag = image.partition(":")
    done = step(f"NAME={name} TAG={tag} REPOSITORY_URI=127.0.0.1:1/nobody; push_image")
    docker("rmi", f"127.0.0.1:1/nobody:{tag}")
    assert done.returncode == 1
    assert "connection refused" in done.stderr
    assert "the push failed: see its output above." in done.stderr


@pytest.mark.parametrize(
    ("printed", "date"),
    [("1763659000.123", "2025-11-20 17:16 UTC"), ("2025-11-20T17:16:40+00:00", "2025-11-20T17:16:40+00:00")],
    ids=["version 1", "version 2"],
)
def test_the_date_of_a_push_can_be_read_with_either_version_of_the_cli(step, printed, date):
    assert step(f"date_of {printed}").stdout == date


def test_the_engine_of_the_users_context_is_used_with_a_configuration_of_its_own(step, tmp_path):
    users = tmp_path / ".docker"
    subprocess.run(
        ["docker", "--config", str(users), "context", "create", "elsewhere", "--docker", "host=unix:///elsewhere"],
        capture_output=True,
        check=True,
    )
    (users / "config.json").write_text('{"currentContext": "elsewhere", "auths": {}}')
    done = step("run_own_docker version || true; ls $WORK/docker; cat $WORK/docker/config.json")
    assert "unix:///elsewhere" in done.stderr
    assert "config.json\ncontexts\n" in done.stdout
    assert '{"currentContext": "elsewhere"}' in done.stdout
