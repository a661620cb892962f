"""An API is really made, changed and removed by CloudFormation's stand-in, as a stack of its own."""

import time
from typing import Any

import pytest

from aws.conftest import Aws
from deploy.api.deploying import ApiStack, gone, how_it_is, planned, what_is_up
from deploy.api.settings import Api, parse_api
from deploy.api.template import render, tags
from deploy.facts import Account
from deploy.progress import Clock
from deploy.stack.kept import Kept, kept_by
from sample_stages import stage_of

pytestmark = [pytest.mark.engine, pytest.mark.registry]

ACCOUNT = Account("123456789012", "aws", "us-east-1")
STAGE = stage_of("serverless", name="rings")


def api_of(**settings: Any) -> Api:
    return parse_api({"origin": "https://reviews.example.com", **settings}, "rings.toml")


def removals(aws: Aws) -> list[str]:
    """Return the commands that remove what the stage would leave behind."""
    return [one.command for one in kept_by(STAGE, ACCOUNT, "a-bucket", aws.client) if isinstance(one, Kept)]


@pytest.fixture
def stack(aws: Aws):
    stack = ApiStack(aws.client("cloudformation"), "rings", lambda line: None, Clock(sleep=lambda _: time.sleep(0.05)))
    yield stack
    stack.delete()


def test_an_api_lives_its_whole_life(aws, stack):
    before = {group["logGroupName"] for group in aws.client("logs").describe_log_groups()["logGroups"]}
    assert stack.apply(render(STAGE, api_of(), ACCOUNT), tags(STAGE))

    address = stack.outputs()["ApiEndpoint"]
    assert what_is_up(STAGE, api_of(), stack).startswith(f"ApiEndpoint = {address}/\n")
    assert how_it_is(STAGE, api_of(), stack).exit_code == 0
    assert "make destroy API=rings" in removals(aws)
    (function,) = aws.client("lambda").list_functions()["Functions"]
    assert function["Environment"]["Variables"] == api_of().environment("rings")
    assert (function["Runtime"], function["Timeout"], function["Handler"]) == ("python3.13", 29, "index.handler")
    (api,) = aws.client("apigatewayv2").get_apis()["Items"]
    (route,) = aws.client("apigatewayv2").get_routes(ApiId=api["ApiId"])["Items"]
    (integration,) = aws.client("apigatewayv2").get_integrations(ApiId=api["ApiId"])["Items"]
    assert (route["RouteKey"], route["Target"]) == ("POST /demo", f"integrations/{integration['IntegrationId']}")
    assert integration["IntegrationUri"] == function["FunctionArn"]
    assert api["CorsConfiguration"]["AllowOrigins"] == ["https://reviews.example.com"]

    assert "nothing to change" in planned(STAGE, api_of(), ACCOUNT, stack)
    other = api_of(max_bytes=1000)
    assert planned(STAGE, other, ACCOUNT, stack).splitlines()[1].split()[:2] == ["~", "Function"]
    assert stack.apply(render(STAGE, other, ACCOUNT), tags(STAGE))
    (function,) = aws.client("lambda").list_functions()["Functions"]
    assert function["Environment"]["Variables"]["MAX_BYTES"] == "1000"
    assert stack.outputs()["ApiEndpoint"] == address  # callers notice nothing

    assert gone(STAGE, stack).startswith("The API of rings is gone")
    assert "make destroy API=rings" not in removals(aws)
    assert aws.client("lambda").list_functions()["Functions"] == []
    assert aws.client("apigatewayv2").get_apis()["Items"] == []
    assert {group["logGroupName"] for group in aws.client("logs").describe_log_groups()["logGroups"]} == before
