"""An API's file, and what the verbs do with it: planned, deployed and removed as a stack of its own."""

import os
import subprocess
import sys

import boto3
import pytest
from botocore.stub import Stubber
from sample_apis import ORIGIN, api_of, template_of

from deploy.api.deploying import ApiStack, deployed, gone, how_it_is, planned, require_endpoint
from deploy.api.page import files_for, write_page
from deploy.api.settings import parse_api, read_api, write_api
from deploy.errors import Refused
from deploy.stack.change_sets import Change
from deploy.stack.refusals import Refusals
from sample_stages import ACCOUNT, stage_of
from server import ROOT

RINGS = stage_of("serverless", name="rings")
ADDRESS = "https://abc.execute-api.eu-west-1.amazonaws.com"
UP = f"""\
ApiEndpoint = {ADDRESS}/
Call:  curl --data-raw 'I love it.' -H 'Content-Type: text/plain' {ADDRESS}/demo
Page:  make web API=rings TO=folder; it may be at {ORIGIN}, and nowhere else.
Cost:  Lambda and the HTTP API are billed by requests, their logs by size. At most 10 requests a second, 10 at a time.
Ends:  make destroy API=rings
Logs:  aws logs tail the-logs --follow --region eu-west-1"""


class RecordedStack:
    """A stack that is what it was told to be."""

    name, region = "api-byoc-rings", "eu-west-1"

    def __init__(self, live=None, tags=None, status="CREATE_COMPLETE"):
        self.live, self.known_tags, self.known_status = live, tags or {"managed-by": "python -m deploy"}, status

    def exists(self):
        return self.live is not None

    def status(self):
        return self.known_status if self.live else "ABSENT"

    def tags(self):
        return self.known_tags

    def plan(self, template, tags):
        return [] if template == self.live else [Change("Add", "Api", "AWS::ApiGatewayV2::Api")]

    def apply(self, template, tags):
        self.live, self.known_tags = template, tags

    def delete(self):
        was, self.live = self.live, None
        return was is not None

    def outputs(self):
        return {"ApiEndpoint": ADDRESS, "FunctionLogs": "the-logs"} if self.live else {}


def sagemaker(*, has_endpoint=True):
    """Return a client of SageMaker that knows of the endpoint, or of none."""
    client = boto3.client("sagemaker", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    stubber = Stubber(client)
    if has_endpoint:
        about = {"EndpointName": "rings", "EndpointArn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/rings"}
        about |= {"EndpointStatus": "InService", "CreationTime": 0, "LastModifiedTime": 0}
        stubber.add_response("describe_endpoint", about, {"EndpointName": "rings"})
    else:
        stubber.add_client_error("describe_endpoint", "ValidationException", "Could not find endpoint")
    stubber.activate()
    return client


# -- the file


def test_a_new_api_is_a_file_that_can_be_read(tmp_path):
    path = write_api("rings", ORIGIN, tmp_path)
    assert path == tmp_path / "rings.toml"
    assert read_api("rings", tmp_path) == api_of()


def test_what_the_new_file_shows_as_defaults_are_the_defaults(tmp_path):
    path = write_api("rings", ORIGIN, tmp_path)
    path.write_text(path.read_text().replace("\n# ", "\n"))
    assert read_api("rings", tmp_path) == api_of()
    assert set(api_of().model_dump()) - {"memory_mb", "keep_logs_days"} == read_api("rings", tmp_path).model_fields_set


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    write_api("rings", ORIGIN, tmp_path)
    with pytest.raises(Refused, match="is there already"):
        write_api("rings", "http://localhost:8000", tmp_path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"origin": "*"},
            "origin: the origin of one page, such as https://reviews.example.com, without a path and never *",
        ),
        ({"origin": f"{ORIGIN}/page"}, "without a path"),
        ({"origin": f"{ORIGIN}/"}, "without a path"),
        ({"origin": "http://reviews.example.com"}, "the origin of one page"),
        ({"origin": None}, "origin: "),
        ({"accepts": []}, "accepts: "),
        ({"accepts": ["text/csv"]}, "accepts.0: should be 'text/plain' or 'application/json', not 'text/csv'."),
        ({"conccurrency": 1}, "conccurrency: there is no such setting. Perhaps concurrency was meant?"),
        ({"max_bytes": 6_000_000}, "max_bytes: should be less than or equal to 4000000, not 6000000."),
        (
            {"attempts": 3},
            "attempts = 3 of read_seconds = 12 can take 42 s; less than 28 s is needed",
        ),
        (
            {"read_seconds": 12.5},
            "attempts = 2 of read_seconds = 12.5 can take 28 s; less than 28 s is needed, for Lambda is ended after 29",
        ),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_words(settings, said):
    with pytest.raises(Refused) as caught:
        parse_api({"origin": ORIGIN, **settings}, "rings.toml")
    assert caught.value.lines[0] == "rings.toml is no API:"
    assert said in str(caught.value)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(Refused, match=r"origin is missing\."):
        parse_api({}, "rings.toml")
    with pytest.raises(Refused, match=r"rings has no API: looked for .*\n.*make new_api API=rings ORIGIN=https"):
        read_api("rings", tmp_path)
    with pytest.raises(Refused, match="No origin was named: ORIGIN=https"):
        write_api("rings", "", tmp_path)
    (tmp_path / "rings.toml").write_text("origin = ")
    with pytest.raises(Refused, match=r"rings\.toml is not TOML: "):
        read_api("rings", tmp_path)


# -- up, and down again


def test_an_api_is_planned_deployed_looked_at_and_removed():
    stack = RecordedStack()
    assert how_it_is(RINGS, api_of(), stack) == (
        "rings has no API in eu-west-1 (there is no stack api-byoc-rings).",
        1,
    )
    assert planned(RINGS, api_of(), ACCOUNT, stack).splitlines()[:2] == [
        "api-byoc-rings: 1 change",
        "  + Api AWS::ApiGatewayV2::Api",
    ]
    assert deployed(RINGS, api_of(), ACCOUNT, sagemaker(), stack) == UP
    assert stack.live == template_of()
    assert stack.known_tags.items() >= {"stage": "rings", "kind": "api", "managed-by": "python -m deploy"}.items()
    assert planned(RINGS, api_of(), ACCOUNT, stack) == "api-byoc-rings is as it should be: nothing to change."
    assert how_it_is(RINGS, api_of(), stack) == (f"api-byoc-rings CREATE_COMPLETE\n{UP}", 0)
    assert gone(RINGS, stack) == (
        "The API of rings is gone, and its logs with it. Its endpoint stays: make status STAGE=rings"
    )
    assert gone(RINGS, stack) == "rings has no API in eu-west-1: nothing to remove."


def test_an_api_that_is_being_changed_is_not_up():
    assert how_it_is(RINGS, api_of(), RecordedStack(template_of(), status="UPDATE_IN_PROGRESS")) == (
        "api-byoc-rings UPDATE_IN_PROGRESS",
        1,
    )


def test_an_api_of_json_is_called_with_json():
    up = deployed(RINGS, api_of(accepts=["application/json"]), ACCOUNT, sagemaker(), RecordedStack())
    assert """--data-raw '{"inputs": ["I love it."]}' -H 'Content-Type: application/json'""" in up


def test_an_api_without_an_endpoint_is_not_made():
    stack = RecordedStack()
    with pytest.raises(Refused) as caught:
        deployed(RINGS, api_of(), ACCOUNT, sagemaker(has_endpoint=False), stack)
    assert caught.value.lines == (
        "There is no endpoint rings in eu-west-1: its API would have nothing to call.",
        "Make it first: make deploy STAGE=rings",
    )
    assert stack.live is None


@pytest.mark.parametrize("kind", ["asynchronous", "batch"])
def test_an_api_needs_an_endpoint_that_answers_at_once(kind):
    with pytest.raises(Refused, match=f"abalone is a stage of kind {kind}: an API needs an endpoint that answers at"):
        require_endpoint(stage_of(kind), None)


def test_somebody_elses_stack_is_left_alone():
    theirs = RecordedStack({}, {"managed-by": "hand"})
    for act in (lambda: planned(RINGS, api_of(), ACCOUNT, theirs), lambda: gone(RINGS, theirs)):
        with pytest.raises(Refused, match="There is a stack api-byoc-rings that was not made by"):
            act()


def test_no_stage_can_be_called_so_that_its_stack_is_an_apis():
    client = boto3.client("cloudformation", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    stack = ApiStack(client, "rings")
    assert stack.name == "api-byoc-rings"
    assert not stack.name.startswith("byoc-")
    with Stubber(client) as stubber:
        about = {"StackName": stack.name, "CreationTime": 0, "StackStatus": "DELETE_FAILED"}
        stubber.add_response("describe_stacks", {"Stacks": [about]})
        with pytest.raises(Refused, match="make destroy API=rings"):
            stack.require_rest()


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        ("STAGE", "Or remove the whole stage, its endpoint too: make destroy STAGE=rings"),
        ("API", "Or remove the whole API; the endpoint stays: make destroy API=rings"),
        ("JOB", "Or remove the role: make destroy JOB=rings"),
    ],
)
def test_a_stack_that_is_stuck_says_what_its_removal_takes_with_it(owner, said):
    assert Refusals("a-stack", "rings", "eu-west-1", owner).stuck([]).lines[-1] == said


# -- the page


def test_the_page_is_written_with_the_address_in_its_one_line(tmp_path):
    paths = write_page(f"{ADDRESS}/demo", tmp_path / "page")
    assert [path.name for path in paths] == ["icon.svg", "index.html", "page.css", "page.js"]
    html = (tmp_path / "page" / "index.html").read_text()
    assert f"content=\"connect-src {ADDRESS}/demo; default-src 'none';" in html
    assert html.count(ADDRESS) == 1
    before, after = ((ROOT / "deploy/api/web/index.html").read_text().splitlines(), html.splitlines())
    assert len([line for line, other in zip(before, after, strict=True) if line != other]) == 1


@pytest.mark.parametrize("address", ["ftp://x", "https://x/demo; script-src *", 'https://x/"', ""])
def test_what_is_no_address_does_not_get_into_the_policy(address):
    with pytest.raises(Refused, match="is no address of an API"):
        files_for(address)


# -- as it is typed


def deploy(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_REGION": "eu-west-1"}
    environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
    command = [sys.executable, "-m", "deploy", "api", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_a_stage_without_an_api_is_told_how_to_get_one():
    done = deploy("deploy", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("deploy: nowhere has no API: looked for ")


def test_the_page_can_be_written_for_an_address_that_one_knows(tmp_path):
    done = deploy("page", "rings", "--to", str(tmp_path), "--address", f"{ADDRESS}/demo")
    assert (done.returncode, done.stdout.split()) == (0, [str(path) for path in sorted(tmp_path.iterdir())])


def test_the_page_is_not_written_into_a_folder_that_nobody_named():
    """`make web` without TO would write it into the root of the repository."""
    done = deploy("page", "rings", "--to", "", "--address", f"{ADDRESS}/demo")
    assert done.returncode == 2
    assert "argument --to: no folder was named: TO=folder is where the page is written" in done.stderr


def test_verbs_are_named_if_none_is():
    done = deploy()
    assert done.returncode == 2
    assert "the following arguments are required: VERB" in done.stderr
